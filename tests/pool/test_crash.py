"""Deaths: of the agent, of its runner, of both, and what stop and restart make of them."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from claude_workers.home import archive, tasks
from claude_workers.home.home import find
from claude_workers.process.identity import Identity, boot_id
from claude_workers.process.tree import members, wait_gone
from tests.conftest import git
from tests.stage import ADD, Stage


def tree_of(stage: Stage) -> list[Identity]:
    """Return every process of the worker's run."""
    row = stage.until(lambda row: row.agent_pid)
    task = tasks.load(find(stage.fleet.layout, "01"))
    assert task
    runner = tasks.runner_of(task)
    assert runner
    found = [Identity(one.pid, one.start, boot_id()) for one in members(runner)]
    assert row.agent_pid in [one.pid for one in found]
    return found


def test_a_killed_runner_takes_its_whole_tree_along_and_is_seen_as_crashed(stage: Stage) -> None:
    stage.start({"run": "setsid sleep 300 & sleep 300"}, ADD)
    stage.until(lambda row: row.activity)
    processes = tree_of(stage)
    os.kill(processes[0].pid, signal.SIGKILL)
    assert wait_gone(processes, 5) == []
    row = stage.until(lambda row: row.state == "crashed")
    assert "runner" in str(row.reason)


def test_restart_continues_the_same_session_and_branch(stage: Stage) -> None:
    first = stage.start(ADD, {"text": "committed"}, {"sleep": 300})
    row = stage.until(lambda row: row.last_text == "committed")
    os.kill(int(row.pid or 0), signal.SIGKILL)
    stage.until(lambda row: row.state == "crashed")
    again = stage.fleet.restart("01")
    assert (again.task_id, again.session_id, again.branch) == (first.task_id, first.session_id, first.branch)
    assert again.attempt == 2
    stage.fleet.stop("01")


def test_dispatching_the_same_again_continues_a_crashed_task(stage: Stage) -> None:
    script = [
        {"run": "[ -e $TMPDIR/../.cache/x ] || { touch $TMPDIR/../.cache/x; sleep 300; }"},
        ADD,
        {"text": "Done."},
    ]
    first = stage.start(*script)
    stage.until(lambda _: (stage.home / ".cache/x").exists())
    os.kill(int(stage.until(lambda row: row.pid).pid or 0), signal.SIGKILL)
    stage.until(lambda row: row.state == "crashed")
    again = stage.start(*script)
    assert again.task_id == first.task_id
    receipt = stage.end()
    assert receipt.outcome == "pull_request"
    assert receipt.attempts == 2


@pytest.mark.parametrize("phase", ["working", "verifying", "publishing"])
def test_a_runner_killed_in_a_phase_ends_with_one_change(
    stage: Stage, phase: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = tmp_path / "gate"
    folder = Path(os.environ["CLAUDE_WORKERS_CONFIG_DIR"])
    folder.mkdir(exist_ok=True)
    if phase == "verifying":
        (folder / "config.toml").write_text('[repos."local/calc"]\nverify = "sleep 1"\n', encoding="utf-8")
    if phase == "publishing":
        hook = stage.calc / ".git/hooks/pre-receive"
        hook.write_text(f"#!/bin/sh\ntouch {gate}; sleep 1\n", encoding="utf-8")
        hook.chmod(0o755)
    stage.start(ADD, {"sleep": 1} if phase == "working" else {"text": "x"}, {"text": "Done."})
    row = stage.until(lambda row: row.phase == phase and (phase != "publishing" or gate.exists()))
    os.kill(int(row.pid or 0), signal.SIGKILL)
    stage.until(lambda row: row.state == "crashed")
    stage.fleet.restart("01")
    receipt = stage.end()
    assert receipt.outcome == "pull_request"
    assert git("rev-list", "--count", f"main..{receipt.branch}", at=stage.calc) == "1"
    assert len(list((stage.home / "completed").iterdir())) == 1
    assert git("branch", "--list", "w01/*", "--format=%(refname:short)", at=stage.calc) == receipt.branch


def test_stop_ends_the_tree_and_keeps_the_task_and_its_work(stage: Stage) -> None:
    stage.start(ADD, {"run": "echo more >> calc.py; setsid sleep 300 & sleep 300"})
    stage.until(lambda row: "sleep" in str(row.activity))
    processes = tree_of(stage)
    task = stage.fleet.stop("01")
    assert wait_gone(processes, 0.1) == []
    assert task.state == "stopped"
    bare = stage.bare()
    state = git("rev-parse", f"refs/work/01/{task.task_id}/state", at=bare)
    assert "more" in git("show", f"{state}:calc.py", at=bare)


def test_sigterm_to_the_runner_is_the_host_stopping(stage: Stage) -> None:
    stage.start({"sleep": 300})
    row = stage.until(lambda row: row.agent_pid)
    os.kill(int(row.pid or 0), signal.SIGTERM)
    row = stage.until(lambda row: row.state == "waiting")
    assert "host stopping" in str(row.reason)


def test_another_assignment_archives_a_crashed_one_with_its_work_kept(stage: Stage) -> None:
    task = stage.start(ADD, {"text": "committed"}, {"sleep": 300})
    row = stage.until(lambda row: row.last_text == "committed")
    os.kill(int(row.pid or 0), signal.SIGKILL)
    stage.until(lambda row: row.state == "crashed")
    receipt = stage.play({"text": "An answer."}, expect="answer")
    assert receipt.outcome == "answered"
    left = archive.receipt(find(stage.fleet.layout, "01"), task.task_id)
    assert left
    assert left.outcome == "crashed"
    bare = stage.bare()
    assert "sub" in git("show", f"refs/work/01/{task.task_id}/heads/{task.branch}:calc.py", at=bare)


def test_a_recycled_pid_is_not_the_runner_and_is_left_alone(stage: Stage) -> None:
    stage.start({"sleep": 300})
    stage.until(lambda row: row.agent_pid)
    stage.fleet.stop("01")
    home = find(stage.fleet.layout, "01")
    task = tasks.load(home)
    assert task
    tasks.save(home, task, state="busy", pid=os.getpid(), pid_start=1)
    assert stage.fleet.status(["01"])[0].state == "crashed"
    assert stage.fleet.stop("01").state == "stopped"

"""What users of programs like this one complain of, and what therefore never happens here: processes.

The complaints are numbered, 1 to 25; the rest of them are in the modules beside this one. Collected here are
those about who is alive and who is not, who is ended and who is left alone, and whether anybody is told why.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from claude_workers import Task
from claude_workers.errors import WorkersError
from claude_workers.home import events, tasks
from claude_workers.home.home import Home
from claude_workers.pool import leave
from claude_workers.process.identity import boot_id, identify
from tests.home.test_witness import by, resident
from tests.process.test_probe_soak import PIDS
from tests.racing import until
from tests.stage import ADD, DONE, Stage

HANG: list[dict[str, object]] = [{"text": "here"}, {"hang": True}]
# In sessions of their own, one given to init, with nothing in their environment, deaf to whoever asks.
DAEMONS = "setsid env -i sh -c 'trap \"\" TERM HUP INT; (setsid sleep {0} &); sleep {0}' >/dev/null 2>&1 &"


def home_of(stage: Stage) -> Home:
    """Return the worker's home."""
    return Home(stage.fleet.layout, "01")


def holding(word: str) -> list[int]:
    """Return the pids of those that have a word on their command line, whatever else is known of them."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        found += [int(path.parent.name)] if word.encode() in words else []
    return found


def seconds() -> str:
    """Return a number of seconds that nobody else sleeps for."""
    return str(10**9 + uuid.uuid4().int % 10**9)


def halted(stage: Stage) -> Task:
    """Return a task that was under way and is stopped, its agent recorded."""
    stage.start(*HANG)
    stage.until(lambda row: row.last_text == "here")
    return stage.fleet.stop("01")


def crash(stage: Stage) -> None:
    """Kill the runner, and see that it is known to be dead."""
    os.kill(int(stage.until(lambda row: row.pid).pid or 0), signal.SIGKILL)
    stage.until(lambda row: row.state == "crashed")


@pytest.mark.parametrize("who", ["reused", "zombie"])
def test_06_a_zombie_or_a_reused_pid_is_never_read_as_alive_nor_signalled(stage: Stage, who: str) -> None:
    task, home = halted(stage), home_of(stage)
    with subprocess.Popen(["sleep", "300"]) as stranger:
        found = identify(stranger.pid)
        assert found
        start = found.start - (who == "reused")
        if who == "zombie":
            stranger.kill()
            os.waitid(os.P_PID, stranger.pid, os.WEXITED | os.WNOWAIT)
        tasks.save(home, task, state="busy", pid=stranger.pid, pid_start=start, boot_id=boot_id())
        seen = tasks.progress(home, task.task_id)
        tasks.save_progress(home, dataclasses.replace(seen, agent_pid=stranger.pid, agent_start=start))
        row = stage.fleet.status(["01"])[0]
        assert row.state == "crashed"
        assert ("zombie" if who == "zombie" else "another process") in str(row.reason)
        assert stage.fleet.stop("01").state == "stopped"
        # What was sent before comes before this one: of two signals the lower number ends a process.
        stranger.send_signal(signal.SIGPROF)
        assert stranger.wait() == (-signal.SIGKILL if who == "zombie" else -signal.SIGPROF)


@pytest.mark.parametrize("how", ["stop", "crash", "end"])
def test_07_a_stop_a_crash_and_an_end_leave_no_process(stage: Stage, how: str) -> None:
    mark = seconds()
    stage.start({"run": DAEMONS.format(mark)}, *([DONE] if how == "end" else HANG))
    if how == "end":
        assert stage.end().outcome == "answered"
    else:
        stage.until(lambda row: row.last_text == "here")
        until(lambda: len(holding(mark)) == 2, "both daemons are there")
    if how == "stop":
        stage.fleet.stop("01")
        assert holding(mark) == [], "when it returns, all have ended"
    if how == "crash":
        crash(stage)
    until(lambda: not holding(mark), "nobody is left")


def test_08_a_stop_that_cannot_be_confirmed_is_said_and_never_taken_for_done(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leave, "_GRACE", 0.1)
    task, home = halted(stage), home_of(stage)
    with resident(*PIDS, lock=stage.fleet.layout.runner_lock("01")) as elsewhere:
        tasks.save(home, task, state="busy", **by(elsewhere))
        with pytest.raises(WorkersError, match=r"the stop could not be confirmed: pid .* another pid"):
            stage.fleet.stop("01")
        assert stage.fleet.status(["01"])[0].state == "busy", "could not is not did not"


def test_08_every_transition_leaves_its_reason_in_the_event_log(stage: Stage) -> None:
    stage.configure('backoff = "0.05s"')
    die = {"run": "[ -e ~/.cache/been ] || { touch ~/.cache/been; kill -9 $PPID; sleep 9; }"}
    task = stage.start(die, *HANG)
    stage.until(lambda row: row.last_text == "here")
    crash(stage)
    assert [one.did for one in stage.fleet.recover()] == ["resumed"]
    stage.until(lambda row: row.phase == "working")
    stage.fleet.stop("01")
    stage.fleet.reset("01")
    told = events.read(home_of(stage))
    assert all(one.at and one.text and one.task_id == task.task_id for one in told)
    lines = [f"{one.kind}: {one.text}" for one in told]
    for wanted in (
        "claimed: local/calc, branch w01/", "busy: runner pid ", "busy: working", "killed by signal 9",
        "recover: found crashed: runner: ", "stopped: while working, stopped by a person", "ended: stopped: ",
    ):  # fmt: skip
        assert [line for line in lines if wanted in line], f"{wanted} is not among {lines}"


COMPUTE = "import time\nend = time.monotonic() + 3\nwhile time.monotonic() < end: pass"
WRITE = """import glob, os, time
[name] = glob.glob(os.path.expanduser("~/.claude/projects/*/*.jsonl"))
for _ in range(30):
    open(name, "a").write("{}\\n")
    time.sleep(0.1)"""


@pytest.mark.parametrize("code", [COMPUTE, WRITE], ids=["computes", "writes"])
def test_09_an_agent_that_works_without_a_word_is_not_ended(stage: Stage, code: str) -> None:
    stage.configure('silence_limit = "1.2s"')
    receipt = stage.play({"run": f"python3 -c '{code}'"}, ADD, DONE)
    assert (receipt.outcome, receipt.attempts) == ("pull_request", 1)


def test_09_of_an_agent_that_does_neither_the_watch_is_kept(stage: Stage) -> None:
    stage.configure('silence_limit = "1s"')
    receipt = stage.play({"run": "python3 -c 'import time; time.sleep(300)'"}, ADD, DONE)
    assert (receipt.outcome, receipt.reason) == ("failed", "no sign of work for 1s")


def test_10_an_agent_that_never_begins_has_a_reason_of_its_own_and_is_gone(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark, mute = seconds(), tmp_path / "tool/claude"
    mute.parent.mkdir()
    mute.write_text(f"#!/bin/sh\nsleep {mark}\n", encoding="utf-8")
    mute.chmod(0o755)
    monkeypatch.setenv("CLAUDE_WORKERS_CLAUDE", str(mute))
    stage.configure('start_limit = "1s"')
    stage.start(ADD)
    until(lambda: holding(mark), "it is there, and says nothing")
    receipt = stage.end()
    assert (receipt.outcome, receipt.reason) == ("failed", "no first event within 1s")
    until(lambda: not holding(mark), "nobody is left")


def test_24_whoever_is_the_same_user_can_list_and_stop_a_worker_and_all_of_it(stage: Stage, tmp_path: Path) -> None:
    mark = seconds()
    task = stage.start({"run": DAEMONS.format(mark)}, *HANG)
    stage.until(lambda row: row.last_text == "here")
    bare = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "CLAUDE_WORKERS_ROOT": str(stage.fleet.layout.root)}

    def elsewhere(*words: str) -> str:
        argv = [sys.executable, "-P", "-m", "claude_workers", *words]
        return subprocess.check_output(argv, env=bare, cwd="/", text=True, start_new_session=True)

    [row] = json.loads(elsewhere("status", "--json"))["workers"]
    assert (row["worker"], row["state"], row["task_id"]) == ("01", "busy", task.task_id)
    assert row["agent_pid"]
    elsewhere("stop", "01")
    assert holding(mark) == []
    assert json.loads(elsewhere("status", "--json"))["workers"][0]["state"] == "stopped"

"""The verbs that look and the big switches, as a person types them: todos, show, history, pause, stop --all."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from claude_workers import paths
from claude_workers.lock import locked
from claude_workers.model import Receipt, Todos, WorkerStatus
from tests.cli.conftest import Cli, picture
from tests.racing import until
from tests.stage import ADD, DONE, HANG, HERE, Stage, steps
from tests.terminal import Person

LIST = {"todo": ["Read", "Write"], "done": 1}
WRITTEN = {
    "raw": json.dumps({
        "type": "assistant",
        "message": {"id": "m", "content": [{"type": "tool_use", "name": "TodoWrite", "input": {
            "todos": [{"content": "Old", "status": "completed"}, {"content": "Way", "status": "pending"}]}}]},
    })
}  # fmt: skip


@pytest.fixture
def ended(stage: Stage, cli: Cli) -> Receipt:
    """A task that ended well."""
    return stage.play(LIST, ADD, DONE)


def test_todos_of_a_task_that_runs_and_of_one_that_ended(stage: Stage, cli: Cli, ended: Receipt) -> None:
    assert cli.ok("todos", "01").splitlines() == ["worker 01:", "  ✓ Read", "  ○ Write"]
    assert "no worker has a task" in cli.ok("todos")
    stage.start(LIST, HERE, HANG)
    stage.until(lambda row: row.last_text == "here")
    [told] = json.loads(cli.ok("todos", "--json"))["todos"]
    assert told["items"] == [{"subject": "Read", "status": "completed"}, {"subject": "Write", "status": "pending"}]


def test_a_list_that_is_only_in_the_stream_is_shown_and_counted(stage: Stage, cli: Cli) -> None:
    stage.start(WRITTEN, HERE, HANG)
    row = stage.until(lambda row: row.last_text == "here")
    assert row.todos == Todos(1, 2)
    assert cli.ok("todos", "01").splitlines() == ["worker 01:", "  ✓ Old", "  ○ Way"]


def test_show_tells_of_an_ended_task_whole_by_worker_and_by_id(cli: Cli, ended: Receipt) -> None:
    for wanted in ("01", ended.task_id, ended.task_id[:6]):
        told = json.loads(cli.ok("show", wanted, "--json"))
        assert set(told) == {"task", "state", "reason", "receipt", "prompt", "log", "diff", "missing"}
        assert (told["state"], told["receipt"]["outcome"], told["missing"]) == ("ended", "pull_request", [])
        assert "calc.py | 2 ++" in told["diff"]
        assert "stand-in" in told["prompt"]
        assert told["log"][-1]["text"] == "outcome: pull_request"
    shown = cli.ok("show", "01", "-n", "1")
    assert re.search(r"outcome +pull_request\n", shown)
    assert "Deliver what is asked for" in shown


def test_show_names_what_is_not_kept(stage: Stage, cli: Cli, ended: Receipt) -> None:
    for one in (stage.home / "runs" / ended.task_id).iterdir():
        one.unlink()
    (stage.home / "runs" / ended.task_id).rmdir()
    told = json.loads(cli.ok("show", "01", "--json"))
    assert told["receipt"]["outcome"] == "pull_request"
    assert [one.partition(":")[0] for one in told["missing"]] == ["prompt", "log"]
    assert "calc.py" in told["diff"]


def test_show_tells_of_a_task_under_way(stage: Stage, cli: Cli) -> None:
    stage.start(ADD, HERE, HANG)
    stage.until(lambda row: row.last_text == "here")
    told = json.loads(cli.ok("show", "01", "--json"))
    assert (told["state"], told["receipt"]) == ("busy", None)
    stage.fleet.stop("01")
    assert "calc.py" in json.loads(cli.ok("show", "01", "--json"))["diff"]


def test_history_tells_how_tasks_ended_and_what_needs_a_person(stage: Stage, cli: Cli, ended: Receipt) -> None:
    stage.configure('verify = "false"\nverify_retries = 0')
    stage.play(ADD, DONE)
    stage.fleet.init("02")
    stage.fleet.dispatch("02", str(stage.calc), prompt=steps(HERE, HANG))
    stage.fleet.stop("02")
    told = json.loads(cli.ok("history", "--json"))["history"]
    assert [(one["worker"], one["outcome"]) for one in told] == [
        ("01", "pull_request"), ("01", "verify_failed"), ("02", "stopped"),
    ]  # fmt: skip
    assert told[0]["needs"] == ""
    assert told[0]["change"] == "change/1"
    assert "did not pass" in told[1]["needs"]
    assert "restart 02" in told[2]["needs"]
    assert len(cli.ok("history", "--needs").splitlines()) == 3
    assert json.loads(cli.ok("history", "01", "--since", "1h", "--json"))["history"] == told[:2]
    assert cli.ok("history", "--since", "0s").strip() == "nothing ended yet"


def test_what_is_paid_by_a_subscription_is_marked_as_a_list_price(
    stage: Stage, cli: Cli, ended: Receipt, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert " $0.01" in cli.ok("history")
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    monkeypatch.setenv("CLAUDE_CODE_OAUTH_TOKEN", "sk-ant-oat01-0123456789")
    (stage.home / ".env").write_text("", encoding="utf-8")
    stage.fleet.refresh("01")
    stage.play(DONE, expect="answer")
    assert "list $0.01" in cli.ok("history")
    told = json.loads(cli.ok("budget", "--by", "worker", "--json"))["spent"]
    assert {(one["span"], one["of"], one["usd"], one["unbilled"]) for one in told} == {
        (span, "01", 0.02, 0.01) for span in ("day", "week", "month")
    }
    assert [one["of"] for one in json.loads(cli.ok("budget", "--by", "repo", "--json"))["spent"]] == ["local/calc"] * 3


def test_while_paused_nothing_new_begins_and_what_runs_goes_on(stage: Stage, cli: Cli) -> None:
    stage.fleet.init("02")
    stage.start(ADD, HERE, HANG)
    stage.until(lambda row: row.last_text == "here")
    assert json.loads(cli.ok("status", "--json"))["paused"] is None
    cli.ok("pause", "the registry is down")
    assert "registry" in cli.refused(4, "dispatch", "02", "./calc", "-p", "x")
    assert cli.ok("status").splitlines()[0].endswith("the registry is down; claude-workers resume")
    assert json.loads(cli.ok("status", "--json"))["paused"]["reason"] == "the registry is down"
    assert stage.fleet.status(["01"])[0].state == "busy"
    stage.fleet.stop("01")
    stage.fleet.restart("01")
    stage.fleet.stop("01")
    cli.ok("resume")
    assert "paused" in cli.refused(3, "resume")
    cli.ok("dispatch", "02", "./calc", "-p", "x")


def test_a_pause_that_cannot_be_read_is_one_all_the_same(stage: Stage, cli: Cli) -> None:
    stage.fleet.layout.paused.write_text("{", encoding="utf-8")
    cli.refused(4, "dispatch", "01", "./calc", "-p", "x")
    cli.ok("resume")
    cli.ok("dispatch", "01", "./calc", "-p", "x")


def test_stop_all_ends_every_task_and_nothing_is_left_to_stop(stage: Stage, cli: Cli) -> None:
    stage.fleet.init("02", "03")
    for worker in ("01", "02"):
        stage.fleet.dispatch(worker, str(stage.calc), prompt=steps(HERE, HANG))
    told = json.loads(cli.ok("stop", "--all", "--json"))
    assert sorted(one["worker"] for one in told["tasks"]) == ["01", "02"]
    assert told["errors"] == []
    assert [row.state for row in stage.fleet.status()] == ["stopped", "stopped", "idle"]
    assert "no worker" in cli.ok("stop", "--all")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (3, ("todos", "09")),
        (3, ("history", "09")),
        (3, ("show", "01")),
        (3, ("show", "0123")),
        (2, ("show",)),
        (2, ("history", "--since", "soon")),
        (2, ("stop",)),
        (2, ("stop", "01", "--all")),
        (2, ("budget", "--by", "mood")),
        (2, ("todos", "../01")),
    ],
)
def test_words_that_name_nothing_are_refused_in_a_line(
    stage: Stage, cli: Cli, status: int, words: tuple[str, ...]
) -> None:
    cli.refused(status, *words)


@pytest.mark.parametrize("verb", ["todos", "history", "budget"])
def test_a_root_that_is_not_there_is_not_made(cli: Cli, verb: str) -> None:
    before = picture(cli.folder)
    cli.ok(verb, "--root", str(cli.folder / "nowhere"))
    assert picture(cli.folder) == before


def test_eight_workers_in_brief_fit_into_two_kilobytes() -> None:
    rows = [
        WorkerStatus(
            f"{number:02}", "local", "busy", phase="working", repo="some-owner/some-repository", issue=12345,
            elapsed_s=98765.0, activity="Bash python -m pytest -q tests/test_something_long.py -k 'and more' " * 3,
            todos=Todos(10, 20), branch="w01/issue-12345", last_text="x" * 200,
        )
        for number in range(8)
    ]  # fmt: skip
    told = {"workers": [row.brief() for row in rows], "paused": False, "orphans": 0, "errors": []}
    assert len(json.dumps(told, ensure_ascii=False).encode()) < 2048


def test_eight_receipts_in_brief_fit_into_two_kilobytes(cli: Cli, ended: Receipt, tmp_path: Path) -> None:
    [told] = json.loads(cli.ok("watch", "01", "--json", "--brief"))["receipts"]
    assert told == {
        "worker": "01", "outcome": "pull_request", "pull_request": "change/1",
        "branch": ended.branch, "verified": False,
    }  # fmt: skip
    long = Receipt.from_json({**ended.to_json(), "reason": "why " * 99, "answer": "x" * 9999,
                              "pull_request": "https://github.com/some-owner/some-repository/pull/12345"})  # fmt: skip
    assert len(json.dumps([long.brief()] * 8, ensure_ascii=False).encode()) < 2048


def test_prompt_templates_are_listed_and_may_use_the_names_of_others(stage: Stage, cli: Cli) -> None:
    folder = paths.config_dir() / "prompts"
    folder.mkdir(parents=True)
    text = "{{workBranch}} is {{branchName}}, {{machineId}} is {{workerId}}. {{prompt}}"
    (folder / "architect.md").write_text(text, encoding="utf-8")
    assert json.loads(cli.ok("config", "--json"))["prompts"] == ["architect"]
    assert "architect" in cli.ok("config")
    task = stage.start(DONE, prompt_template="architect", expect="answer")
    stage.end()
    assert f"{task.branch} is {task.branch}, 01 is 01. Play." in cli.ok("show", "01")


def test_a_list_with_an_odd_end_of_a_line_in_it_is_shown(stage: Stage, cli: Cli) -> None:
    items = [{"content": "a\u2028b", "status": "pending", "activeForm": "a"}]
    used = {"type": "tool_use", "id": "t", "name": "TodoWrite", "input": {"todos": items}}
    line = json.dumps({"type": "assistant", "message": {"role": "assistant", "content": [used]}}, ensure_ascii=False)
    stage.play({"raw": line}, DONE, expect="answer")
    assert "no list" not in cli.ok("todos", "01")


def test_json_holds_nothing_that_a_terminal_or_a_parser_minds(stage: Stage, cli: Cli) -> None:
    stage.start(HERE, HANG)
    stage.until(lambda row: row.last_text == "here")
    done = subprocess.run(
        [sys.executable, "-m", "claude_workers", "tell", "01", b"\xff \xc2\x9b \xe2\x80\xae", "--json"],
        cwd=cli.folder, capture_output=True, check=True,
    )  # fmt: skip
    assert done.stdout.isascii()
    assert json.loads(done.stdout)["message"]["text"] == "\udcff \x9b \u202e"


def _opened(pid: int, path: Path) -> bool:
    for one in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed in between
            if os.path.realpath(one) == str(path):
                return True
    return False


def test_a_pause_stops_who_only_waited_for_the_worker(stage: Stage, cli: Cli) -> None:
    argv = [sys.executable, "-m", "claude_workers", "dispatch", "01", str(stage.calc), "-p", "x", "--no-stdin"]
    with locked(stage.fleet.layout.worker_lock("01"), 1, "held"):
        waiting = subprocess.Popen(argv, cwd=cli.folder, stderr=subprocess.PIPE, text=True)
        until(lambda: _opened(waiting.pid, stage.fleet.layout.worker_lock("01")), "it waits for the worker")
        cli.ok("pause", "the registry is down")
    _, said = waiting.communicate(timeout=30)
    assert (waiting.returncode, "the registry is down" in said) == (4, True)
    assert stage.fleet.status(["01"])[0].state == "idle"


def test_a_pause_says_why_in_few_words(cli: Cli) -> None:
    cli.refused(2, "pause", "x" * 501)


@pytest.mark.parametrize("plain", ["", "NO_COLOR", "--no-color"])
def test_states_are_coloured_at_a_terminal_that_wants_it(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plain: str
) -> None:
    del stage
    if plain.isupper():
        monkeypatch.setenv(plain, "1")
    with Person(["status", *([plain] if plain.startswith("-") else [])], tmp_path) as person:
        assert person.end() == 0
        assert ("\x1b[32midle\x1b[0m" in person.raw) == (not plain)
        assert "idle" in person.seen

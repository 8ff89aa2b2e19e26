"""Recover, why, rescue and budget on the command line: bad input told in a line, nothing changed, and their JSON."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from claude_workers import Task
from claude_workers.home import tasks
from claude_workers.home.home import find
from tests.cli.conftest import Cli, picture
from tests.conftest import git
from tests.racing import until
from tests.stage import ADD, HANG, HERE, Stage, steps

LATER = "01000000-0000-4000-8000-000000000000"


@pytest.fixture
def worker(cli: Cli) -> Cli:
    """A worker that never had a task."""
    cli.ok("init", "01")
    return cli


@pytest.fixture
def kept(stage: Stage) -> Task:
    """A stopped task whose commit, change and new file are kept."""
    task = stage.start(ADD, {"run": "echo '# more' >> calc.py; echo new > 'new file'"}, HERE, HANG)
    stage.until(lambda row: row.last_text == "here")
    stage.fleet.stop("01")
    return task


def lines(text: str) -> list[dict[str, Any]]:
    """Return the JSON objects of an output, one a line."""
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (3, ("recover", "09")),
        (3, ("recover", "01", "09")),
        (2, ("recover", "../01")),
        (2, ("recover", "")),
        (2, ("recover", "--watch", "01")),
        (2, ("recover", "--interval", "soon")),
        (2, ("recover", "--watch", "--interval", "-1s")),
        (3, ("recover", "vps/01")),
        (3, ("why", "09")),
        (2, ("why",)),
        (2, ("why", "../01")),
        (2, ("why", "01", "--last", "-1")),
        (2, ("why", "01", "--last", "many")),
        (3, ("rescue", "show", "01")),
        (3, ("rescue", "show", "0123abcd")),
        (3, ("rescue", "restore", "01")),
        (3, ("rescue", "restore", "nothing", "--to", "there")),
        (2, ("rescue", "show")),
        (2, ("rescue", "list", "../01")),
        (2, ("rescue", "dance")),
        (2, ("budget", "01")),
    ],
)
def test_words_that_name_nothing_are_refused_in_a_line(worker: Cli, status: int, words: tuple[str, ...]) -> None:
    worker.refused(status, *words)


def test_a_worker_that_never_was_has_no_list_of_rescues(worker: Cli) -> None:
    worker.refused(3, "rescue", "list", "09")


@pytest.mark.parametrize("verb", [("recover",), ("budget",), ("rescue", "list"), ("why", "01")])
def test_where_there_is_nothing_to_tell_nothing_is_changed(worker: Cli, verb: tuple[str, ...]) -> None:
    before = picture(worker.folder)
    worker.ok(*verb)
    assert picture(worker.folder) == before


@pytest.mark.parametrize("verb", [("recover",), ("budget",), ("rescue", "list")])
def test_a_root_that_is_not_there_is_not_made(cli: Cli, verb: tuple[str, ...]) -> None:
    cli.ok(*verb, "--root", str(cli.folder / "nowhere"))
    assert not (cli.folder / "nowhere").exists()


@pytest.mark.parametrize("text", ['budget_usd_day = "much"', "budget_usd_fortnight = 1", "budget_usd_day = ["])
def test_budgets_that_cannot_be_understood_are_refused(worker: Cli, text: str) -> None:
    (worker.folder / "config").mkdir()
    (worker.folder / "config/config.toml").write_text(text, encoding="utf-8")
    worker.refused(2, "budget")


def test_inside_a_sandbox_nothing_is_recovered(worker: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANDBOX_RUNTIME", "1")
    assert "sandbox" in worker.refused(6, "recover")


def test_errors_are_json_where_it_was_asked_for(worker: Cli) -> None:
    for status, words in ((3, ("why", "09")), (3, ("rescue", "show", "x")), (2, ("recover", "--watch", "01"))):
        done = worker(*words, "--json")
        assert done.returncode == status
        assert set(json.loads(done.stdout)["error"]) == {"code", "message", "remedy"}


def test_what_is_kept_is_listed_shown_and_restored(cli: Cli, kept: Task) -> None:
    [one] = json.loads(cli.ok("rescue", "list", "--json"))["rescues"]
    keys = {"repo", "worker", "task_id", "branch", "at", "tip", "state", "commits", "changed", "left_out"}
    assert set(one) == keys
    assert (one["repo"], one["task_id"], one["commits"], one["changed"]) == ("local/calc", kept.task_id, 1, 2)
    for wanted in (kept.task_id, kept.task_id[:5], "01"):
        shown = json.loads(cli.ok("rescue", "show", wanted, "--json"))
        assert set(shown) == {"rescue", "commits", "changes", "branches"}
        assert shown["rescue"] == one
        assert [line.split(" ", 1)[1] for line in shown["commits"]] == ["Add sub"]
        assert shown["changes"] == ["M calc.py", "A new file"]
    assert f"rescue restore {kept.task_id[:8]}" in cli.ok("rescue", "show", "01")
    folder = Path(json.loads(cli.ok("rescue", "restore", "01", "--to", "back", "--json"))["folder"])
    assert folder == cli.folder / "back"
    assert git("status", "--porcelain", at=folder) == 'M calc.py\n?? "new file"'
    assert git("log", "-1", "--format=%s %D", at=folder) == f"Add sub HEAD -> {kept.branch}"
    assert cli.ok("rescue", "restore", "01").strip() == f"restored into {cli.folder}/calc-{kept.task_id[:8]}"


@pytest.mark.parametrize("place", ["folder", "file", "link", "workers/back", "workers", "file/below"])
def test_a_place_that_cannot_be_restored_into_is_refused(cli: Cli, kept: Task, place: str) -> None:
    (cli.folder / "folder").mkdir()
    (cli.folder / "file").touch()
    (cli.folder / "link").symlink_to("nowhere")
    cli.refused(1 if place == "file/below" else 2, "rescue", "restore", "01", "--to", place)


@pytest.mark.parametrize("place", ["config/../workers/back", "link/back"])
def test_the_root_is_not_restored_into_by_another_name(cli: Cli, kept: Task, place: str) -> None:
    (cli.folder / "config").mkdir(exist_ok=True)
    (cli.folder / "link").symlink_to("workers")
    cli.refused(2, "rescue", "restore", "01", "--to", place)


def test_a_place_in_nobodys_home_is_refused(cli: Cli, kept: Task) -> None:
    cli.refused(2, "rescue", "restore", "01", "--to", "~there-is-no-such-user/x")


def second(stage: Stage, task_id: str) -> Task:
    """Let another worker keep something of a task, too, and later."""
    stage.fleet.init("02")
    task = stage.fleet.dispatch("02", str(stage.calc), prompt=steps({"run": "touch x"}, HERE, HANG), task_id=task_id)
    until(lambda: stage.fleet.status(["02"])[0].last_text == "here", "the second agent works")
    stage.fleet.stop("02")
    return task


def test_the_beginning_of_two_tasks_is_refused_and_changes_nothing(cli: Cli, stage: Stage, kept: Task) -> None:
    other = second(stage, f"{kept.task_id[:4]}{LATER[4:]}")
    for verb in ("show", "restore"):
        assert "several" in cli.refused(2, "rescue", verb, kept.task_id[:3])
    shown = json.loads(cli.ok("rescue", "show", other.task_id, "--json"))
    assert shown["rescue"]["task_id"] == other.task_id
    assert [one["worker"] for one in json.loads(cli.ok("rescue", "list", "--json"))["rescues"]] == ["01", "02"]
    assert [one["worker"] for one in json.loads(cli.ok("rescue", "list", "02", "--json"))["rescues"]] == ["02"]


def test_a_workers_latest_is_its_own_even_where_anothers_task_begins_so(cli: Cli, stage: Stage, kept: Task) -> None:
    second(stage, LATER)
    shown = json.loads(cli.ok("rescue", "show", "01", "--json"))
    assert shown["rescue"]["task_id"] == kept.task_id


def test_recover_tells_each_thing_in_a_line_and_exits_1_where_a_person_is_needed(cli: Cli, stage: Stage) -> None:
    stage.start(HERE, HANG)
    row = stage.until(lambda row: row.last_text == "here" and row.pid)
    os.kill(int(row.pid or 0), signal.SIGKILL)
    stage.until(lambda row: row.state == "crashed")
    [told] = lines(cli.ok("recover", "--json"))
    assert set(told) == {"worker", "did", "said", "task_id"}
    assert (told["worker"], told["did"], told["task_id"]) == ("01", "resumed", row.task_id)
    assert cli.ok("recover", "--json") == ""
    stage.fleet.stop("01")
    home = find(stage.fleet.layout, "01")
    task = tasks.load(home)
    assert task
    tasks.save(home, task, state="busy", pid=None, extra={}, attempt=9)
    for words in (("recover",), ("recover", "01")):
        done = cli(*words)
        assert done.returncode == 1
        assert done.stdout.startswith("worker 01: given-up, ")
        assert "restart 01, or reset it" in done.stdout


def test_why_shows_every_thing_that_was_looked_at_and_its_json_the_same(cli: Cli, kept: Task) -> None:
    told = json.loads(cli.ok("why", "01", "--json"))
    assert set(told) == {"worker", "state", "reason", "evidence", "events"}
    assert (told["worker"], told["state"]) == ("01", "stopped")
    shown = cli.ok("why", "01")
    assert shown.splitlines()[0] == "worker 01 is stopped: stopped by a person"
    rows = [line.strip() for line in shown.splitlines() if line.startswith("  ")]
    assert len(rows) == len(told["evidence"])
    for row, one in zip(rows, told["evidence"], strict=True):
        assert row.startswith(one["what"])
        assert row.removeprefix(one["what"]).strip().startswith("not checked: ") == (not one["checked"])
    assert len(json.loads(cli.ok("why", "01", "--json", "--last", "1"))["events"]) == 1


def test_budget_is_told_in_spans_and_each_budget_with_its_share(cli: Cli, stage: Stage) -> None:
    stage.configure("budget_usd_day = 0.04\nbudget_tokens_month = 1000000")
    stage.play({"text": "Said."}, expect="answer")
    told = json.loads(cli.ok("budget", "--json"))
    assert [one["span"] for one in told["spent"]] == ["day", "week", "month"]
    assert all(
        set(one) == {"span", "of", "usd", "unbilled", "tokens", "seconds"} and one["usd"] > 0 for one in told["spent"]
    )
    assert {frozenset(one) for one in told["budgets"]} == {frozenset({"budget", "used", "until"})}
    shown = cli.ok("budget")
    assert "budget_usd_day: 0.01 of 0.04, 25%, until " in shown

"""Why: the evidence for a worker's state, what nobody looked at, and the log of what changed it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from claude_workers import Fleet, clock
from claude_workers.home import events, tasks
from claude_workers.home.home import Home, find
from claude_workers.model import Evidence
from claude_workers.paths import Layout
from claude_workers.pool.why import Why
from claude_workers.tickets.tickets import Tickets
from tests.github.stage import REPO, GitHubStage
from tests.pool.test_recover import listing
from tests.racing import until
from tests.stage import ADD, DONE, HANG, HERE, Stage, steps

UNCHECKED = "not checked: "
ALWAYS = {"task file", "runner", "runner's lock", "agent", "processes of the task", "last sign of the agent",
          "transcript", "rescued work", "floors, limits and budgets", "the issue's claim"}  # fmt: skip


@pytest.fixture
def home(stage: Stage) -> Home:
    """The worker's home."""
    return find(stage.fleet.layout, "01")


@pytest.fixture(autouse=True)
def _end(layout: Layout) -> Iterator[None]:
    """End whatever a test left at work."""
    yield
    for row in Fleet(layout.root).status():
        if row.pid and row.state == "busy":
            os.kill(row.pid, signal.SIGKILL)


def asked(stage: Stage) -> tuple[Why, dict[str, Evidence]]:
    """Ask why, see that nothing is changed by it, and that everything says whether it was looked at, and when."""
    before = listing(stage.fleet.layout.root)
    why = stage.fleet.why("01")
    if why.state != "busy":
        assert listing(stage.fleet.layout.root) == before
    for one in why.evidence:
        assert one.said
        assert one.checked == (not one.said.startswith(UNCHECKED))
        assert not one.checked or clock.seconds_since(one.at) is not None
    assert why.state == stage.fleet.status(["01"])[0].state
    return why, {one.what: one for one in why.evidence}


def working(stage: Stage, *script: Mapping[str, object]) -> int:
    """Start a task whose agent stays, and return its runner's pid."""
    stage.start(*script, HERE, HANG)
    return int(stage.until(lambda row: row.last_text == "here" and row.agent_pid).pid or 0)


def test_an_idle_worker_that_never_had_a_task_says_that_no_outcome_was_looked_at(stage: Stage) -> None:
    why, seen = asked(stage)
    assert (why.state, why.events) == ("idle", [])
    assert "is not there" in seen["task file"].said
    assert not seen["last outcome"].checked


def test_an_idle_worker_tells_how_its_last_task_ended_and_what_nobody_looked_at(stage: Stage) -> None:
    receipt = stage.play(ADD, DONE)
    why, seen = asked(stage)
    assert seen["last outcome"].said.startswith("pull_request")
    assert "; not checked: no gate is configured" in seen["last outcome"].said
    assert seen["last outcome"].at == receipt.finished_at
    assert [why.events[0].kind, why.events[-1].kind] == ["claimed", "ended"]


def test_a_busy_worker_shows_its_processes(stage: Stage) -> None:
    pid = working(stage)
    why, seen = asked(stage)
    assert set(seen) == ALWAYS
    assert why.state == "busy"
    assert str(pid) in seen["runner"].said
    assert seen["runner's lock"].said == "held by a living process"
    assert str(stage.fleet.status(["01"])[0].agent_pid) in seen["agent"].said
    assert not seen["processes of the task"].said.startswith("0 ")
    assert "nothing stands in the way" in seen["floors, limits and budgets"].said
    assert seen["the issue's claim"].said == f"{UNCHECKED}the task has no issue"


def test_a_stopped_worker_shows_that_nothing_of_it_lives_and_where_its_work_is(stage: Stage) -> None:
    working(stage, ADD)
    stage.fleet.stop("01")
    why, seen = asked(stage)
    assert set(seen) == ALWAYS
    assert (why.state, why.reason) == ("stopped", "stopped by a person")
    assert seen["runner's lock"].said == "free"
    assert seen["processes of the task"].said == "0 carry its mark"
    assert seen["rescued work"].said.startswith("kept at ")
    assert not seen["agent"].checked
    assert "stopped by a person" in seen["task file"].said


def test_a_crashed_worker_shows_two_witnesses_of_its_runners_death(stage: Stage) -> None:
    pid = working(stage)
    os.kill(pid, signal.SIGKILL)
    stage.until(lambda row: row.state == "crashed")
    until(lambda: asked(stage)[1]["processes of the task"].said == "0 carry its mark", "nothing of the task lives")
    why, seen = asked(stage)
    assert set(seen) == ALWAYS
    assert (why.state, str(pid) in why.reason) == ("crashed", True)
    assert str(pid) in seen["runner"].said
    assert seen["runner's lock"].said == "free"
    assert seen["rescued work"].said == "none is kept yet"


@pytest.mark.parametrize(("seconds", "said"), [(3600, "until "), (-5, "which is past"), (None, "with no known end")])
def test_a_waiting_worker_shows_what_it_waits_for_and_whether_that_is_past(
    stage: Stage, home: Home, seconds: float | None, said: str
) -> None:
    working(stage)
    stage.fleet.stop("01")
    task = tasks.load(home)
    assert task
    until_ = clock.in_seconds(seconds) if seconds is not None else None
    tasks.save(home, task, state="waiting", wait_for="limit", wait_until=until_, reason="told")
    why, seen = asked(stage)
    assert set(seen) == ALWAYS | {"waits for"}
    assert why.state == "waiting"
    assert seen["waits for"].said.startswith("limit, ")
    assert said in seen["waits for"].said
    assert ("past" in seen["waits for"].said) == (said == "which is past")


def test_a_worker_that_waits_for_a_machine_shows_what_is_short_and_that_no_runner_ever_was(stage: Stage) -> None:
    stage.configure('disk_floor = "100000T"')
    stage.start(HERE)
    why, seen = asked(stage)
    assert why.state == "waiting"
    assert "below disk_floor" in seen["floors, limits and budgets"].said
    assert not seen["last sign of the agent"].checked
    assert not seen["agent"].checked
    assert seen["transcript"].said == "No such file or directory"


def test_settings_that_are_wrong_are_told_and_the_rest_is_looked_at(stage: Stage) -> None:
    working(stage)
    stage.fleet.stop("01")
    stage.configure("nonsense = 1")
    _, seen = asked(stage)
    assert not seen["floors, limits and budgets"].checked
    assert "nonsense" in seen["floors, limits and budgets"].said
    assert set(seen) == ALWAYS


def test_a_task_file_that_cannot_be_read_is_told_with_its_fault(stage: Stage, home: Home) -> None:
    home.task_file.write_text("{", encoding="utf-8")
    why, seen = asked(stage)
    assert why.state == "unknown"
    assert "task.json" in seen["task file"].said


def test_where_the_task_file_cannot_be_read_it_is_told_of_the_runner_what_is_known(stage: Stage, home: Home) -> None:
    working(stage)
    home.task_file.write_text("{", encoding="utf-8")
    seen = {one.what: one for one in stage.fleet.why("01").evidence}
    assert seen["runner's lock"].said == "held by a living process"
    assert not seen["agent"].checked
    stage.until(lambda row: row.state == "unknown")


def broken(stage: Stage, name: str) -> None:
    """Break our store."""
    place = stage.bare() / name
    place.rename(place.with_name("away"))


@pytest.mark.parametrize("name", ["HEAD", "objects"])
def test_a_store_that_cannot_be_read_is_not_said_to_keep_nothing(stage: Stage, name: str) -> None:
    working(stage, ADD)
    stage.fleet.stop("01")
    broken(stage, name)
    _, seen = asked(stage)
    assert not seen["rescued work"].checked


def ticket(stage: Stage) -> int:
    """File a ticket at which an agent stays."""
    return Tickets(stage.fleet.layout.tickets).create(str(stage.calc), "x", steps(HERE, HANG), "ann")


def test_who_holds_the_issue_is_told_where_it_was_asked_for_and_else_that_nobody_asked(stage: Stage) -> None:
    number = ticket(stage)
    task = stage.fleet.dispatch("01", str(stage.calc), number)
    stage.until(lambda row: row.last_text == "here")
    stage.fleet.stop("01")
    assert asked(stage)[1]["the issue's claim"].said == f"{UNCHECKED}ask the forge with --forge"
    before = listing(stage.fleet.layout.root)
    held = stage.fleet.why("01", forge=True).evidence[-1]
    assert held.checked
    assert held.said.startswith("this task of worker 01 on ")
    tickets = Tickets(stage.fleet.layout.tickets)
    assert listing(stage.fleet.layout.root) == before
    tickets.release(number, task.task_id, "unclaimed")
    assert stage.fleet.why("01", forge=True).evidence[-1].said == "nobody holds it"
    tickets.claim(number, "another", "77", ("elsewhere", "/other"))
    assert "task another of worker 77 on elsewhere" in stage.fleet.why("01", forge=True).evidence[-1].said


def test_a_forge_that_does_not_answer_is_not_taken_for_one_where_nobody_holds_the_issue(
    on_github: GitHubStage,
) -> None:
    on_github.start(HERE, HANG)
    on_github.until(lambda row: row.last_text == "here")
    claim = on_github.fleet.why("01", forge=True).evidence[-1]
    assert claim.said.startswith("this task of worker 01")
    on_github.close()
    on_github.github.repository(REPO).bare.rename(on_github.github.repository(REPO).bare.with_suffix(".away"))
    claim = on_github.fleet.why("01", forge=True).evidence[-1]
    on_github.github.repository(REPO).bare.with_suffix(".away").rename(on_github.github.repository(REPO).bare)
    assert not claim.checked
    assert claim.said.startswith(UNCHECKED)


def test_the_last_events_are_as_many_as_were_asked_for(stage: Stage, home: Home) -> None:
    for number in range(9):
        assert events.append(home, "test", f"event {number}")
    assert [one.text for one in stage.fleet.why("01", last=2).events] == ["event 7", "event 8"]
    assert len(stage.fleet.why("01", last=99).events) == 9


def test_of_no_events_asked_for_none_are_shown(stage: Stage, home: Home) -> None:
    events.append(home, "test", "event")
    assert stage.fleet.why("01", last=0).events == []


WRITER = """
import sys
from claude_workers import paths
from claude_workers.home import events
from claude_workers.home.home import Home
home = Home(paths.layout(), "01")
for number in range(200):
    assert events.append(home, sys.argv[1], f"{number} " + sys.argv[1] * 450)
"""


def test_the_lines_of_processes_that_write_at_once_do_not_mix(stage: Stage, home: Home) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, name]) for name in "abcd"]
    assert [one.wait() for one in writers] == [0] * 4
    lines = [one for one in home.events.read_bytes().splitlines() if one]
    assert len(lines) == 800
    found = events.read(home)
    for name, writer in zip("abcd", writers, strict=True):
        mine = [one for one in found if one.kind == name]
        assert [one.text for one in mine] == [f"{number} " + name * 450 for number in range(200)]
        assert {one.pid for one in mine} == {writer.pid}


def test_a_line_that_was_cut_and_what_is_no_event_are_passed_over(home: Home) -> None:
    events.append(home, "test", "whole")
    with home.events.open("ab") as stream:
        for line in (b"null\n", b"[]\n", b'{"at": 1}\n', b"\xff\xfe\n", b"\n", b'{"at": "2026", "kind": "te'):
            stream.write(line)
    assert [one.text for one in events.read(home)] == ["whole"]
    assert [one.text for one in events.read(home, 5)] == ["whole"]


def test_the_event_after_a_line_that_was_cut_is_not_lost_with_it(home: Home) -> None:
    home.events.write_bytes(b'{"at": "2026", "kind": "te')
    assert events.append(home, "test", "after")
    assert [one.text for one in events.read(home)] == ["after"]


def test_an_event_is_one_line_whatever_it_says(home: Home) -> None:
    for text in ("a\nb", "\u2028\x85\r\x0b", "\udc80 lone", "x" * 100_000, "\x1b[31m"):
        assert events.append(home, "test", text)
    found = events.read(home)
    assert len(home.events.read_bytes().split(b"\n")) == len(found) + 1 == 6
    assert max(len(one.text) for one in found) <= 500


def test_a_log_that_is_a_link_is_not_written_through(home: Home, tmp_path: Path) -> None:
    home.events.symlink_to(tmp_path / "elsewhere")
    assert not events.append(home, "test", "x")
    assert not (tmp_path / "elsewhere").exists()


@pytest.fixture
def full(stage: Stage, home: Home, tmp_path: Path) -> Iterator[Path]:
    """The event log on a disk of its own that is full."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", small], check=False).returncode:
        pytest.skip("no tmpfs can be mounted here")
    try:
        log = small / "events.jsonl"
        log.touch()
        (small / "filler").write_bytes(bytes(60 << 10))
        home.events.touch()
        subprocess.run(["mount", "--bind", log, home.events], check=True)
        try:
            yield log
        finally:
            subprocess.run(["umount", home.events], check=True)
    finally:
        subprocess.run(["umount", small], check=True)


def test_a_full_disk_under_the_log_stops_no_change_of_state(stage: Stage, home: Home, full: Path) -> None:
    while events.append(home, "test", "x" * 400):
        pass
    size = full.stat().st_size
    assert stage.play(ADD, DONE).outcome == "pull_request"
    stage.start(HERE, HANG)
    stage.until(lambda row: row.last_text == "here")
    assert stage.fleet.stop("01").state == "stopped"
    assert full.stat().st_size == size
    assert stage.fleet.why("01").state == "stopped"


def test_why_is_json_as_it_stands(stage: Stage) -> None:
    working(stage)
    stage.fleet.stop("01")
    told = json.loads(json.dumps(stage.fleet.why("01").to_json()))
    assert set(told) == {"worker", "state", "reason", "evidence", "events"}
    assert all(set(one) == {"what", "said", "at", "checked"} for one in told["evidence"])
    assert all(set(one) == {"at", "kind", "text", "task_id", "pid"} for one in told["events"])


def test_the_agent_that_is_named_is_the_one_of_this_attempt(stage: Stage, home: Home) -> None:
    working(stage)
    before = stage.fleet.status(["01"])[0]
    os.kill(int(before.pid or 0), signal.SIGKILL)
    stage.until(lambda row: row.state == "crashed")
    stage.fleet.tell("01", "hello")
    (stage.home / ".cache/came").unlink(missing_ok=True)
    stage.fleet.restart("01")
    row = stage.until(lambda row: row.agent_pid and row.agent_pid != before.agent_pid)
    assert os.path.exists(f"/proc/{row.agent_pid}")
    seen = {one.what: one.said for one in stage.fleet.why("01").evidence}
    assert "no process" not in seen["agent"]
    assert seen["told by people"].startswith("1 messages, ")

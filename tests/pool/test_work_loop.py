"""The loop: what waits is given out in its order, once, until it is told to end; what runs is adopted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from claude_workers import Fleet
from claude_workers.errors import BadInput, Busy, NotFound
from claude_workers.model import Worked
from claude_workers.pool import controls, reviews
from claude_workers.tickets.queue import Draft
from tests.conftest import git
from tests.racing import until
from tests.stage import DONE, HANG, HERE, Stage, steps


class Floor:
    """Two workers and a queue beside them."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.fleet: Fleet = stage.fleet
        self.fleet.init("02")
        self.queue = self.fleet.tickets

    def file(self, name: str = "", **more: object) -> int:
        """File a ticket whose work is a file of that name; without one it hangs."""
        made = {"run": f"echo {name} > {name}.txt && git add . && git commit -qm 'Add {name}'"}
        script = steps(made, DONE) if name else steps(HERE, HANG)
        return self.queue.create(Draft(str(self.stage.calc), f"Add {name}", script, **more))  # type: ignore[arg-type]

    def work(self, *workers: str, **wishes: object) -> list[Worked]:
        return list(self.fleet.work(*workers, interval=0.05, **wishes))  # type: ignore[arg-type]

    def statuses(self) -> list[str]:
        return [one.status for one in self.queue.list(statuses=("open", "in_progress", "ready", "done"))]


@pytest.fixture
def floor(stage: Stage) -> Floor:
    """A floor where what passes is merged."""
    stage.configure('merge = "auto"\n')
    return Floor(stage)


def took(events: list[Worked]) -> list[str]:
    return [one.said.rpartition("#")[2] for one in events if one.did == "took"]


def test_what_waits_is_done_in_its_order_and_what_waits_for_it_after_that(floor: Floor) -> None:
    first = floor.file("one")
    floor.file("two", blocked_by=(first,))
    floor.file("three", priority=5)
    events = floor.work("01", until_empty=True)
    assert took(events) == ["3", "1", "2"]
    ended = [one for one in events if one.did == "ended"]
    assert [one.succeeded for one in ended] == [True] * 3
    assert "merged at" in ended[0].said
    assert floor.statuses() == ["done"] * 3
    merged = git("log", "--format=%s", "--reverse", "refs/claude-workers/merged/main", at=floor.stage.calc)
    assert merged.splitlines() == ["Begin", "Add three", "Add one", "Add two"]


def test_all_idle_workers_share_the_work(floor: Floor) -> None:
    for number in range(4):
        floor.file(f"f{number}")
    events = floor.work(until_empty=True)
    assert {one.worker for one in events if one.did == "took"} == {"01", "02"}
    assert floor.statuses() == ["done"] * 4


def test_once_is_what_waits_now(floor: Floor) -> None:
    for name in ("one", "two", "three"):
        floor.file(name)
    assert took(floor.work(once=True)) == ["1", "2"]
    assert floor.statuses() == ["done", "done", "open"]


def test_so_many_and_no_more(floor: Floor) -> None:
    for name in ("one", "two", "three"):
        floor.file(name)
    assert took(floor.work("01", most=2)) == ["1", "2"]
    assert floor.statuses() == ["done", "done", "open"]


def test_what_fails_is_not_tried_again_unasked(floor: Floor) -> None:
    number = floor.queue.create(Draft(str(floor.stage.calc), "Nothing", steps({"text": "I will not."})))
    events = floor.work(until_empty=True)
    assert took(events) == [str(number)]
    assert [one.succeeded for one in events if one.did == "ended"] == [False]
    assert floor.statuses() == ["open"]
    assert took(floor.work(until_empty=True)) == []
    floor.fleet.release(str(floor.stage.calc), number)
    assert took(floor.work(until_empty=True)) == [str(number)]


def test_an_issue_that_cannot_be_taken_is_passed_over_and_the_others_are_done(floor: Floor) -> None:
    floor.queue.create(Draft("/nowhere/at/all", "Lost", priority=9))
    floor.file("one")
    events = floor.work(until_empty=True)
    assert [one.did for one in events] == ["passed", "took", "ended"]
    assert "/nowhere/at/all#1" in events[0].said


def test_what_waits_for_a_person_is_left_and_a_review_is_attended_to(floor: Floor) -> None:
    floor.stage.configure("")
    number = floor.file("one")
    question = floor.queue.create(Draft(str(floor.stage.calc), "Which?", type="question"))
    floor.work(until_empty=True)
    assert floor.statuses() == ["ready", "open"]
    floor.stage.start(HERE, HANG)
    assert reviews.approve(floor.fleet.layout, number, "ann") is None
    floor.fleet.stop("01")
    floor.fleet.reset("01")
    events = floor.work(until_empty=True)
    assert [one.said for one in events if one.did == "took"] == [f"the review of ticket {number}"]
    assert floor.queue.read(number).status == "done"
    assert floor.queue.read(question).status == "open"


def test_only_one_repository_or_label(floor: Floor) -> None:
    floor.file("one")
    labelled = floor.file("two", labels=("ready",))
    assert took(floor.work(until_empty=True, repos=[str(floor.stage.calc)], label="ready")) == [str(labelled)]
    with pytest.raises(NotFound):
        floor.work(until_empty=True, repos=["/nowhere"])
    with pytest.raises(BadInput, match="--label"):
        floor.work(until_empty=True, repos=["owner/repo"])
    with pytest.raises(NotFound):
        floor.work("09", until_empty=True)


def command(floor: Floor, *words: str) -> list[str]:
    return [sys.executable, "-m", "claude_workers", "work", "--interval", "0.2s", *words]


@pytest.fixture
def loop(floor: Floor, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A loop in a process of its own, and one ticket that never ends in its hands."""
    floor.file()
    with open(tmp_path / "loop.log", "w", encoding="utf-8") as log:
        started = subprocess.Popen(command(floor), stdout=log, stderr=log, text=True)
    floor.stage.until(lambda row: "here" in {row.activity, row.last_text})
    yield started
    started.kill()
    started.wait(30)
    floor.fleet.stop_all()


def test_a_second_loop_is_refused_and_ctrl_c_leaves_what_runs(
    floor: Floor, loop: subprocess.Popen[str], tmp_path: Path
) -> None:
    with pytest.raises(Busy, match="another loop"):
        floor.work(once=True)
    loop.send_signal(signal.SIGINT)
    assert loop.wait(30) == 130
    assert "worker 01 go on" in (tmp_path / "loop.log").read_text(encoding="utf-8")
    assert floor.fleet.status(["01"])[0].state == "busy"
    floor.fleet.stop("01")


def test_a_killed_loops_work_is_adopted_by_the_next(floor: Floor, loop: subprocess.Popen[str]) -> None:
    loop.kill()
    loop.wait(30)
    (task,) = [floor.fleet.status(["01"])[0].task_id]
    floor.file("two")
    seen = []
    for event in floor.fleet.work(interval=0.05):
        seen.append(event)
        if event.did == "ended":
            break
    assert ("adopted", task) in [(one.did, one.task_id) for one in seen]
    assert took(seen) == ["2"]
    assert floor.fleet.status(["01"])[0].task_id == task
    floor.fleet.stop("01")


def test_a_running_loop_is_scaled_paused_and_drained(floor: Floor, loop: subprocess.Popen[str]) -> None:
    layout = floor.fleet.layout
    assert controls.tell(layout, scale=1).scale == 1
    floor.fleet.pause("lunch")
    number = floor.file("two")
    floor.fleet.resume()
    with pytest.raises(AssertionError):
        until(lambda: floor.queue.read(number).status != "open", "scaled to one", patience=1.0)
    controls.tell(layout, scale=2)
    until(lambda: floor.queue.read(number).status == "done", "the second worker took it")
    controls.tell(layout, drain=True)
    assert controls.read(layout) == controls.Controls(controls.read(layout).since, 2, drain=True)
    floor.file("three")
    floor.fleet.stop("01")
    assert loop.wait(30) == 0
    assert floor.statuses()[-1] == "open"
    with pytest.raises(NotFound, match="no loop"):
        controls.tell(layout, drain=True)


def test_a_detached_loop_outlives_its_caller(floor: Floor) -> None:
    os.chdir(floor.stage.calc.parent)
    done = subprocess.run(
        command(floor, "--repo", "./calc", "--detach"), capture_output=True, text=True, check=True, timeout=60
    )
    assert "in the background" in done.stdout
    number = floor.file("one")
    until(lambda: floor.queue.read(number).status == "done", "it was done")
    again = subprocess.run(command(floor, "--detach"), capture_output=True, text=True, check=False, timeout=60)
    assert again.returncode == 1
    assert "another loop works on this root" in again.stderr
    assert subprocess.run(command(floor, "--drain"), capture_output=True, check=False, timeout=60).returncode == 0
    until(lambda: not controls.running(floor.fleet.layout), "the loop has ended")
    assert "took" in (floor.fleet.layout.root / ".work.log").read_text(encoding="utf-8")


def test_a_review_that_nobody_here_can_attend_to_does_not_hold_the_end_up(floor: Floor) -> None:
    floor.stage.configure("")
    number = floor.file("one")
    floor.work("01", until_empty=True)
    floor.fleet.remove("01")
    with pytest.raises(NotFound):
        reviews.approve(floor.fleet.layout, number, "ann")
    assert [one.did for one in floor.work(until_empty=True)] == ["passed"]


def test_a_worker_that_lacks_something_does_not_hold_the_others_up(floor: Floor) -> None:
    (floor.fleet.layout.root / "01/.claude/CLAUDE.md").unlink()
    number = floor.file("one")
    events = floor.work(until_empty=True)
    assert [(one.did, one.worker) for one in events] == [("took", "02"), ("ended", "02")]
    assert floor.queue.read(number).status == "done"


def test_a_worker_that_cannot_be_told_does_not_keep_a_loop_alive(floor: Floor) -> None:
    (floor.fleet.layout.root / "01/task.json").write_text("half", encoding="utf-8")
    floor.file("one")
    assert {one.worker for one in floor.work(until_empty=True)} == {"02"}
    (floor.fleet.layout.root / "01/task.json").unlink()

"""One SIGKILL at each step of asking: the question is put once, and the task is parked or goes on."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from claude_workers.home import parked
from claude_workers.home.home import Home
from claude_workers.pool import answers, dispatch
from claude_workers.tickets import people
from claude_workers.tickets.queue import Draft, Queue
from tests.faults.steps import BOTH, EMBEDDED, OBSERVE, SAVE, Step, everyday
from tests.faults.trap import Trap, spawner
from tests.racing import until
from tests.stage import ADD, DONE, Stage, steps

STEPS = [
    Step("noted", OBSERVE, "'asked'"),
    Step("put", f"{EMBEDDED}.ask", when=BOTH),
    Step("saved", SAVE, "'answer'", BOTH),
    Step("parked", "os:rename", "parked", BOTH),
]


@pytest.mark.parametrize(("step", "trap"), everyday(STEPS))
def test_a_runner_killed_while_it_asks_has_asked_once(
    step: Step, trap: Trap, stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap = dataclasses.replace(trap, sprung=str(tmp_path / "sprung"), go=str(tmp_path / "go"))
    Path(trap.go).touch()
    queue = Queue(stage.fleet.layout.tickets)
    script = steps(ADD, {"run": 'worker-ask "Which port?"'}, {"turn": True}, DONE)
    number = queue.create(Draft(str(stage.calc), "Add a port", script))
    with monkeypatch.context() as patch:
        patch.setattr(dispatch, "spawn_detached", spawner(trap))
        task = stage.fleet.dispatch("01", str(stage.calc), number)
    until(lambda: Path(trap.sprung).exists(), f"a runner came to {step.name}")
    stage.until(lambda row: row.state in {"crashed", "waiting", "idle"})
    list(stage.fleet.recover())
    home = Home(stage.fleet.layout, "01")
    until(lambda: [one.task_id for one in parked.every(home)] == [task.task_id], "it is parked")
    [question] = queue.list(kind="question")
    assert queue.read(number).blocked_by == [question.id]
    people.answer(queue.database, question.id, "ann", "8080")
    until(lambda: [one.did for one in answers.answered(stage.fleet.layout, question.id)] == ["answered"], "it goes on")
    assert stage.end().outcome == "pull_request"
    assert not list(home.parked.iterdir())

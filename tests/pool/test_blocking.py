"""Blocking a ticket that a worker is at: its task is stopped, its work kept, and it may be taken again later."""

from __future__ import annotations

import pytest

from claude_workers.errors import BadInput, IssueTaken
from claude_workers.pool.blocking import block
from claude_workers.tickets.queue import Draft, Queue
from claude_workers.tickets.tickets import Tickets
from tests.stage import ADD, HANG, HERE, Stage, steps


def test_a_worker_that_is_at_it_is_stopped_and_its_work_kept(stage: Stage) -> None:
    layout, queue = stage.fleet.layout, Queue(stage.fleet.layout.tickets)
    number = queue.create(Draft(str(stage.calc), "Add sub", steps(ADD, HERE, HANG)))
    first = queue.create(Draft(str(stage.calc), "First"))
    task = stage.fleet.dispatch("01", str(stage.calc), number)
    stage.until(lambda row: row.last_text == "here")
    with pytest.raises(BadInput):
        block(layout, number, number, "ann")
    assert stage.fleet.status(["01"])[0].state == "busy"
    block(layout, number, first, "ann")
    assert stage.fleet.status(["01"])[0].state == "idle"
    found = queue.read(number)
    assert (found.status, found.blocked_by, found.claimed_by, found.labels) == ("open", [first], None, [])
    assert [one.task_id for one in stage.fleet.rescues() if one.commits] == [task.task_id]
    queue.mark_done(first, "ann")
    claimed = queue.claim_next("a1")
    assert claimed
    assert claimed.id == number


def test_another_roots_task_is_left_alone(stage: Stage) -> None:
    layout, queue = stage.fleet.layout, Queue(stage.fleet.layout.tickets)
    number, first = (queue.create(Draft(str(stage.calc), one)) for one in ("Add", "First"))
    Tickets(layout.tickets).claim(number, "t1", "09", ("elsewhere", "/other"))
    with pytest.raises(IssueTaken):
        block(layout, number, first, "ann")
    assert queue.read(number).blocked_by == []

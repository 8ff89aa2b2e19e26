"""Proposals: where nothing is left to do one worker reads, changes nothing, and files what a person may approve."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from claude_workers.model import Ticket
from claude_workers.pool import proposing
from claude_workers.pool.dispatch import dispatch
from claude_workers.pool.preflight import Order
from claude_workers.tickets import people
from claude_workers.tickets.queue import Draft, Queue
from tests.stage import HANG, HERE, Stage, steps

TRY = {"run": "echo x >> calc.py; touch new.txt; worker-propose 'Add sub' 'It is missing in calc.py.'"}
MORE = {"run": "worker-propose 'add  SUB!' 'Again.'; worker-propose 'Test add' 'There is none.'; worker-propose '' ''"}
LOOKED = {"text": "I looked at calc.py."}


class Proposing:
    """A repository with tickets, and what was proposed for it."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.repo = str(stage.calc)
        self.queue = Queue(stage.fleet.layout.tickets)
        self.done = self.queue.create(Draft(self.repo, "Begin"))
        self.queue.mark_done(self.done, "ann")
        stage.configure("propose = true\n")

    def order(self) -> Order | None:
        return proposing.order(self.stage.fleet.layout, "01", [self.repo])

    def play(self, *script: Mapping[str, object]) -> list[Ticket]:
        order = self.order()
        assert order
        dispatch(self.stage.fleet.layout, Order("01", self.repo, prompt=steps(*script), expect="answer", propose=True))
        self.receipt = self.stage.end()
        return self.queue.list(kind="proposal")


@pytest.fixture
def ground(stage: Stage) -> Proposing:
    """A ground to propose on."""
    return Proposing(stage)


def test_proposals_are_filed_for_a_person_and_nothing_is_changed(ground: Proposing) -> None:
    found = ground.play(TRY, MORE, LOOKED)
    assert [(one.title, one.description, one.assigned_to) for one in found] == [
        ("Add sub", "It is missing in calc.py.", "human"), ("Test add", "There is none.", "human"),
    ]  # fmt: skip
    assert (ground.receipt.outcome, ground.receipt.files_changed, ground.receipt.untracked) == ("answered", [], [])
    assert ground.queue.claim_next("a1") is None
    people.approve(ground.queue.database, found[0].id, "ann")
    claimed = ground.queue.claim_next("a1")
    assert claimed
    assert claimed.title == "Add sub"


def test_what_was_filed_once_is_not_filed_again_whatever_became_of_it(ground: Proposing) -> None:
    [first, _] = ground.play(TRY, MORE, LOOKED)
    people.reject(ground.queue.database, first.id, "ann", "no")
    assert [one.title for one in ground.play(TRY, LOOKED)] == ["Test add"]
    order = ground.order()
    assert order
    assert "- Add sub\n- Test add" in order.prompt


def test_no_more_than_so_many_are_open_and_one_proposes_at_a_time(ground: Proposing) -> None:
    ground.stage.configure("propose = true\nproposals = 1\n")
    assert [one.title for one in ground.play(TRY, MORE, LOOKED)] == ["Add sub"]
    assert ground.order() is None
    ground.stage.configure("propose = true\n")
    order = Order("01", ground.repo, prompt=steps(HERE, HANG), expect="answer", propose=True)
    dispatch(ground.stage.fleet.layout, order)
    assert ground.order() is None
    ground.stage.fleet.stop("01")


def test_nobody_proposes_unasked(ground: Proposing) -> None:
    ground.stage.configure("")
    assert ground.order() is None
    ground.stage.configure('propose = true\n[repos."local/calc"]\npropose = false\n')
    assert ground.order() is None


def test_an_empty_queue_lets_a_loop_ask_for_proposals_once(ground: Proposing) -> None:
    seen = []
    for event in ground.stage.fleet.work(interval=0.05):
        seen.append((event.did, event.said))
        if event.did == "ended":
            break
    assert seen[0] == ("took", f"proposals for {ground.repo}")
    assert seen[1][1] == "local/calc: answered"

"""What people say to tickets: each word once, to its own kind of ticket, and all that follows from it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from claude_workers.errors import BadInput, NotFound, WorkersError
from claude_workers.tickets import people
from claude_workers.tickets.queue import Draft, Queue

REPO = "/srv/repo"
WORDS: dict[str, tuple[str, Callable[[Queue, int], object]]] = {
    "approve": ("proposal", lambda queue, number: people.approve(queue.database, number, "ann")),
    "reject": ("proposal", lambda queue, number: people.reject(queue.database, number, "ann", "no")),
    "answer": ("question", lambda queue, number: people.answer(queue.database, number, "ann", "yes")),
    "pass": ("verify", lambda queue, number: people.passed(queue.database, number, "ann")),
    "fail": ("verify", lambda queue, number: people.failed(queue.database, number, "ann", "broken")),
}


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    """An empty queue."""
    return Queue(tmp_path / "tickets.db")


def file(queue: Queue, kind: str, *blocked_by: int, title: str = "Title") -> int:
    return queue.create(Draft(REPO, title, "Text", "ann", kind, blocked_by=blocked_by))


@pytest.mark.parametrize("word", WORDS)
def test_a_word_is_for_its_own_kind_of_ticket_and_said_once(word: str, queue: Queue) -> None:
    kind, say = WORDS[word]
    for other in {"task", "proposal", "question", "verify"} - {kind}:
        with pytest.raises(WorkersError, match=other):
            say(queue, file(queue, other))
    number = file(queue, kind)
    say(queue, number)
    before = queue.list(statuses=["open", "done"])
    with pytest.raises(WorkersError):
        say(queue, number)
    with pytest.raises(NotFound):
        say(queue, 99)
    assert queue.list(statuses=["open", "done"]) == before


def test_an_approved_proposal_is_a_task_for_anybody_with_its_edits(queue: Queue) -> None:
    number = file(queue, "proposal")
    people.approve(queue.database, number, "ann", "Better", "More")
    found = queue.read(number)
    assert (found.type, found.assigned_to, found.title, found.description) == ("task", None, "Better", "More")
    claimed = queue.claim_next("a1")
    assert claimed is not None
    assert claimed.id == number


def test_a_rejected_proposal_is_done_and_says_why(queue: Queue) -> None:
    number = file(queue, "proposal")
    people.reject(queue.database, number, "ann", "We have this")
    found = queue.read(number)
    assert found.status == "done"
    assert [(one.author, one.body) for one in found.comments] == [("ann", "Rejected: We have this")]


def test_an_answer_goes_to_all_that_waited_for_it(queue: Queue) -> None:
    number = file(queue, "question", title="Which port?")
    waiting = [file(queue, "task", number), file(queue, "task", number)]
    other = file(queue, "task")
    assert people.answer(queue.database, number, "ann", "8080") == waiting
    assert queue.read(number).comments[0].body == "8080"
    for one in waiting:
        assert queue.read(one).comments[0].body == f"Answer to #{number} (Which port?):\n\n8080"
        assert queue.read(one).blocked_by == []
    assert queue.read(other).comments == []


def test_an_answer_needs_a_text(queue: Queue) -> None:
    number = file(queue, "question")
    with pytest.raises(BadInput):
        people.answer(queue.database, number, "ann", " ")
    assert queue.read(number).status == "open"


def test_a_failed_verification_is_fixed_and_verified_again_before_anything_goes_on(queue: Queue) -> None:
    task = file(queue, "task")
    verify = file(queue, "verify", task, title="Verify: login")
    after = file(queue, "task", verify)
    with pytest.raises(WorkersError, match=f"#{task}"):
        people.passed(queue.database, verify, "ann")
    queue.mark_done(task, "ann")
    made = people.failed(queue.database, verify, "ann", "it crashes")
    fix, again = queue.read(made.fix_ticket_id), queue.read(made.verify_ticket_id)
    assert (fix.title, fix.type, fix.assigned_to, fix.blocked_by) == ("Fix: login", "task", None, [])
    assert "it crashes" in fix.description
    assert (again.title, again.type, again.assigned_to, again.blocked_by) == (
        "Re-verify: login", "verify", "human", [fix.id],
    )  # fmt: skip
    assert queue.read(verify).status == "done"
    assert queue.read(after).blocked_by == [again.id]
    queue.mark_done(fix.id, "ann")
    second = people.failed(queue.database, again.id, "ann", "still")
    assert queue.read(second.verify_ticket_id).title == "Re-verify: login"
    queue.mark_done(second.fix_ticket_id, "ann")
    people.passed(queue.database, second.verify_ticket_id, "ann")
    assert queue.read(after).blocked_by == []

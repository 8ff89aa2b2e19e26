"""The queue: what is claimed next, who may give it back, what waits for what, and what the log says of it."""

from __future__ import annotations

import dataclasses
import itertools
import subprocess
import sys
from pathlib import Path

import pytest

from claude_workers.errors import BadInput, Busy, IssueTaken, NotFound, Refused, WorkersError
from claude_workers.tickets.queue import PRIORITY, Draft, Queue
from claude_workers.tickets.states import STATUSES, TYPES
from claude_workers.tickets.tickets import Tickets
from tests.desk import holders
from tests.racing import race

REPO = "/srv/repo"
PLACE = ("host", "/root/workers")
ADD = Draft(REPO, "Add sub", author="ann")


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    """An empty queue."""
    return Queue(tmp_path / "tickets.db")


@pytest.fixture
def tickets(queue: Queue) -> Tickets:
    """The same database, as a forge has it."""
    return Tickets(queue.database.path)


def add(queue: Queue, **more: object) -> int:
    return queue.create(dataclasses.replace(ADD, **more))  # type: ignore[arg-type]


def claimed(queue: Queue, agent: str = "a1", repo: str | None = None) -> int | None:
    found = queue.claim_next(agent, repo)
    return found.id if found else None


def actions(queue: Queue, number: int) -> list[str]:
    return [one.action for one in reversed(queue.log(number))]


def test_a_ticket_is_read_as_it_was_filed(queue: Queue) -> None:
    parent = add(queue)
    number = add(
        queue, description="It is *missing*.\n", priority=3, parent=parent, blocked_by=(parent,), labels=("b", "a")
    )
    found = queue.read(number)
    assert (found.repo, found.title, found.description) == (REPO, "Add sub", "It is *missing*.\n")
    assert (found.status, found.type, found.priority, found.assigned_to) == ("open", "task", 3, None)
    assert (found.parent, found.blocked_by, found.labels, found.created_by) == (parent, [parent], ["a", "b"], "ann")
    assert (queue.read(parent).children, queue.read(parent).blocks) == ([number], [number])


@pytest.mark.parametrize(
    ("assigned", "blocked", "kind"),
    [("human", True, "question"), ("human", False, "proposal"), ("a1", True, "task"), (None, False, "task")],
)
def test_what_a_ticket_is_follows_from_whose_it_is(
    assigned: str | None, kind: str, queue: Queue, *, blocked: bool
) -> None:
    first = add(queue)
    number = add(queue, assigned_to=assigned, blocked_by=(first,) if blocked else ())
    assert queue.read(number).type == kind


@pytest.mark.parametrize("kind", [one for one in TYPES if one != "task"])
def test_what_is_no_task_is_a_persons_unless_somebody_is_named(kind: str, queue: Queue) -> None:
    assert queue.read(add(queue, type=kind)).assigned_to == "human"
    assert claimed(queue) is None
    number = add(queue, type=kind, assigned_to="a1")
    assert claimed(queue, "a2") is None
    assert claimed(queue, "a1") == number


@pytest.mark.parametrize(
    "wrong", [{"parent": 9}, {"blocked_by": (9,)}, {"blocks_dependents_of": 9}, {"priority": PRIORITY + 1},
              {"assigned_to": " "}, {"author": "a\nb"}, {"labels": ("a,b",)}, {"title": ""}],
)  # fmt: skip
def test_a_ticket_that_names_what_is_not_there_is_not_filed(wrong: dict[str, object], queue: Queue) -> None:
    with pytest.raises((BadInput, NotFound)):
        add(queue, **wrong)
    assert queue.list(statuses=STATUSES) == []
    assert queue.log() == []


def test_the_most_urgent_is_claimed_first_and_of_those_the_oldest(queue: Queue) -> None:
    for priority in (0, 5, 5, -1):
        add(queue, priority=priority)
    assert [claimed(queue) for _ in range(5)] == [2, 3, 1, 4, None]
    assert holders(queue.database.path) == dict.fromkeys((1, 2, 3, 4), "a1")


def test_what_waits_for_others_is_claimed_when_they_are_done_not_when_they_are_ready(queue: Queue) -> None:
    first = add(queue)
    second = add(queue, blocked_by=(first,), priority=9)
    assert claimed(queue) == first
    assert claimed(queue) is None
    queue.complete(first, "a1")
    assert claimed(queue) is None
    queue.mark_done(first, "ann")
    assert claimed(queue) == second


def test_only_what_is_anybodys_or_ones_own_is_claimed(queue: Queue) -> None:
    add(queue, assigned_to="human")
    theirs = add(queue, assigned_to="a2")
    assert claimed(queue, "a1") is None
    assert claimed(queue, "a2") == theirs


@pytest.mark.parametrize("label", ["worker:01", "pull-request", "answered"])
def test_what_a_worker_has_tried_is_not_claimed_again(label: str, queue: Queue) -> None:
    add(queue, labels=(label,))
    assert claimed(queue) is None


def test_a_claim_can_be_of_one_repository(queue: Queue) -> None:
    add(queue)
    other = add(queue, repo="/srv/other")
    assert claimed(queue, repo="/srv/other") == other
    assert claimed(queue, repo="/srv/other") is None


@pytest.mark.parametrize("agent", ["", " ", "a\nb", "human"])
def test_who_claims_has_a_name_and_is_no_person(agent: str, queue: Queue) -> None:
    add(queue)
    with pytest.raises(BadInput):
        queue.claim_next(agent)
    assert queue.read(1).status == "open"


def test_twenty_that_claim_get_twenty_tickets(queue: Queue) -> None:
    for _ in range(20):
        add(queue)
    answers = race(lambda one: claimed(queue, f"a{one}"))
    assert sorted(one for one in answers if isinstance(one, int)) == list(range(1, 21))


CLAIMER = """
import sys
from pathlib import Path
from claude_workers.tickets.queue import Queue
queue = Queue(Path(sys.argv[1]))
while found := queue.claim_next(sys.argv[2]):
    print(found.id)
"""


def test_processes_that_claim_share_the_tickets_out(queue: Queue) -> None:
    queue.create_all([(ADD, ())] * 100)
    argv = [sys.executable, "-c", CLAIMER, str(queue.database.path)]
    agents = [subprocess.Popen([*argv, f"a{one}"], stdout=subprocess.PIPE, text=True) for one in range(4)]
    printed = [one.communicate(timeout=60)[0] for one in agents]
    assert [one.returncode for one in agents] == [0] * 4
    assert sorted(map(int, "".join(printed).split())) == list(range(1, 101))
    assert holders(queue.database.path) == {int(one): f"a{who}" for who in range(4) for one in printed[who].split()}


def test_a_claim_is_given_back_by_its_owner_alone(queue: Queue) -> None:
    number = add(queue)
    for _ in range(2):
        with pytest.raises(IssueTaken):
            queue.unclaim(number, "a2")
        claimed(queue)
    queue.unclaim(number, "a1")
    assert (queue.read(number).status, holders(queue.database.path)) == ("open", {})


def test_a_claim_by_name_is_the_workers_when_it_is_dispatched(queue: Queue, tickets: Tickets) -> None:
    number = add(queue)
    claimed(queue, "01")
    with pytest.raises(IssueTaken):
        tickets.claim(number, "t1", "02", PLACE)
    tickets.claim(number, "t1", "01", PLACE)
    assert [one.task_id for one in tickets.held(REPO)] == ["t1"]
    for verb in (queue.mark_done, queue.complete):
        with pytest.raises(IssueTaken, match="worker 01"):
            verb(number, "ann")
    with pytest.raises(IssueTaken):
        queue.unclaim(number, "01")


def test_a_task_does_not_take_what_is_done_waits_or_is_a_persons(queue: Queue, tickets: Tickets) -> None:
    done = add(queue)
    queue.mark_done(done, "ann")
    first = add(queue)
    cases = [(done, WorkersError), (add(queue, blocked_by=(first,)), Busy), (add(queue, type="question"), Refused)]
    for number, error in cases:
        with pytest.raises(error):
            tickets.claim(number, "t1", "01", PLACE)
    assert holders(tickets) == {}


@pytest.mark.parametrize(("number", "by"), [(1, 1), (1, 2), (1, 3), (2, 3)])
def test_nothing_waits_for_itself_however_long_the_way(number: int, by: int, queue: Queue) -> None:
    for blocker in ((), (1,), (2,)):
        add(queue, blocked_by=blocker)
    with pytest.raises(BadInput):
        queue.block(number, by, "ann")
    assert [queue.read(one).blocked_by for one in (1, 2, 3)] == [[], [1], [2]]


def test_blocking_a_claimed_ticket_gives_it_back(queue: Queue) -> None:
    first, second = add(queue), add(queue, priority=1)
    assert claimed(queue) == second
    for _ in range(2):
        queue.block(second, first, "ann")
    assert (queue.read(second).status, queue.read(second).claimed_by) == ("open", None)
    assert claimed(queue) == first
    queue.unblock(second, first, "ann")
    assert claimed(queue) == second
    with pytest.raises(NotFound):
        queue.unblock(second, first, "ann")


def test_a_ticket_that_a_task_is_at_or_that_is_done_is_not_blocked(queue: Queue, tickets: Tickets) -> None:
    first, second, third = add(queue), add(queue), add(queue)
    tickets.claim(first, "t1", "01", PLACE)
    queue.mark_done(second, "ann")
    for number in (first, second):
        with pytest.raises(WorkersError):
            queue.block(number, third, "ann")
        assert queue.read(number).blocked_by == []
    with pytest.raises(NotFound):
        queue.block(third, 99, "ann")


ALLOWED = {"open": {"in_progress", "ready"}, "in_progress": {"open", "ready"}, "ready": {"open", "in_progress"}}


@pytest.mark.parametrize(("start", "end"), [*itertools.product(ALLOWED, STATUSES), ("open", "banana")])
def test_a_status_is_set_by_hand_only_where_that_makes_sense(start: str, end: str, queue: Queue) -> None:
    number = add(queue)
    if start != "open":
        queue.update(number, "ann", status=start)
    if end == start or end in ALLOWED[start]:
        queue.update(number, "ann", status=end)
        assert queue.read(number).status == end
    else:
        with pytest.raises(BadInput):
            queue.update(number, "ann", status=end)
        assert queue.read(number).status == start


def test_what_is_done_stays_as_it_is(queue: Queue) -> None:
    number = add(queue)
    for _ in range(2):
        queue.mark_done(number, "ann")
    for wanted in ({"title": "x"}, {"status": "open"}, {"assigned_to": "a1"}):
        with pytest.raises(WorkersError, match="is done"):
            queue.update(number, "ann", **wanted)
    with pytest.raises(WorkersError):
        queue.complete(number, "ann")
    assert queue.read(number).title == "Add sub"


def test_fields_are_updated_and_checked(queue: Queue) -> None:
    number = add(queue)
    queue.update(number, "ann", title="Other", description="d", assigned_to="a1", type="verify", priority=4)
    found = queue.read(number)
    assert (found.title, found.description, found.assigned_to) == ("Other", "d", "a1")
    assert (found.type, found.priority) == ("verify", 4)
    queue.update(number, "ann", assigned_to=None)
    assert queue.read(number).assigned_to is None
    for wrong in ({"title": "a\nb"}, {"priority": PRIORITY + 1}, {"assigned_to": ""}):
        with pytest.raises(BadInput):
            queue.update(number, "ann", **wrong)


def test_only_what_was_claimed_is_completed(queue: Queue) -> None:
    number = add(queue)
    with pytest.raises(WorkersError, match="is open"):
        queue.complete(number, "a1")
    claimed(queue)
    queue.complete(number, "a1")
    assert (queue.read(number).status, queue.read(number).claimed_by) == ("ready", None)


def test_tickets_are_found_by_status_kind_repository_and_whose_they_are(queue: Queue) -> None:
    add(queue)
    add(queue, assigned_to="human")
    add(queue, repo="/srv/other")
    claimed(queue)
    queue.mark_done(3, "ann")
    found = {
        "not done": queue.list(), "done": queue.list(statuses=["done"]), "both": queue.list(statuses=["open", "done"]),
        "a1's": queue.list(assigned_to="a1"), "human's": queue.list(assigned_to="human"),
        "proposals": queue.list(kind="proposal"), "other": queue.list("/srv/other", statuses=STATUSES),
    }  # fmt: skip
    assert {name: [one.id for one in listed] for name, listed in found.items()} == {
        "not done": [1, 2], "done": [3], "both": [2, 3], "a1's": [1], "human's": [2], "proposals": [2], "other": [3],
    }  # fmt: skip
    assert queue.count() == {"open": 1, "in_progress": 1, "ready": 0, "done": 1}
    with pytest.raises(BadInput):
        queue.list(statuses=["banana"])


def test_a_persons_is_also_what_waits_for_a_review_and_what_a_worker_could_not_do(queue: Queue) -> None:
    asked, tried, ready = add(queue, type="question"), add(queue, labels=("worker:01",)), add(queue)
    add(queue)
    queue.update(ready, "ann", status="ready")
    queue.mark_done(add(queue, type="question"), "ann")
    assert [one.id for one in queue.list(assigned_to="human")] == [asked, tried, ready]


def test_every_change_is_in_the_log(queue: Queue, tickets: Tickets) -> None:
    other, number = add(queue, assigned_to="human"), add(queue)
    tickets.comment(number, "x", "ann")
    tickets.label(number, ("a",))
    tickets.label(number, ("a",))
    claimed(queue)
    queue.unclaim(number, "a1")
    queue.block(number, other, "ann")
    queue.unblock(number, other, "ann")
    queue.update(number, "ann", priority=2)
    claimed(queue)
    queue.complete(number, "a1")
    queue.mark_done(number, "ann")
    assert actions(queue, number) == [
        "created", "commented", "labelled", "claimed", "unclaimed", "blocked", "unblocked", "updated", "claimed",
        "completed", "done",
    ]  # fmt: skip
    assert [one.actor for one in queue.log(number, 2)] == ["ann", "a1"]
    assert len(queue.log(limit=3)) == 3
    assert actions(queue, other) == ["created"]


def test_a_batch_is_filed_whole_or_not_at_all(queue: Queue) -> None:
    assert queue.create_all([(ADD, (1,)), (ADD, ())]) == [1, 2]
    assert queue.read(1).blocked_by == [2]
    with pytest.raises(BadInput):
        queue.create_all([(ADD, (1,)), (ADD, (0,))])
    assert len(queue.list()) == 2


def test_what_a_ticket_is_stays_while_a_task_is_at_it(queue: Queue, tickets: Tickets) -> None:
    number = add(queue)
    tickets.claim(number, "t1", "01", PLACE)
    with pytest.raises(IssueTaken):
        queue.update(number, "ann", type="proposal")
    assert queue.read(number).type == "task"


def test_a_task_that_merges_takes_only_what_is_still_approved(queue: Queue, tickets: Tickets) -> None:
    number = add(queue, labels=("approved",))
    tickets.label(number, ("rejected",), ("approved",))
    with pytest.raises(Busy, match="not approved any more"):
        tickets.claim(number, "t1", "01", PLACE, "approved")
    assert holders(tickets) == {}

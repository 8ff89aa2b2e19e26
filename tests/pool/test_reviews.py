"""Reviews of tickets' changes: a yes merges, a no goes back with its reason, each once and whoever is busy."""

from __future__ import annotations

import pytest

from claude_workers import Receipt
from claude_workers.errors import WorkersError
from claude_workers.model import Ticket
from claude_workers.pool import reviews
from claude_workers.tickets.queue import Draft, Queue
from tests.conftest import git
from tests.racing import race, until
from tests.stage import ADD, DONE, HANG, HERE, Stage, steps

MERGED = "refs/claude-workers/merged/main"
MUL = {"run": "printf 'def mul(a, b):\\n    return a * b\\n' > mul.py && git add . && git commit -qm 'Add mul'"}


class Desk:
    """A ticket whose change waits for a review."""

    def __init__(self, stage: Stage, *script: dict[str, object]) -> None:
        self.stage = stage
        self.queue = Queue(stage.fleet.layout.tickets)
        self.number = self.queue.create(Draft(str(stage.calc), "Add sub", steps(*script)))
        stage.fleet.dispatch("01", str(stage.calc), self.number)
        self.first = stage.end()
        assert self.first.outcome == "pull_request"

    @property
    def ticket(self) -> Ticket:
        return self.queue.read(self.number)

    def approve(self) -> Receipt:
        assert reviews.approve(self.stage.fleet.layout, self.number, "ann")
        return self.stage.end()

    def reject(self, why: str) -> Receipt:
        assert reviews.reject(self.stage.fleet.layout, self.number, "ann", why)
        return self.stage.end()

    def merged(self) -> list[str]:
        return git("log", "--format=%s", "--reverse", MERGED, at=self.stage.calc).splitlines()


@pytest.fixture
def desk(stage: Stage) -> Desk:
    """A change that waits."""
    return Desk(stage, ADD, DONE, {"turn": True}, MUL, DONE)  # type: ignore[arg-type]


def test_a_change_waits_and_is_merged_by_a_yes(desk: Desk) -> None:
    assert desk.ticket.status == "ready"
    receipt = desk.approve()
    assert (receipt.reason, receipt.merged) == ("", desk.first.head)
    assert desk.merged() == ["Begin", "Add sub"]
    assert (desk.ticket.status, desk.ticket.labels) == ("done", ["pull-request"])
    assert receipt.usage == {}
    assert receipt.pull_request == desk.first.pull_request


def test_a_yes_is_verified_on_what_the_base_is_now(desk: Desk) -> None:
    (desk.stage.calc / "other.py").write_text("x = 1\n", encoding="utf-8")
    git("add", ".", at=desk.stage.calc)
    git("commit", "--quiet", "-m", "Elsewhere", at=desk.stage.calc)
    desk.stage.configure('verify = "test -e other.py"\n')
    receipt = desk.approve()
    assert receipt.verified
    assert desk.merged() == ["Begin", "Elsewhere", "Add sub"]


def test_a_yes_to_what_does_not_pass_any_more_leaves_the_change(desk: Desk) -> None:
    desk.stage.configure('verify = "false"\nverify_retries = 0\n')
    receipt = desk.approve()
    assert (receipt.outcome, receipt.merged) == ("pull_request", "")
    assert receipt.reason.startswith("not merged: false: exit 1")
    assert desk.ticket.status == "ready"
    assert reviews.waiting(desk.stage.fleet.layout) == []
    desk.stage.configure("")
    assert desk.approve().merged


def test_a_no_goes_back_to_the_same_session_as_another_attempt(desk: Desk) -> None:
    receipt = desk.reject("Multiply, too")
    assert receipt.outcome == "pull_request"
    assert receipt.branch == desk.first.branch
    told = (desk.stage.home / "runs" / receipt.task_id / "prompt.md").read_text(encoding="utf-8")
    assert "ann wrote:\n\nMultiply, too" in told
    assert receipt.task_id != desk.first.task_id
    assert "Multiply, too" in desk.ticket.comments[1].body
    assert desk.ticket.status == "ready"
    assert desk.approve().merged == receipt.head
    assert desk.merged() == ["Begin", "Add sub", "Add mul"]
    words = [one.action for one in reversed(desk.queue.log(desk.number, 100))]
    assert [one for one in words if one in {"proposed", "rejected", "approved", "merged", "done"}] == [
        "proposed", "rejected", "proposed", "approved", "merged", "done",
    ]  # fmt: skip


def test_while_its_worker_is_busy_a_review_waits(desk: Desk) -> None:
    layout = desk.stage.fleet.layout
    desk.stage.start(HERE, HANG)
    assert reviews.approve(layout, desk.number, "ann") is None
    assert reviews.waiting(layout) == [desk.number]
    assert reviews.attend(layout, desk.number) is None
    desk.stage.fleet.stop("01")
    desk.stage.fleet.reset("01")
    assert reviews.attend(layout, desk.number)
    assert desk.stage.end().merged
    assert reviews.waiting(layout) == []


def test_a_no_takes_a_yes_back(desk: Desk) -> None:
    desk.stage.start(HERE, HANG)
    assert reviews.approve(desk.stage.fleet.layout, desk.number, "ann") is None
    assert reviews.reject(desk.stage.fleet.layout, desk.number, "ann", "No") is None
    assert "approved" not in desk.ticket.labels
    assert "rejected" in desk.ticket.labels
    desk.stage.fleet.stop("01")


def test_what_has_no_change_to_review_is_refused(desk: Desk) -> None:
    layout = desk.stage.fleet.layout
    other = desk.queue.create(Draft(str(desk.stage.calc), "Nothing yet"))
    with pytest.raises(WorkersError, match="no change"):
        reviews.approve(layout, other, "ann")
    with pytest.raises(WorkersError):
        reviews.reject(layout, desk.number, "ann", " ")
    assert desk.ticket.status == "ready"
    desk.approve()
    with pytest.raises(WorkersError):
        reviews.approve(layout, desk.number, "ann")
    with pytest.raises(WorkersError):
        reviews.reject(layout, desk.number, "ann", "No")


@pytest.mark.timeout(300)
def test_a_yes_and_a_no_at_once_end_in_one_of_them(desk: Desk) -> None:
    layout = desk.stage.fleet.layout

    def say(place: int) -> object:
        if place:
            return reviews.reject(layout, desk.number, "ann", "No")
        return reviews.approve(layout, desk.number, "ann")

    race(say, 2)
    until(lambda: desk.stage.fleet.status(["01"])[0].state == "idle", "whoever was started has ended")
    list(desk.stage.fleet.work(until_empty=True, interval=0.05))
    said = [one.action for one in reversed(desk.queue.log(desk.number, 100))]
    verdicts = [one for one in said if one in {"approved", "rejected"}]
    assert ("merged" in said) == (verdicts[-1] == "approved"), said

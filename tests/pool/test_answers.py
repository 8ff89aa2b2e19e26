"""Questions: an agent asks, its worker is free for others, and the same session goes on with the answer."""

from __future__ import annotations

import pytest

from claude_workers import WorkerStatus
from claude_workers.errors import Busy, NotFound, WorkerBusy
from claude_workers.home import parked
from claude_workers.home.home import Home
from claude_workers.model import Recovered, Ticket
from claude_workers.pool import answers
from claude_workers.pool.blocking import block
from claude_workers.pool.orphans import orphans
from claude_workers.tickets import people
from claude_workers.tickets.queue import Draft, Queue
from tests.github.stage import REPO, GitHubStage
from tests.stage import ADD, DONE, HANG, HERE, Stage, steps

ASK = {"run": 'worker-ask "Which port, or none?"'}
TURN: dict[str, object] = {"turn": True}
FOUND = "grep -rhs 'The answer: 8080' ~/.claude/projects | head -c 20 > answer.txt"
HEARD = {"run": f"{FOUND}; git add .; git commit -qm Ported"}


class Asking:
    """A task that has asked and is parked."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.queue = Queue(stage.fleet.layout.tickets)
        self.home = Home(stage.fleet.layout, "01")
        script = steps(ADD, ASK, TURN, HEARD, DONE)
        self.number = self.queue.create(Draft(str(stage.calc), "Add a port", script))
        self.task = stage.fleet.dispatch("01", str(stage.calc), self.number)
        self.until_idle()

    def until_idle(self) -> WorkerStatus:
        return self.stage.until(lambda row: row.state == "idle")

    @property
    def question(self) -> Ticket:
        [found] = self.queue.list(kind="question")
        return found

    def answer(self) -> list[Recovered]:
        number = self.question.id
        people.answer(self.queue.database, number, "ann", "8080")
        return list(answers.answered(self.stage.fleet.layout, number))


@pytest.fixture
def asking(stage: Stage) -> Asking:
    """A task that has asked."""
    return Asking(stage)


def test_a_question_is_put_where_people_look_and_the_worker_is_free(asking: Asking) -> None:
    row = asking.stage.fleet.status(["01"])[0]
    assert (row.state, row.task_id) == ("idle", None)
    assert row.questions == [f"ticket {asking.question.id}: Which port, or none?"]
    found = asking.question
    assert (found.title, found.assigned_to, found.created_by) == ("Which port, or none?", "human", "worker 01")
    assert (found.blocks, found.parent) == ([asking.number], asking.number)
    held = asking.queue.read(asking.number)
    assert (held.status, held.claimed_by) == ("in_progress", "01")
    assert orphans(asking.stage.fleet.layout) == ([], [])
    assert list(asking.stage.fleet.recover()) == []
    with pytest.raises(WorkerBusy, match="waits for an answer"):
        asking.stage.fleet.remove("01")


def test_an_answer_lets_the_same_session_go_on_at_once(asking: Asking) -> None:
    assert [one.did for one in asking.answer()] == ["answered"]
    receipt = asking.stage.end()
    assert (receipt.outcome, receipt.task_id, receipt.attempts) == ("pull_request", asking.task.task_id, 1)
    assert sorted(receipt.files_changed) == ["answer.txt", "calc.py"]
    assert asking.queue.read(asking.number).status == "ready"
    assert list(parked.every(asking.home)) == []
    assert asking.stage.fleet.status(["01"])[0].questions == []
    words = [one.action for one in asking.queue.log(asking.number, 100)]
    assert words.count("asked") == words.count("proposed") == 1


def test_a_busy_worker_goes_on_after_its_current_task(asking: Asking) -> None:
    asking.stage.start({"run": "echo other > other.txt; git add .; git commit -qm Other"}, HERE, HANG)
    assert asking.answer() == []
    assert list(asking.stage.fleet.recover()) == []
    asking.stage.fleet.stop("01")
    asking.stage.fleet.reset("01")
    assert [one.did for one in asking.stage.fleet.recover()] == ["answered"]
    receipt = asking.stage.end()
    assert receipt.task_id == asking.task.task_id
    # The clone was another task's meanwhile: the work before the question came back from its rescue.
    assert sorted(receipt.files_changed) == ["answer.txt", "calc.py"]


def test_a_question_that_nobody_answers_waits_for_ever_or_ends_or_has_a_default(asking: Asking) -> None:
    asking.stage.configure('question_limit = "1h"\n')
    assert list(asking.stage.fleet.recover()) == []
    asking.stage.configure('question_limit = "0s"\nquestion_default = "Take 8080. The answer: 8080"\n')
    assert [one.did for one in asking.stage.fleet.recover()] == ["answered"]
    assert asking.stage.end().outcome == "pull_request"


def test_a_question_that_is_given_up_ends_deferred(asking: Asking) -> None:
    asking.stage.configure('question_limit = "0s"\n')
    assert [one.did for one in asking.stage.fleet.recover()] == ["unanswered"]
    receipt = asking.stage.end()
    assert (receipt.outcome, receipt.reason) == ("deferred", "nobody answered: Which port, or none?")
    assert asking.queue.read(asking.number).claimed_by is None


def test_a_second_question_is_another(stage: Stage) -> None:
    again = {"run": 'worker-ask "And which host?"'}
    queue = Queue(stage.fleet.layout.tickets)
    number = queue.create(Draft(str(stage.calc), "Add", steps(ADD, ASK, TURN, again, TURN, DONE)))
    stage.fleet.dispatch("01", str(stage.calc), number)
    for wanted in ("Which port, or none?", "And which host?"):
        stage.until(lambda row: row.state == "idle")
        [found] = queue.list(kind="question")
        assert found.title == wanted
        people.answer(queue.database, found.id, "ann", "8080")
        assert [one.did for one in answers.answered(stage.fleet.layout, found.id)] == ["answered"]
    assert stage.end().outcome == "pull_request"


def test_a_prompts_question_is_a_ticket_too(stage: Stage) -> None:
    stage.start(ADD, ASK, TURN, DONE)
    stage.until(lambda row: row.state == "idle")
    [found] = Queue(stage.fleet.layout.tickets).list()
    assert (found.type, found.parent, found.blocks) == ("question", None, [])


def test_a_question_on_github_is_a_comment_and_a_comment_is_its_answer(on_github: GitHubStage) -> None:
    number = on_github.file(ADD, ASK, TURN, HEARD, DONE)
    on_github.fleet.dispatch("01", REPO, number)
    on_github.until(lambda row: row.state == "idle")
    assert "Which port, or none?" in on_github.said(number)[0]
    assert on_github.labels(number) == ["question", "worker:01"]
    assert on_github.fleet.status(["01"])[0].questions == [f"{REPO}#{number}: Which port, or none?"]
    on_github.github.comment(REPO, number, "eve", "1234")
    assert list(on_github.fleet.recover()) == []
    on_github.github.reset_calls()
    assert list(on_github.fleet.recover()) == []
    assert {one.status for one in on_github.github.calls} == {304}
    on_github.github.comment(REPO, number, "ann", "8080")
    assert [one.did for one in on_github.fleet.recover()] == ["answered"]
    receipt = on_github.end()
    assert (receipt.outcome, sorted(receipt.files_changed)) == ("pull_request", ["answer.txt", "calc.py"])
    assert on_github.labels(number) == ["pull-request"]


def test_a_task_that_waits_is_given_up_by_reset_and_no_other_way(asking: Asking) -> None:
    fleet, repo = asking.stage.fleet, str(asking.stage.calc)
    with pytest.raises(Busy, match="waits for an answer"):
        fleet.release(repo, asking.number)
    receipt = fleet.reset("01")
    assert receipt
    assert (receipt.outcome, receipt.task_id) == ("stopped", asking.task.task_id)
    assert asking.queue.read(asking.number).claimed_by is None
    assert list(parked.every(asking.home)) == []
    assert asking.answer() == []
    with pytest.raises(NotFound):
        fleet.reset("01")


def test_a_ticket_that_waits_for_an_answer_can_be_blocked(asking: Asking) -> None:
    first = asking.queue.create(Draft(str(asking.stage.calc), "First"))
    block(asking.stage.fleet.layout, asking.number, first, "ann")
    assert asking.queue.read(asking.number).blocked_by == sorted([asking.question.id, first])
    assert list(parked.every(asking.home)) == []

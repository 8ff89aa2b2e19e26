"""Telling: what a person says reaches the agent once, whenever it is said and whatever dies meanwhile."""

from __future__ import annotations

import os
import signal

import pytest

from claude_workers.errors import NotFound
from claude_workers.home import archive, inbox
from claude_workers.home.home import Home, find
from claude_workers.model import Message
from tests.conftest import git
from tests.racing import race, until
from tests.stage import ADD, DONE, HANG, HERE, WAIT, Stage


def home_of(stage: Stage) -> Home:
    """Return the worker's home."""
    return find(stage.fleet.layout, "01")


def shown(stage: Stage) -> list[str]:
    """Return what the log shows as said to the agent, without the assignment."""
    return [one.text for one in stage.fleet.logs("01") if one.kind == "prompt"][1:]


def delivered(stage: Stage, message: Message) -> bool:
    """Tell whether a message is marked as one that the agent has."""
    [found] = [one for one in inbox.messages(home_of(stage), task_of(stage)) if one.id == message.id]
    return bool(found.delivered_at)


def task_of(stage: Stage) -> str:
    """Return the id of the current task, or of the last."""
    row = stage.fleet.status(["01"])[0]
    return row.task_id or str((archive.latest(home_of(stage)) or {})["task_id"])


def working(stage: Stage) -> None:
    """Bring an agent to where it waits for a word of the test."""
    stage.start(ADD, HERE, WAIT, DONE)
    stage.until(lambda row: row.last_text == "here")


def go(stage: Stage) -> None:
    """Let the agent go on."""
    (stage.home / ".cache/go").touch()


def test_what_is_told_to_a_working_agent_is_replayed_marked_and_shown(stage: Stage) -> None:
    working(stage)
    first, second = stage.fleet.tell("01", "Use the parser"), stage.fleet.tell("01", "And the lexer")
    go(stage)
    assert stage.end().outcome == "pull_request"
    assert shown(stage) == ["Use the parser", "And the lexer"]
    assert delivered(stage, first)
    assert delivered(stage, second)


def test_what_comes_at_the_end_of_a_turn_begins_another_and_the_cost_is_of_both(stage: Stage) -> None:
    task = stage.start(ADD, HERE, {**WAIT, "turn": True}, {"text": "I have heard it."})
    stage.until(lambda row: row.last_text == "here")
    stage.fleet.tell("01", "One more thing")
    stage.fleet.tell("01", "And another")
    go(stage)
    receipt = stage.end()
    assert (receipt.outcome, receipt.answer) == ("pull_request", "I have heard it.")
    assert inbox.waiting(home_of(stage), task.task_id) == []


def test_an_interrupt_ends_what_the_agent_does_and_it_hears_why(stage: Stage) -> None:
    stage.start(ADD, HERE, WAIT, {"run": "touch never"}, {"text": "I go on elsewhere."})
    stage.until(lambda row: row.last_text == "here")
    message = stage.fleet.tell("01", "Stop that", interrupt=True)
    until(lambda: inbox.messages(home_of(stage), task_of(stage)), "it is in the inbox")
    go(stage)
    receipt = stage.end()
    assert receipt.outcome == "pull_request"
    assert shown(stage) == ["Stop that"]
    assert delivered(stage, message)


def test_what_is_told_to_a_dead_or_stopped_task_is_heard_when_it_goes_on(stage: Stage) -> None:
    working(stage)
    os.kill(int(stage.fleet.status(["01"])[0].pid or 0), signal.SIGKILL)
    stage.until(lambda row: row.state == "crashed")
    assert stage.fleet.telling("01", "to the dead")[1] == "it is crashed: told once it goes on"
    stage.fleet.restart("01")
    stage.fleet.stop("01")
    stage.fleet.tell("01", "to the stopped")
    go(stage)
    stage.fleet.restart("01")
    assert stage.end().outcome == "pull_request"
    said = [text for text in shown(stage) if text.startswith("to the ")]
    assert said == ["to the dead", "to the stopped"]


def test_a_mark_that_was_lost_lets_nobody_hear_a_thing_twice(stage: Stage) -> None:
    working(stage)
    message = stage.fleet.tell("01", "only once")
    go(stage)
    stage.until(lambda row: row.state != "busy" or "only once" in shown(stage))
    stage.end()
    place = inbox.path(home_of(stage), task_of(stage))
    assert place.read_text("utf-8").count(message.id) == 2
    sent = [path.read_text("utf-8") for path in stage.home.glob(".claude/projects/*/*.jsonl")]
    assert sum(text.count("only once") for text in sent) == 1


def test_what_is_told_while_the_gate_runs_is_heard_before_anything_is_published(stage: Stage) -> None:
    stage.configure('verify = "sleep 2"')
    task = stage.start(ADD, {"turn": True}, {"run": "echo '# more' >> calc.py && git commit -qam More"}, DONE)
    stage.until(lambda row: row.phase == "verifying")
    assert "before anything is published" in stage.fleet.telling("01", "One more commit")[1]
    receipt = stage.end()
    assert receipt.outcome == "pull_request"
    assert shown(stage)[-1] == "One more commit"
    assert inbox.waiting(home_of(stage), task.task_id) == []
    assert "# more" in git("show", f"{receipt.branch}:calc.py", at=stage.calc)


def test_what_nobody_heard_is_named_in_the_receipt_and_after_the_end_it_is_refused(stage: Stage) -> None:
    task = stage.start(HERE, HANG, time_limit=3.0)
    stage.until(lambda row: row.last_text == "here")
    stage.fleet.tell("01", "hello there")
    receipt = stage.end()
    assert receipt.outcome == "failed"
    assert [one for one in receipt.notes if "hello there" in one]
    with pytest.raises(NotFound):
        inbox.put(home_of(stage), task.task_id, "after the end")
    with pytest.raises(NotFound):
        stage.fleet.tell("01", "after the end")


def test_an_end_and_those_who_tell_it_something_leave_no_message_in_between(stage: Stage) -> None:
    task = stage.start(HERE, WAIT, {"text": "x", "turn": True}, *[{"turn": True}] * 40)
    stage.until(lambda row: row.last_text == "here")
    home = home_of(stage)
    go(stage)

    def tell(number: int) -> bool:
        try:
            stage.fleet.tell("01", f"word {number}")
        except NotFound:
            return False
        return True

    taken = race(tell, 12).count(True)
    receipt = stage.end()
    messages = inbox.messages(home, task.task_id)
    assert len(messages) == taken
    unheard = [one.text for one in messages if not one.delivered_at]
    noted = " ".join(receipt.notes)
    assert all(text in noted for text in unheard)


def test_lines_that_were_cut_or_are_none_are_passed_over(stage: Stage) -> None:
    working(stage)
    home, task_id = home_of(stage), task_of(stage)
    first = inbox.put(home, task_id, "whole")
    with inbox.path(home, task_id).open("ab") as stream:
        stream.write(b'null\n[]\n{"delivered": 7}\n{"id": 1}\n\xff\n{"id": "cut')
    second = inbox.put(home, task_id, "after")
    assert [one.id for one in inbox.messages(home, task_id)] == [first.id, second.id]
    go(stage)
    assert stage.end().outcome == "pull_request"
    assert inbox.waiting(home, task_id) == []


@pytest.mark.parametrize("odd", ["a\u2028b", "a\u0085b", "a\x0cb", "a\rb", "a\u2029b", "a\ud800b"])
def test_what_ends_a_line_elsewhere_is_heard(stage: Stage, odd: str) -> None:
    working(stage)
    told = [stage.fleet.tell("01", text) for text in ("one", odd, "two")]
    go(stage)
    assert stage.end().outcome == "pull_request"
    assert all(delivered(stage, one) for one in told)

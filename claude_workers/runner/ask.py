"""Asking: an agent's question put where people look, and the task parked until there is an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_workers import clock
from claude_workers.home import parked
from claude_workers.runner import herald
from claude_workers.runner.run import Asked, Ended

if TYPE_CHECKING:
    from claude_workers.runner.run import Run


def note(run: Run, text: str) -> Asked:
    """Take a question in, lasting, before anybody is asked."""
    run.observe(asked=[*run.progress.asked, text])
    return Asked()


def check(run: Run) -> None:
    """Raise Asked while the last question has no answer; Ended when nobody will give one."""
    if len(run.progress.asked) <= int(run.task.extra.get("answered") or 0):
        return
    if run.task.extra.get("unanswered"):
        raise Ended("deferred", f"nobody answered: {run.progress.asked[-1]}")
    raise Asked


def park(run: Run) -> None:
    """Put the question where people look, once however often this is done, and free the worker."""
    text, number = run.progress.asked[-1], len(run.progress.asked)
    key = f"question:{run.task.task_id}:{number}"
    place = run.forge.ask(run.task, run.publishable(text), key)
    asked = {"text": text, "key": key, "place": place, "asked_at": clock.now()}
    run.say(f"asked a person ({place}): {text}")
    run.save(
        state="waiting", wait_for=parked.ANSWER, wait_until=None, reason=text,
        extra={**run.task.extra, "question": asked},
    )  # fmt: skip
    herald.tell(run, "question", f"{text} ({place})")
    parked.put_away(run.home)

"""Answers: parked tasks whose question a person has answered, taken up again by their own workers."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

from claude_workers import clock, config
from claude_workers.errors import WorkersError
from claude_workers.forge.choose import desk, forge_of
from claude_workers.home import inbox, parked, presence, tasks
from claude_workers.home.home import every
from claude_workers.model import Recovered, Repository
from claude_workers.pool import leave, preflight
from claude_workers.pool.dispatch import continue_task

if TYPE_CHECKING:
    from collections.abc import Iterator

    from claude_workers.forge.seam import Forge
    from claude_workers.home.home import Home
    from claude_workers.model import Task
    from claude_workers.paths import Layout

_ANSWER = "You asked: {question}\n\nThe answer: {answer}\n\nGo on with the assignment."
_NOBODY = "Nobody has answered in time. {default}"


def answered(layout: Layout, ticket: int) -> Iterator[Recovered]:
    """Take up what waits for a ticket's answer, where its worker is idle."""
    for home in every(layout):
        if any(parked.place(one) == f"ticket:{ticket}" for one in parked.every(home)):
            with presence.alone(home):
                yield from wake(home)


def wake(home: Home) -> Iterator[Recovered]:
    """Take up the first parked task that has its answer; the caller holds the worker's lock.

    Also ends what nobody answers in time. Nothing while the worker has another task.
    """
    state = tasks.state(home)
    if state.task and state.name == "waiting" and state.task.wait_for == parked.ANSWER:
        parked.put_away(home)  # its runner died before it came to that
    elif state.name != "idle":
        return
    for task in parked.every(home):
        try:
            given = _answer(home, task)
            if given is None:
                continue
            yield _taken_up(home, task, given)
        except WorkersError as error:
            yield Recovered(home.worker, "failed", f"the answer to {task.task_id}: {error}", task.task_id)
        else:
            return


def _answer(home: Home, task: Task) -> str | None:
    """Return what the agent is to be told; "" when it is to end unanswered, None while it waits."""
    asked = task.extra.get("question")
    if not isinstance(asked, dict):
        return ""
    said = _forge(home.layout, task).answer(task, str(asked.get("key")))
    if said is not None:
        return _ANSWER.format(question=parked.question(task), answer=said)
    settings = config.load(task.repository.name)
    waited = clock.seconds_since(str(asked.get("asked_at"))) or 0.0
    if settings.question_limit is None or waited < settings.question_limit:
        return None
    return _NOBODY.format(default=settings.question_default) if settings.question_default else ""


def _taken_up(home: Home, task: Task, given: str) -> Recovered:
    settings = config.load(task.repository.name)
    preflight.still(home, task, settings)
    answers = int(task.extra.get("answered") or 0)
    extra = {**task.extra, **({"answered": answers + 1} if given else {"unanswered": True})}
    again = dataclasses.replace(task, extra=extra)
    if given and not any(one.text == given for one in inbox.waiting(home, task.task_id)):
        inbox.put(home, task.task_id, given)
    if not parked.take_up(home, again):
        return Recovered(home.worker, "waits", "its worker has another task", task.task_id)
    leave.end_leftovers(home, again)
    try:
        continue_task(home, again)
    except WorkersError:
        current = tasks.load(home)
        if current and current.task_id == task.task_id and current.wait_for == parked.ANSWER:
            parked.put_away(home)  # it cannot go on now: nothing else is to wait for that
        raise
    return Recovered(home.worker, "answered" if given else "unanswered", parked.question(task), task.task_id)


def _forge(layout: Layout, task: Task) -> Forge:
    """Return where a task's question stands."""
    if parked.place(task).startswith("ticket:"):
        return desk(layout, task.repository)
    return _kept(layout, task.repository.name, task.repository.url)


@functools.lru_cache(maxsize=64)
def _kept(layout: Layout, name: str, url: str) -> Forge:
    """Return a forge that remembers what it was told last: asked again, it costs nothing where nothing is new."""
    return forge_of(layout, Repository(name, url))

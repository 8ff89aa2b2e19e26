"""Parked tasks: those that wait for a person's answer while their worker is free for others."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from claude_workers import files
from claude_workers.home import archive, events, tasks
from claude_workers.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from claude_workers.home.home import Home
    from claude_workers.model import Task

ANSWER = "answer"


def put_away(home: Home) -> None:
    """Park the current task, whose question is asked: the worker is free."""
    task = tasks.load(home)
    if task is None or task.wait_for != ANSWER:
        return
    place = files.own_folder(home.parked) / f"{task.task_id}.json"
    events.append(home, "parked", f"asked: {question(task)}", task.task_id)
    os.rename(home.task_file, place)


def every(home: Home) -> Iterator[Task]:
    """Yield the parked tasks, by id; what cannot be believed is left out, and what is under way again or has ended."""
    if not home.parked.is_dir():
        return
    for path in sorted(home.parked.glob("*.json")):
        task = _read(home, path.stem)
        if task:
            yield task


def _read(home: Home, task_id: str) -> Task | None:
    try:
        data = files.read_json(home.parked / f"{task_id}.json")
        task = tasks.believed(home, data) if data else None
        current = tasks.load(home)
    except (ValueError, TypeError, tasks.Unreadable):
        return None
    if task is None or (current and current.task_id == task_id) or archive.receipt(home, task_id):
        return None
    return task


def is_parked(home: Home, task_id: str) -> bool:
    """Tell whether a task waits here for an answer."""
    return _read(home, task_id) is not None


def take_up(home: Home, task: Task) -> bool:
    """Make a parked task the current one; False when the worker has another. The caller holds the worker's lock."""
    taken = files.create_exclusive(home.task_file, files.to_text(task.to_json()))
    if taken:
        events.append(home, "answered", question(task), task.task_id)
        (home.parked / f"{task.task_id}.json").unlink(missing_ok=True)
    return taken


def question(task: Task) -> str:
    """Return what a task has asked last."""
    asked = task.extra.get("question")
    return str(asked.get("text") or "") if isinstance(asked, dict) else ""


def questions(home: Home) -> list[str]:
    """Return what the parked tasks ask, each with the place where it is answered."""
    return [f"{_place(task)}: {plain(' '.join(question(task).split()))}" for task in every(home)]


def _place(task: Task) -> str:
    asked = task.extra.get("question")
    place = str(asked.get("place") or "") if isinstance(asked, dict) else ""
    kind, _, number = place.partition(":")
    return f"ticket {number}" if kind == "ticket" else f"{task.repository.name}#{number}"

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
    target = files.own_folder(home.parked) / f"{task.task_id}.json"
    events.append(home, "parked", f"asked: {question(task)}", task.task_id)
    os.rename(home.task_file, target)


def every(home: Home) -> Iterator[Task]:
    """Yield the parked tasks, by id; what cannot be believed is left out, and what is under way again or has ended."""
    if not home.parked.is_dir():
        return
    for path in sorted(home.parked.glob("*.json")):
        task = find(home, path.stem)
        if task:
            yield task


def find(home: Home, task_id: str) -> Task | None:
    """Return the task of that id that waits here for an answer; None when there is none."""
    try:
        data = files.read_json(home.parked / f"{task_id}.json")
        task = tasks.believed(home, data) if data else None
        current = tasks.load(home)
    except (ValueError, TypeError, tasks.Unreadable):
        return None
    if task is None or (current and current.task_id == task_id) or archive.receipt(home, task_id):
        return None
    return task


def has(home: Home, repo: str, issue: int) -> bool:
    """Tell whether a task of an issue waits here for an answer; `repo` is the repository's URL."""
    return any((one.repository.url, one.issue) == (repo, issue) for one in every(home))


def take_up(home: Home, task: Task) -> bool:
    """Make a parked task the current one; False when the worker has another. The caller holds the worker's lock."""
    taken = files.create_exclusive(home.task_file, files.to_text(task.to_json()))
    if taken:
        events.append(home, "answered", question(task), task.task_id)
        (home.parked / f"{task.task_id}.json").unlink(missing_ok=True)
    return taken


def question(task: Task) -> str:
    """Return what a task has asked last."""
    return _asked(task, "text")


def place(task: Task) -> str:
    """Return where it has asked, as the forge told it: `ticket:N` or `issue:N`."""
    return _asked(task, "place")


def _asked(task: Task, name: str) -> str:
    asked = task.extra.get("question")
    return str(asked.get(name) or "") if isinstance(asked, dict) else ""


def questions(home: Home) -> list[str]:
    """Return what the parked tasks ask, each with the place where it is answered."""
    return [f"{_shown(task)}: {plain(' '.join(question(task).split()))}" for task in every(home)]


def _shown(task: Task) -> str:
    kind, _, number = place(task).partition(":")
    return f"ticket {number}" if kind == "ticket" else f"{task.repository.name}#{number}"

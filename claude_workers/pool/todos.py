"""Todos: the task list that an agent keeps of its own, item by item."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_workers import files, transcript
from claude_workers.agent import stream
from claude_workers.home import archive, tasks
from claude_workers.home.home import every, find
from claude_workers.model import Record, Task, Todo

if TYPE_CHECKING:
    from claude_workers.home.home import Home
    from claude_workers.paths import Layout

_MARK = '"TodoWrite"'


@dataclass(frozen=True)
class Listed(Record):
    """The list of one worker's task, the current one or the last."""

    worker: str
    task_id: str
    items: list[Todo]


def todos(layout: Layout, worker: str | None = None) -> list[Listed]:
    """Return the list of a worker, empty when it keeps none; without a worker those of all who have a task."""
    if worker is not None:
        home = find(layout, worker)
        task = tasks.state(home).task or _last(home)
        return [_of(home, task)] if task else [Listed(worker, "", [])]
    found = [(home, tasks.state(home).task) for home in every(layout)]
    return [_of(home, task) for home, task in found if task]


def _last(home: Home) -> Task | None:
    return archive.task(archive.latest(home))


def _of(home: Home, task: Task) -> Listed:
    kept = transcript.todos(home.claude, task.task_id, task.session_id)
    return Listed(home.worker, task.task_id, kept or _written(home, task))


def _written(home: Home, task: Task) -> list[Todo]:
    """Return the list that was last written into the stream."""
    text = files.read_inside(home.path, f"runs/{task.task_id}/stream.jsonl", 2 << 30) or ""
    for line in reversed([one for one in text.split("\n") if _MARK in one]):
        event = stream.parse(line.encode())
        found = stream.todos(event) if event else None
        if found is not None:
            return found
    return []

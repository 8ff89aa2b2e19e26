"""Blocking a ticket by another, whoever is at it: a worker's task is stopped, its work kept."""

from __future__ import annotations

from claude_workers.errors import IssueTaken
from claude_workers.home import parked, tasks
from claude_workers.home.home import every
from claude_workers.paths import Layout
from claude_workers.pool.control import stop
from claude_workers.pool.homes import reset
from claude_workers.tickets.queue import Queue
from claude_workers.tickets.tickets import Tickets


def block(layout: Layout, number: int, by: int, actor: str) -> None:
    """Let a ticket wait for another; IssueTaken when a task of another root is at it."""
    queue = Queue(layout.tickets)
    try:
        queue.block(number, by, actor)
    except IssueTaken:
        if not _freed(layout, queue.read(number).repo, number):
            raise
        queue.block(number, by, actor)
        # It was not the worker that could not do it: it may be taken again when it waits no more.
        tried = tuple(one for one in queue.read(number).labels if one.startswith("worker:"))
        Tickets(layout.tickets).label(number, remove=tried, actor=actor)


def _freed(layout: Layout, repo: str, number: int) -> bool:
    """Stop and archive the task that is at a ticket; tell whether there was one in this root."""
    for home in every(layout):
        state = tasks.state(home)
        if state.task and (state.task.repository.url, state.task.issue) == (repo, number):
            if state.name == "busy":
                stop(layout, home.worker)
            reset(layout, home.worker)
            return True
        if state.task is None and parked.has(home, repo, number):
            reset(layout, home.worker)
            return True
    return False

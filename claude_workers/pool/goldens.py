"""The verbs of golden homes: save, list, apply, diff, remove; never with a home in which a process lives."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from claude_workers.errors import WorkerBusy
from claude_workers.home import golden, presence, tasks
from claude_workers.home.home import Home, find
from claude_workers.pool.dispatch import describe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from claude_workers.home.golden import Golden
    from claude_workers.model import Json
    from claude_workers.paths import Layout


def save(layout: Layout, worker: str, name: str) -> Golden:
    """Take a snapshot of an idle home; WorkerBusy while a process lives in it."""
    with _quiet(layout, worker) as home:
        return golden.save(home, name)


def apply(layout: Layout, name: str, worker: str) -> Golden:
    """Put a snapshot into an idle home."""
    found = golden.find(layout, name)
    with _quiet(layout, worker) as home:
        golden.apply(home, found)
    return found


def diff(layout: Layout, name: str, worker: str) -> list[Json]:
    """Return in which paths a home is not as a snapshot."""
    found = golden.find(layout, name)
    with _quiet(layout, worker) as home:
        return golden.differences(home, found)


@contextlib.contextmanager
def _quiet(layout: Layout, worker: str) -> Iterator[Home]:
    """Hold a home in which nothing runs."""
    home = find(layout, worker)
    with presence.alone(home):
        state = tasks.state(home)
        if state.name != "idle":
            what = describe(state.task) if state.task else "a task"
            raise WorkerBusy(f"worker {worker} is {state.name} with {what}", f"claude-workers watch {worker}")
        yield home

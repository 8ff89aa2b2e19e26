"""Watching: wait until tasks end, and hand their receipts over."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from claude_workers.errors import NotFinished, NotFound, WorkersError
from claude_workers.home import archive, parked, tasks
from claude_workers.home.home import Home, every, find
from claude_workers.model import Receipt
from claude_workers.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from claude_workers.model import Task
    from claude_workers.paths import Layout

_POLL = 0.25


class Lost(WorkersError):
    """A watched worker was found crashed, stopped, waiting or unknown: it will not end by itself."""

    code = "not_running"


class Unseen(Lost):
    """A watched worker's machine did not answer: whether it works is not known."""

    code = "unreachable"
    exit_code = 5


class Watched:
    """One worker that is watched: bound to the task it has when the watch begins."""

    def __init__(self, home: Home) -> None:
        self.home = home
        task = tasks.state(home).task
        self._task_id = task.task_id if task else None

    def ended(self) -> Receipt | Lost | None:
        """Return the receipt, or why there will be none; None while the task goes on."""
        state = tasks.state(self.home)
        task: Task | None = state.task
        if self._task_id is None:
            return self._last(state)
        if task is None or task.task_id != self._task_id:
            return archive.receipt(self.home, self._task_id) or self._without_receipt(self._task_id)
        if state.name == "busy":
            return None
        worker = self.home.worker
        return Lost(f"worker {worker} is {state.name}: {state.reason}", f"claude-workers restart {worker}")

    def _without_receipt(self, task_id: str) -> Lost:
        waiting = parked.find(self.home, task_id)
        if waiting:
            asked = one_line(parked.question(waiting))
            return Lost(f"worker {self.home.worker}: its task waits for an answer: {asked}", "claude-workers status")
        return Lost(f"worker {self.home.worker}: its task left no receipt", "claude-workers status")

    def _last(self, state: tasks.State) -> Receipt | Lost:
        worker = self.home.worker
        if state.name == "unknown":
            return Lost(f"worker {worker} is unknown: {state.reason}", f"look at {self.home.task_file}")
        last = archive.latest(self.home)
        receipt = last.get("receipt") if last else None
        if not isinstance(receipt, dict):
            raise NotFound(f"worker {worker} has not had a task yet", f"claude-workers dispatch {worker} REPO ISSUE")
        return Receipt.from_json(receipt)


def watch(
    layout: Layout,
    workers: Sequence[str] = (),
    *,
    first: bool = False,
    timeout: float | None = None,
    tick: Callable[[], None] | None = None,
) -> list[Receipt | Lost]:
    """Wait until all the workers' tasks ended (`first`: one of them) and return how each did.

    No workers: all that have a task. An idle worker answers at once with its last outcome.
    NotFinished when `timeout` seconds ran out first.
    """
    homes = [find(layout, one) for one in workers] or _with_task(layout)
    watched = [Watched(home) for home in homes]
    deadline = None if timeout is None else time.monotonic() + timeout
    found: dict[int, Receipt | Lost] = {}
    while True:
        for index, one in enumerate(watched):
            answer = None if index in found else one.ended()
            if answer is not None:
                found[index] = answer
        if len(found) == len(watched) or (first and found):
            return [found[index] for index in sorted(found)]
        if deadline is not None and time.monotonic() >= deadline:
            left = ", ".join(one.home.worker for index, one in enumerate(watched) if index not in found)
            raise NotFinished(f"still under way: {left}", "watch again, or claude-workers status")
        if tick:
            tick()
        time.sleep(_POLL)


def _with_task(layout: Layout) -> list[Home]:
    homes = [home for home in every(layout) if tasks.state(home).name != "idle"]
    if not homes:
        raise NotFound("no worker has a task", "claude-workers dispatch ID REPO ISSUE")
    return homes

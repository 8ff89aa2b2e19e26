"""Watching workers that each have a machine: one list of all of them, looked at again and again."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING

from claude_workers.errors import NotFinished, NotFound
from claude_workers.machines import rows, words
from claude_workers.pool.watch import Lost

if TYPE_CHECKING:
    from collections.abc import Sequence

    from claude_workers.machines.machine import Engine, Machine
    from claude_workers.model import Receipt

# Seconds between two looks.
_LOOK = 3.0
_TO_RECOVER = frozenset({"crashed", "waiting"})


def watch(
    engine: Engine, host: str, workers: Sequence[str], *, first: bool, timeout: float | None
) -> list[Receipt | Lost]:
    """Wait for tasks to end; return the receipts, and why there is none of the others.

    No workers: all who have a task. NotFinished when `timeout` seconds ran out.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    found: dict[str, Receipt | Lost] = {}
    every = [rows.row(one, host) for one in engine.machines()]
    left = list(workers) or [row.worker for row in every if row.state not in {"idle", "unknown"}]
    if not left:
        raise NotFound(f"nobody on {host} has a task", "claude-workers dispatch gives one")
    while True:
        machines = {one.worker: one for one in engine.machines()}
        for worker in list(left):
            if ended := _ended(host, worker, machines.get(worker)):
                found[worker] = ended
                left.remove(worker)
        if not left or (first and found):
            return list(found.values())
        if deadline is not None and time.monotonic() > deadline:
            raise NotFinished(f"{host}/{left[0]} is still at work", "watch again")
        time.sleep(_LOOK)


def _ended(host: str, worker: str, machine: Machine | None) -> Receipt | Lost | None:
    """Return how a worker's task ended; None while somebody works, or its machine has not told yet."""
    if machine is None:
        return Lost(f"worker {host}/{worker} was removed", "claude-workers status")
    row = rows.row(machine, host)
    if row.state == "idle":
        task, receipt = rows.last_task(machine)
        late = machine.running and task.task_id != (machine.said.get(words.TASK) or task.task_id)
        return None if receipt is None or late else dataclasses.replace(receipt, worker=f"{host}/{worker}")
    if row.state == "busy":
        return None
    remedy = "claude-workers recover" if row.state in _TO_RECOVER else "claude-workers why"
    return Lost(f"worker {row.address} is {row.state}: {row.reason}", f"{remedy} {row.address}")

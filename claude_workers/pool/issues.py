"""Giving issues out to idle workers, and taking them back."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from claude_workers.errors import Busy, NoCredentials, Unreachable, WorkerBusy, WorkersError
from claude_workers.forge.choose import forge_of
from claude_workers.home import parked, tasks
from claude_workers.home.home import every
from claude_workers.model import Assigned
from claude_workers.pool import preflight
from claude_workers.pool.dispatch import dispatch
from claude_workers.pool.preflight import Order

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from claude_workers.model import Claim
    from claude_workers.paths import Layout


def assign(
    layout: Layout, repo: str, issues: Sequence[int] = (), *, label: str | None = None, wishes: dict[str, Any]
) -> Iterator[Assigned]:
    """Give issues, or those waiting under a label, to the first idle workers; yield what became of each.

    Nobody is vouched for: an issue of a stranger is passed over. Ends when no worker is idle; Busy when
    none was to begin with. `wishes` are fields of `Order`.
    """
    idle = [home.worker for home in every(layout) if tasks.state(home).name == "idle"]
    if not idle:
        raise Busy("no worker is idle", "claude-workers init another, or watch")
    wanted = list(issues) or waiting(layout, repo, label or "")
    for number in wanted:
        made = _given(layout, idle, Order("", repo, number, **wishes))
        if made is None:
            return
        yield made


def waiting(layout: Layout, repo: str, label: str) -> list[int]:
    """Return the open issues with a label that nobody is at, oldest first."""
    return forge_of(layout, preflight.repository_of(layout, repo)).waiting(label)


def _given(layout: Layout, idle: list[str], order: Order) -> Assigned | None:
    """Dispatch one issue to the first worker that is still idle; None when there is none left."""
    number = int(order.issue or 0)
    while idle:
        worker = idle[0]
        try:
            task = dispatch(layout, dataclasses.replace(order, worker=worker)).task
        except WorkerBusy:
            idle.pop(0)  # somebody else was quicker to use this worker
            continue
        except (NoCredentials, Unreachable):
            raise  # the next issue would meet the same
        except WorkersError as error:
            return Assigned(number, code=error.code, reason=error.message)
        idle.pop(0)
        return Assigned(number, task.worker, task.task_id)
    return None


def release(layout: Layout, repo: str, number: int, *, force: bool) -> Claim | None:
    """Take an issue's claim and its workers' labels away; return the claim there was.

    Busy while a worker of this root is at it, or, without `force`, when another root holds it.
    """
    repository = preflight.repository_of(layout, repo)
    for home in every(layout):
        task = tasks.state(home).task
        if parked.has(home, repository.url, number):
            raise Busy(f"worker {home.worker} waits for an answer to it", f"answer it, or reset {home.worker}")
        if task and (task.repository.url, task.issue) == (repository.url, number):
            raise Busy(f"worker {home.worker} has a task for it", f"claude-workers stop or reset {home.worker} first")
    forge = forge_of(layout, repository)
    held = forge.holder(number)
    if held and not held.ours and not force:
        raise Busy(f"it is taken by worker {held.worker} on {held.host}", "release it there, or add --force")
    forge.free(number)
    return held

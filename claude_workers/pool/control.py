"""The verbs on a running or halted task: stop and restart."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from claude_workers import config, credentials, limits
from claude_workers.errors import NotFound, WorkerBusy, WorkersError
from claude_workers.home import presence, tasks
from claude_workers.home.home import every, find
from claude_workers.pool import floors, leave, preflight
from claude_workers.pool.dispatch import describe, wait
from claude_workers.pool.recover import resume

if TYPE_CHECKING:
    from claude_workers.model import Task
    from claude_workers.paths import Layout

_AT_ONCE = 16
_STOPPABLE = frozenset({"busy", "waiting", "crashed", "unknown"})


def stop(layout: Layout, worker: str) -> Task:
    """Stop a worker's task and see that its whole tree ended; the task can be restarted."""
    home = find(layout, worker)
    with presence.alone(home):
        return leave.stop(home)


def stop_all(layout: Layout) -> list[Task | WorkersError]:
    """Stop every task that runs, waits or has crashed, all at once; return each, or why it could not be."""
    chosen = [home.worker for home in every(layout) if tasks.state(home).name in _STOPPABLE]
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        return list(threads.map(lambda one: _stopped(layout, one), chosen))


def _stopped(layout: Layout, worker: str) -> Task | WorkersError:
    try:
        return stop(layout, worker)
    except WorkersError as error:
        return error


def restart(layout: Layout, worker: str) -> Task:
    """Continue a stopped, crashed or waiting task: same session, same branch, one attempt more.

    One that waits for a limit asks again at once, and so may all who pay with the same credential. Below a
    floor, or where a budget is used up, it waits.
    """
    preflight.check_outside_sandbox()
    home = find(layout, worker)
    with presence.alone(home):
        state = tasks.state(home)
        if state.task is None:
            if state.name == "unknown":
                raise WorkersError(f"worker {worker} is unknown: {state.reason}", f"look at {home.task_file}")
            raise NotFound(f"worker {worker} has no task", f"claude-workers dispatch {worker} REPO ISSUE")
        if state.name == "busy":
            raise WorkerBusy(
                f"worker {worker} is busy with {describe(state.task)}", f"claude-workers stop {worker} first"
            )
        if state.name == "unknown":
            raise WorkersError(f"worker {worker} is unknown: {state.reason}", "find out before it is run twice")
        if state.task.wait_for == "limit":
            pays = str(state.task.options.get("pays") or "")
            limits.lift(layout, worker, credentials.read_env(home.env_file), pays)
        settings = config.load(state.task.repository.name)
        short = floors.wait(home, settings, state.task.repository, str(state.task.options.get("pays") or ""))
        if short:
            leave.end_leftovers(home, state.task)
            return wait(home, state.task, short, spent=int(state.name != "waiting"))
        return resume(home, state.task, settings)

"""Leaving a task: stop it, start it again, or archive what will not go on, its work kept first."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from claude_workers import clock, files
from claude_workers.errors import NotFound, WorkersError
from claude_workers.home import archive, tasks
from claude_workers.process.identity import Identity, boot_id, probe, send
from claude_workers.process.tree import end_tree, wait_gone
from claude_workers.runner.finish import finish
from claude_workers.runner.rescue import rescue
from claude_workers.runner.run import Run

if TYPE_CHECKING:
    from claude_workers.home.home import Home
    from claude_workers.home.tasks import State
    from claude_workers.model import Receipt, Task

_GRACE = 30.0


def archive_left(home: Home, state: State) -> Receipt:
    """Archive a crashed or stopped task under that outcome, its work carried into our repository first.

    WorkersError when the work cannot be carried: then nothing is changed.
    """
    if state.task is None:
        raise NotFound(f"worker {home.worker} has no task", "claude-workers status")
    end_leftovers(home, state.task)
    run = Run(home, state.task)
    unsaved = rescue(run)
    if unsaved:
        raise WorkersError(
            f"the unfinished work of worker {home.worker} could not be rescued: {unsaved}",
            f"restart {home.worker}, or look at {run.clone} by hand",
        )
    outcome = "stopped" if state.name == "stopped" else "crashed"
    run.observe(outcome=outcome, reason=state.reason)
    return finish(run)


def end_leftovers(home: Home, task: Task) -> None:
    """End what a dead runner left alive: its agent, by full identity, and whoever carries the task's mark.

    A runner killed while bubblewrap was starting leaves that one behind: it had not yet asked the
    kernel to die with its parent.
    """
    seen = tasks.progress(home, task.task_id)
    agent = Identity(seen.agent_pid or 0, seen.agent_start or 0, task.boot_id or boot_id())
    end_tree(agent, marker=f"CLAUDE_WORKERS_TASK={task.task_id}")


def stop(home: Home) -> Task:
    """Stop a worker's task, seeing that its whole tree ended; the task stays, to be restarted.

    NotFound when the worker has none. A task that is not running is marked as stopped.
    """
    state = tasks.state(home)
    if state.task is None:
        remedy = "claude-workers status" if state.name == "idle" else f"look at {home.task_file}"
        raise NotFound(f"worker {home.worker} has nothing to stop ({state.reason or state.name})", remedy)
    if state.name == "unknown":
        raise WorkersError(f"worker {home.worker} is unknown: {state.reason}", "nothing was signalled")
    runner = tasks.runner_of(state.task)
    if state.name == "busy" and runner:
        _stop_runner(home, state.task, runner)
    after = tasks.load(home)
    if after is None:
        receipt = archive.receipt(home, state.task.task_id)
        raise NotFound(
            f"worker {home.worker} had finished ({receipt.outcome if receipt else 'ended'}) before it could be stopped",
            f"claude-workers status {home.worker}",
        )
    end_leftovers(home, after)
    if after.state == "stopped":
        return after
    unsaved = rescue(Run(home, after))
    reason = "stopped by a person" + (f"; the work could not be rescued: {unsaved}" if unsaved else "")
    return tasks.save(home, after, state="stopped", reason=reason, wait_for=None, wait_until=None)


def _stop_runner(home: Home, task: Task, runner: Identity) -> None:
    files.write_atomic(home.run(task.task_id) / tasks.STOP_FILE, clock.now())
    send(runner, signal.SIGTERM)
    if wait_gone([runner], _GRACE):
        left = end_tree(runner, grace=0.0, marker=f"CLAUDE_WORKERS_TASK={task.task_id}")
        if left:
            seen = probe(left[0]).evidence
            raise WorkersError(f"the stop could not be confirmed: {seen}", "look at it with ps, where it runs")

"""Status: one row a worker, from its task file, its runner's probe and what the runner observed."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

from claude_workers import clock, credentials
from claude_workers.errors import BadInput
from claude_workers.home import archive, parked, presence, tasks
from claude_workers.home.home import Home, every, find
from claude_workers.model import Todos, WorkerStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from claude_workers.paths import Layout

LOCAL = "local"


def status(layout: Layout, workers: Sequence[str] = ()) -> list[WorkerStatus]:
    """Return a row for each worker asked for, or for all; NotFound for one that does not exist."""
    homes = [find(layout, one) for one in workers] if workers else every(layout)
    return [row(home) for home in homes]


def row(home: Home) -> WorkerStatus:
    """Return one worker's row."""
    try:
        if os.lstat(home.path).st_uid != os.geteuid():
            return WorkerStatus(home.worker, LOCAL, "unknown", reason="its home belongs to another user")
        state = tasks.state(home)
    except OSError as error:
        return WorkerStatus(home.worker, LOCAL, "unknown", reason=f"its home cannot be read: {error.strerror}")
    if state.task is None:
        return _without_task(home, state)
    task, seen = state.task, tasks.progress(home, state.task.task_id)
    return WorkerStatus(
        worker=home.worker,
        host=LOCAL,
        state=state.name,
        phase=task.phase if state.name == "busy" else None,
        task_id=task.task_id,
        repo=task.repository.name,
        issue=task.issue,
        branch=task.branch,
        pid=task.pid,
        agent_pid=seen.agent_pid,
        started_at=task.started_at,
        elapsed_s=clock.seconds_since(task.dispatched_at),
        last_activity_at=seen.last_activity_at or None,
        activity=seen.activity or None,
        last_text=seen.last_text or None,
        todos=Todos(seen.todos_done, seen.todos_total),
        cost_usd=seen.cost_usd,
        tokens=seen.tokens,
        attempt=task.attempt,
        reason=_reason(state) or None,
        isolation=task.isolation,
        credentials=str(task.options.get("pays") or "") or None,
        forge_access=str(task.options.get("forge_access") or "") or None,
        blocked_hosts=seen.blocked_hosts,
        questions=parked.questions(home),
    )


def _reason(state: tasks.State) -> str:
    task = state.task
    if task and state.name == "waiting":
        until = f" until {task.wait_until}" if task.wait_until else ""
        return f"{task.wait_for}{until}: {state.reason}"
    return state.reason


def _without_task(home: Home, state: tasks.State) -> WorkerStatus:
    pays = None
    with contextlib.suppress(BadInput):
        values = credentials.read_env(home.env_file)
        both = values.get(credentials.API_KEY) and values.get(credentials.TOKEN)
        login = (home.path / credentials.LOGIN_FILE).is_file()
        pays = "undecided" if both else credentials.payer(values, login=login, auth=None) or None
    last: dict[str, Any] = archive.latest(home) or {}
    receipt = last.get("receipt") or {}
    return WorkerStatus(
        worker=home.worker,
        host=LOCAL,
        state=state.name,
        outcome=receipt.get("outcome") if state.name == "idle" else None,
        reason=presence.TOLD if presence.stands(home) else state.reason or receipt.get("reason") or None,
        credentials=pays,
        questions=parked.questions(home),
    )

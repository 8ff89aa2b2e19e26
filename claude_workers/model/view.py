"""The nouns people look at: a row of status, an event of a log."""

from __future__ import annotations

from dataclasses import dataclass, field

from claude_workers.model.record import Record


@dataclass(frozen=True)
class Todos(Record):
    """The agent's task list, counted."""

    done: int = 0
    total: int = 0


@dataclass(frozen=True)
class WorkerStatus(Record):
    """One row of `status`; ages are in seconds, times ISO 8601 UTC."""

    worker: str
    host: str
    state: str
    phase: str | None = None
    task_id: str | None = None
    repo: str | None = None
    issue: int | None = None
    branch: str | None = None
    pid: int | None = None
    agent_pid: int | None = None
    started_at: str | None = None
    elapsed_s: float | None = None
    last_activity_at: str | None = None
    activity: str | None = None
    last_text: str | None = None
    todos: Todos = field(default_factory=Todos)
    cost_usd: float | None = None
    tokens: int | None = None
    attempt: int | None = None
    outcome: str | None = None
    reason: str | None = None
    isolation: str | None = None
    credentials: str | None = None
    blocked_hosts: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class LogEvent(Record):
    """One event of a task's log; `cursor` is the place right after it."""

    cursor: str
    kind: str
    text: str
    at: str = ""
    raw: str = ""

"""The nouns people look at: a row of status, an event of a log."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from claude_workers.model.record import Json, Record, cut


@dataclass(frozen=True)
class Todo(Record):
    """One item of the agent's own task list; `status`: pending, in_progress or completed."""

    subject: str
    status: str


@dataclass(frozen=True)
class Todos(Record):
    """The agent's task list, counted."""

    done: int = 0
    total: int = 0

    @classmethod
    def of(cls, items: list[Todo]) -> Self:
        """Count a list."""
        return cls(sum(one.status == "completed" for one in items), len(items))


@dataclass(frozen=True)
class WorkerStatus(Record):
    """One row of `status`; ages are in seconds, times ISO 8601 UTC.

    `questions` are those of the worker's parked tasks, each with the place where it is answered.
    """

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
    forge_access: str | None = None
    blocked_hosts: list[str] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        """The worker as it is named here: its id alone on this machine, HOST/ID on another."""
        return self.worker if self.host == "local" else f"{self.host}/{self.worker}"

    def brief(self) -> Json:
        """Return what matters in few words, what is empty left out: eight rows stay below 2 KB."""
        names = ("worker", "state", "phase", "repo", "issue", "outcome")
        shown = {name: getattr(self, name) for name in names}
        shown |= {"worker": self.address}
        shown |= {"minutes": round(self.elapsed_s / 60) if self.elapsed_s is not None else None}
        shown |= {"todos": f"{self.todos.done}/{self.todos.total}" if self.todos.total else None}
        said = self.activity or self.last_text if self.state == "busy" else self.reason
        shown |= {"doing" if self.state == "busy" else "reason": cut(said or "", 70)}
        return {name: value for name, value in shown.items() if value not in {None, ""}}


@dataclass(frozen=True)
class LogEvent(Record):
    """One event of a task's log; `cursor` is the place right after it."""

    cursor: str
    kind: str
    text: str
    at: str = ""
    raw: str = ""


@dataclass(frozen=True)
class Message(Record):
    """What a person told a task's agent; `delivered_at` is when the agent said that it has it, "" until then."""

    id: str
    at: str
    text: str
    sender: str
    interrupt: bool = False
    delivered_at: str = ""


@dataclass(frozen=True)
class Event(Record):
    """One line of a worker's event log: when, of what kind, what it said, of which task, written by which pid."""

    at: str
    kind: str
    text: str
    task_id: str = ""
    pid: int = 0


@dataclass(frozen=True)
class Evidence(Record):
    """One thing looked at for a worker's state: what, when, what it said; `checked` False: nobody looked, and why."""

    what: str
    said: str
    at: str = ""
    checked: bool = True


@dataclass(frozen=True)
class Rescue(Record):
    """A task's work as our store keeps it: the branch's tip, and a commit with the working tree's state.

    `changed` counts the files that were not committed, `left_out` names those too large to be kept.
    """

    repo: str
    worker: str
    task_id: str
    branch: str
    at: str
    tip: str
    state: str
    commits: int = 0
    changed: int = 0
    left_out: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Recovered(Record):
    """What `recover` did about one thing, or why it could not.

    `did`: resumed, woken, answered, unanswered, released, cleared, waits, given-up or failed.
    """

    worker: str
    did: str
    said: str
    task_id: str = ""


@dataclass(frozen=True)
class Overlap(Record):
    """A file that several live branches of a repository touch: who merges last may have a conflict."""

    repo: str
    file: str
    branches: list[str]


@dataclass(frozen=True)
class Worked(Record):
    """What a loop did or saw.

    `did`: took, adopted, ended, waits (tried again), passed (over), or what `recover` did.
    """

    did: str
    worker: str
    said: str
    task_id: str = ""
    outcome: str = ""
    succeeded: bool | None = None


@dataclass(frozen=True)
class Orphan(Record):
    """An issue that a worker of this root holds without being at it.

    `state`: the worker is idle, crashed at it, elsewhere (at another issue) or gone.
    """

    repo: str
    issue: int
    worker: str
    state: str
    task_id: str
    since: str = ""


@dataclass(frozen=True)
class Fault(Record):
    """What could not be asked, beside what could: the place, an error's code and its text."""

    host: str
    code: str
    message: str


@dataclass(frozen=True)
class Assigned(Record):
    """What became of one issue that was to be given out: a worker and task, or why not."""

    issue: int
    worker: str | None = None
    task_id: str | None = None
    code: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Followed(Record):
    """What one look at a change under review led to.

    `state`: merged, closed, dispatched, busy (its worker is), pending (checks run), quiet (nothing to
    mend) or capped (its rounds are used up).
    """

    state: str
    number: int
    url: str
    worker: str
    round: int = 0
    task_id: str | None = None
    reason: str = ""

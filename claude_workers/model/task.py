"""The nouns of a task: where it works, the assignment, what was observed, how it ended."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Self

from claude_workers.model.record import Json, Record, cut

SCHEMA = 1


@dataclass(frozen=True)
class Repository(Record):
    """Where a task's code lives: `name` is owner/repo, or local/<basename> for a path."""

    name: str
    url: str
    path: str | None = None

    @property
    def owner(self) -> str:
        """The part before the slash."""
        return self.name.partition("/")[0]

    @property
    def short(self) -> str:
        """The part after the slash."""
        return self.name.partition("/")[2]


@dataclass(frozen=True)
class Task(Record):
    """One assignment; the content of `task.json` (schema 1) while it is current.

    `state` is what was last written; whether a busy task is really alive is told by probing
    `pid` + `pid_start` + `boot_id`. Times are ISO 8601 UTC. `extra` keeps keys of newer versions.
    """

    task_id: str
    worker: str
    repo: Json
    branch: str
    issue: int | None = None
    prompt: str = ""
    expect: str = "change"
    base: str | None = None
    model: str | None = None
    session_id: str = ""
    attempt: int = 1
    state: str = "busy"
    phase: str = "preparing"
    pid: int | None = None
    pid_start: int | None = None
    boot_id: str | None = None
    host: str = ""
    requested_by: str = ""
    dispatched_at: str = ""
    started_at: str | None = None
    updated_at: str = ""
    wait_for: str | None = None
    wait_until: str | None = None
    reason: str = ""
    isolation: str = "enclosure"
    options: Json = field(default_factory=dict)
    schema: int = SCHEMA
    extra: Json = field(default_factory=dict)

    @classmethod
    def from_json(cls, data: Json) -> Self:
        """Build the task, keeping keys this version does not know in `extra`."""
        names = {one.name for one in dataclasses.fields(cls)} - {"extra"}
        known = {key: value for key, value in data.items() if key in names}
        return cls(**known, extra={key: value for key, value in data.items() if key not in names})

    def to_json(self) -> Json:
        """Return the file's content, unknown keys beside the known ones."""
        data = super().to_json()
        extra = data.pop("extra")
        return {**extra, **data}

    @property
    def repository(self) -> Repository:
        """The repository as a record."""
        return Repository.from_json(self.repo)

    @property
    def cursor(self) -> str:
        """Where the task's log begins, as `logs --since` takes it."""
        return f"{self.task_id}:0"


@dataclass(frozen=True)
class Verification(Record):
    """What the gate said of one sha: `exit` is the command's, None when it never ran."""

    sha: str
    command: str
    exit: int | None
    passed: bool
    setup: str = ""
    output: str = ""


@dataclass(frozen=True)
class Progress(Record):
    """What the runner has observed of a task so far; kept beside its log, read by `status`."""

    task_id: str = ""
    base_branch: str = ""
    base: str = ""
    head: str = ""
    start: str = ""
    agent_pid: int | None = None
    agent_start: int | None = None
    turns: int = 0
    activity: str = ""
    last_activity_at: str = ""
    last_text: str = ""
    answer: str = ""
    todos_done: int = 0
    todos_total: int = 0
    cost_usd: float = 0.0
    tokens: int = 0
    usage: Json = field(default_factory=dict)
    worked_s: float = 0.0
    denials: list[str] = field(default_factory=list)
    blocked_hosts: list[str] = field(default_factory=list)
    verification: Json | None = None
    costed_tokens: int = 0
    booked_usd: float = 0.0
    booked_tokens: int = 0
    booked_s: float = 0.0
    tries: list[Json] = field(default_factory=list)
    rescued: str = ""
    reached: str = ""
    told: str = ""
    feedback: int = 0
    asked: list[str] = field(default_factory=list)
    asked_to_commit: bool = False
    touched: list[str] = field(default_factory=list)
    files_changed: list[str] = field(default_factory=list)
    gate_changes: list[str] = field(default_factory=list)
    untracked: list[str] = field(default_factory=list)
    pushed: list[str] = field(default_factory=list)
    published: str = ""
    published_base: str = ""
    pull_request: str = ""
    conflicts: int = 0
    merged: str = ""
    outcome: str = ""
    reason: str = ""
    unchecked: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Receipt(Record):
    """How a task ended and the observed facts that say so; the content of `receipt.json`.

    `verify` is None when no gate is configured: the outcome is then unverified. `cost_usd`,
    `usage` and `answer` are the agent's word. `unchecked` says what nobody looked at. `merged` is the commit
    of the change that was seen in its base, "" for none.
    """

    outcome: str
    reason: str
    task_id: str
    worker: str
    repo: str
    issue: int | None
    branch: str
    base: str
    head: str
    files_changed: list[str]
    verify: Json | None
    pull_request: str
    answer: str
    usage: Json
    cost_usd: float
    attempts: int
    duration_s: float
    denials: list[str]
    blocked_hosts: list[str]
    gate_changes: list[str]
    untracked: list[str]
    unchecked: list[str]
    notes: list[str]
    isolation: str
    finished_at: str
    merged: str = ""
    schema: int = SCHEMA

    @property
    def succeeded(self) -> bool:
        """Whether what was asked for was observed."""
        return self.outcome in {"pull_request", "answered"}

    def brief(self) -> Json:
        """Return what matters in few words, what is empty left out: eight stay below 2 KB."""
        shown = {name: getattr(self, name) for name in ("worker", "outcome", "pull_request", "branch", "issue")}
        shown |= {"reason": cut(self.reason, 60), "answer": cut(self.answer, 60) if self.outcome == "answered" else ""}
        if self.pull_request:
            shown["verified"] = self.verified
        return {name: value for name, value in shown.items() if value not in {None, ""}}

    @property
    def verified(self) -> bool:
        """Whether a gate was configured and passed for the published sha."""
        return bool(self.verify and self.verify.get("passed"))

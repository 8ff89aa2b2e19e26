"""The nouns of a forge: issues with their conversation, and changes on their way to review."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from claude_workers.model.record import Json, Record


@dataclass(frozen=True)
class Comment(Record):
    """One remark in an issue's conversation."""

    author: str
    body: str
    created_at: str


@dataclass(frozen=True)
class Issue(Record):
    """An issue as a forge tells it; `state` is open or closed.

    `left_out` counts the comments whose authors may not write to the repository: they are not here.
    """

    number: int
    title: str
    body: str = ""
    author: str = ""
    url: str = ""
    state: str = "open"
    labels: list[str] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    locked: bool = False
    left_out: int = 0

    @classmethod
    def from_json(cls, data: Json) -> Self:
        """Build the issue with its comments."""
        return super().from_json({**data, "comments": [Comment.from_json(one) for one in data.get("comments", [])]})


@dataclass(frozen=True)
class Change(Record):
    """A published branch on its way to review."""

    number: int
    issue: int | None
    repo: str
    branch: str
    base: str
    head: str
    task_id: str
    worker: str
    title: str
    body: str = ""
    draft: bool = False


@dataclass(frozen=True)
class Claim(Record):
    """Who has taken an issue: the worker of a root on a host, for a task; `ours`: of the root that asks."""

    repo: str
    issue: int
    worker: str
    task_id: str
    host: str = ""
    root: str = ""
    ours: bool = False
    since: str = ""
    ref: str = ""
    sha: str = ""


@dataclass(frozen=True)
class Remark(Record):
    """What a reviewer said of a change; `place` is file:line for a remark on a line."""

    key: str
    author: str
    body: str
    place: str = ""


@dataclass(frozen=True)
class Check(Record):
    """A check that failed on a change's head, with the end of what it printed."""

    key: str
    name: str
    conclusion: str
    summary: str = ""
    log: str = ""


@dataclass(frozen=True)
class Review(Record):
    """A change under review: `state` is open, merged or closed.

    `remarks` are those of people who may write; `pending` tells that checks still run on the head.
    """

    change: Change
    url: str
    state: str
    failing: list[Check] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)
    pending: bool = False


def says_taken(label: str) -> bool:
    """Tell whether an issue's label says that a worker is at it, or was: nobody takes it unasked."""
    return label in {"pull-request", "answered"} or label.startswith("worker:")

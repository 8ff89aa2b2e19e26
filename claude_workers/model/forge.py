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
    """An issue as a forge tells it; `state` is open or closed."""

    number: int
    title: str
    body: str = ""
    author: str = ""
    url: str = ""
    state: str = "open"
    labels: list[str] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)

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

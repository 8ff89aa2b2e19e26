"""The records: what the fake remembers of users, repositories, issues and what hangs on them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tests.github.pull_records import CheckRun, Pull, Status

Role = Literal["admin", "maintain", "write", "triage", "read"]
ROLES: tuple[Role, ...] = ("read", "triage", "write", "maintain", "admin")
TokenKind = Literal["classic", "fine", "app"]


@dataclass
class User:
    """An account; `kind` is User, Bot or Organization."""

    id: int
    login: str
    created_at: str
    kind: str = "User"


@dataclass
class Token:
    """A token: classic ones have scopes, the others permissions and, where given, repositories."""

    value: str
    login: str
    kind: TokenKind
    scopes: tuple[str, ...] = ()
    permissions: dict[str, str] = field(default_factory=dict)
    repositories: tuple[str, ...] | None = None
    revoked: bool = False


@dataclass
class Label:
    """A label of a repository."""

    id: int
    name: str
    color: str = "ededed"
    description: str | None = None


@dataclass
class Reaction:
    """One user's reaction."""

    id: int
    login: str
    content: str
    created_at: str


@dataclass
class Comment:
    """A comment under an issue or a pull request."""

    id: int
    number: int
    author: str
    body: str
    created_at: str
    updated_at: str
    reactions: list[Reaction] = field(default_factory=list)


@dataclass
class Event:
    """One line of an issue's history; `extra` are the keys of this kind of event."""

    id: int
    actor: str
    event: str
    created_at: str
    commit: str | None = None
    extra: dict[str, object] = field(default_factory=dict)


@dataclass
class Issue:
    """An issue, or with `pull` a pull request."""

    id: int
    number: int
    author: str
    title: str
    body: str | None
    created_at: str
    updated_at: str
    state: str = "open"
    state_reason: str | None = None
    closed_at: str | None = None
    closed_by: str | None = None
    locked: bool = False
    last_edited_at: str | None = None
    labels: list[Label] = field(default_factory=list)
    assignees: list[str] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    reactions: list[Reaction] = field(default_factory=list)
    pull: Pull | None = None


@dataclass
class Protection:
    """What a branch demands, by classic protection or by a ruleset."""

    ruleset: int | None = None
    checks: tuple[str, ...] = ()
    reviews: int = 1


@dataclass
class Repository:
    """A repository: its settings, its issues, and the bare git repository on disk."""

    id: int
    owner: str
    name: str
    bare: Path
    created_at: str
    private: bool = False
    archived: bool = False
    has_issues: bool = True
    drafts: bool = True
    refuse_namespace: bool = False
    slow_mergeable: bool = False
    default_branch: str = "main"
    description: str | None = None
    pushed_at: str = ""
    merge_methods: tuple[str, ...] = ("merge", "squash")
    former: list[str] = field(default_factory=list)
    roles: dict[str, Role] = field(default_factory=dict)
    labels: list[Label] = field(default_factory=list)
    issues: dict[int, Issue | None] = field(default_factory=dict)
    runs: list[CheckRun] = field(default_factory=list)
    statuses: list[Status] = field(default_factory=list)
    protected: dict[str, Protection] = field(default_factory=dict)
    seen: dict[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def full_name(self) -> str:
        """Owner and name."""
        return f"{self.owner}/{self.name}"

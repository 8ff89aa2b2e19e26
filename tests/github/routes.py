"""The routes: which function answers which operation, and who may ask for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.github.answers import Answer, Refused, not_found
from tests.github.pull_records import Pull
from tests.github.records import Issue, Repository, Role, Token
from tests.github.state import State

_REPOSITORY = "/repos/{owner}/{repo}"


@dataclass
class Request:
    """One request of a client, as an operation sees it."""

    state: State
    method: str
    path: str
    base: str
    query: Mapping[str, str]
    body: Any = None
    token: Token | None = None
    params: dict[str, str] = field(default_factory=dict)
    found: Repository | None = None

    @property
    def repository(self) -> Repository:
        """The repository that the path names."""
        if self.found is None:
            raise not_found()
        return self.found

    @property
    def login(self) -> str:
        """Who asks."""
        if self.token is None:
            raise Refused(401, "Requires authentication")
        return self.token.login

    @property
    def asker(self) -> str | None:
        """Who asks, None for someone without a token."""
        return self.token.login if self.token else None

    @property
    def number(self) -> int:
        """The issue or pull request that the path names."""
        return int(self.params.get("issue_number") or self.params["pull_number"])

    def may(self, least: Role) -> bool:
        """Tell whether the asker's role in the repository is at least this one."""
        return self.state.may(self.asker, self.repository, least)

    def issue(self) -> Issue:
        """Return the issue or pull request that the path names."""
        if self.number in self.repository.issues:
            found = self.repository.issues[self.number]
            if found is None:
                raise Refused(410, "This issue was deleted")
            if not found.pull and not self.repository.has_issues:
                raise Refused(410, "Issues are disabled for this repo")
            return found
        raise not_found()

    def pull(self) -> tuple[Issue, Pull]:
        """Return the pull request that the path names, as the issue and what it has besides."""
        found = self.repository.issues.get(self.number)
        if found is None or found.pull is None:
            raise not_found()
        return found, found.pull


@dataclass(frozen=True)
class Route:
    """One operation: its function, the rights of which a token needs one, and the role a user needs."""

    answer: Callable[[Request], Answer]
    rights: tuple[str, ...]
    role: Role
    repository: bool

    @property
    def writes(self) -> bool:
        """Whether it changes anything, which an archived repository does not allow."""
        return any(right.endswith("write") for right in self.rights)


ROUTES: dict[tuple[str, str], Route] = {}


def serve(
    operation: str, *rights: str, role: Role = "read"
) -> Callable[[Callable[[Request], Answer]], Callable[[Request], Answer]]:
    """Register a function for `METHOD /path`, below a repository, or with two slashes below the root."""
    method, _, path = operation.partition(" ")
    below = not path.startswith("//")

    def register(function: Callable[[Request], Answer]) -> Callable[[Request], Answer]:
        ROUTES[method, _REPOSITORY + path if below else path[1:]] = Route(function, rights, role, below)
        return function

    return register

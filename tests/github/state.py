"""The state: everything the fake remembers, under one lock."""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tests.github.clock import Clock
from tests.github.records import ROLES, Issue, Repository, Role, Token, User


@dataclass
class Budget:
    """What one account used of one kind of request, and when that is forgotten."""

    limit: int
    reset: int
    used: int = 0


class Call(NamedTuple):
    """One request that was made; its status is 0 where it was cut off before it took effect."""

    method: str
    path: str
    query: dict[str, str]
    status: int


class State:
    """Accounts, tokens and repositories, with the calls made and the contract's violations."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.lock = threading.RLock()
        self.clock = Clock()
        self.url = ""
        self.users: dict[str, User] = {}
        self.tokens: dict[str, Token] = {}
        self.repositories: list[Repository] = []
        self.calls: list[Call] = []
        self.git_calls: list[Call] = []
        self.violations: list[str] = []
        self.budgets: dict[tuple[str, str], Budget] = {}
        self._ids = itertools.count(1001)

    @property
    def api(self) -> str:
        """The base of the addresses in answers."""
        return f"{self.url}/api/v3"

    def id(self) -> int:
        """Return a number that was never used before, for any kind of thing."""
        return next(self._ids)

    def now(self) -> str:
        """Return the time as GitHub writes it."""
        return self.clock.now()

    def user(self, login: str) -> User | None:
        """Return an account by its name, in any case of letters."""
        return self.users.get(login.lower())

    def repository(self, full_name: str) -> Repository:
        """Return a repository that the test made."""
        found, _ = self.find(full_name)
        if found is None:
            raise AssertionError(f"the test made no repository {full_name}")
        return found

    def find(self, full_name: str) -> tuple[Repository | None, bool]:
        """Return a repository by its name or a former one, and whether it moved."""
        wanted = full_name.lower()
        for one in self.repositories:
            if one.full_name.lower() == wanted:
                return one, False
        for one in self.repositories:
            if wanted in (name.lower() for name in one.former):
                return one, True
        return None, False

    def role(self, login: str | None, repository: Repository) -> Role | None:
        """Return what a user may do in a repository, None where it is hidden from them."""
        if login is not None and login.lower() == repository.owner.lower():
            return "admin"
        given = repository.roles.get((login or "").lower())
        return given or (None if repository.private else "read")

    def may(self, login: str | None, repository: Repository, least: Role) -> bool:
        """Tell whether a user's role is at least this one."""
        role = self.role(login, repository)
        return role is not None and ROLES.index(role) >= ROLES.index(least)

    def issue(self, repository: Repository, number: int) -> Issue:
        """Return an issue or pull request that the test made."""
        found = repository.issues.get(number)
        if found is None:
            raise AssertionError(f"{repository.full_name} has no issue {number}")
        return found

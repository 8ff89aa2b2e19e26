"""Places: the accounts, tokens and repositories that a test sets up by hand."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from tests.github import bare, limits, pulls
from tests.github.records import Protection, Repository, Role, Token, TokenKind, User
from tests.github.state import State

PERMISSIONS = {
    "metadata": "read", "contents": "write", "issues": "write", "pull_requests": "write", "checks": "read",
    "statuses": "read", "actions": "read",
}  # fmt: skip
_PREFIXES = {"classic": "ghp_", "fine": "github_pat_", "app": "ghs_"}


class Places:
    """The settings pages; every method takes effect at once."""

    def __init__(self, state: State) -> None:
        self.state = state

    def add_user(self, login: str, kind: str = "User") -> User:
        """Make an account: a User, a Bot or an Organization."""
        with self.state.lock:
            made = User(self.state.id(), login, self.state.now(), kind)
            self.state.users[login.lower()] = made
            return made

    def remove_user(self, login: str) -> None:
        """Remove an account; what it wrote stays, by nobody."""
        with self.state.lock:
            del self.state.users[login.lower()]

    def add_repository(self, full_name: str, files: Mapping[str, str] | None = None, **settings: Any) -> Repository:
        """Make a repository, its owner where there is none, and a first commit of these files.

        Settings are the fields of `Repository`: private, archived, has_issues, drafts, refuse_namespace,
        slow_mergeable, default_branch, description, merge_methods.
        """
        owner, _, name = full_name.partition("/")
        with self.state.lock:
            if self.state.user(owner) is None:
                self.add_user(owner)
            number, now = self.state.id(), self.state.now()
            path = self.state.root / f"{number}.git"
            made = Repository(number, owner, name, path, now, pushed_at=now, **settings)
            bare.create(path, made.default_branch, owner, {"README.md": f"# {name}\n"} if files is None else files)
            if made.refuse_namespace:
                (path / "refuse-namespace").touch()
            self.state.repositories.append(made)
            pulls.refresh(self.state, made)
            return made

    def repository(self, full_name: str) -> Repository:
        """Return the record of a repository, whose settings a test may change."""
        return self.state.repository(full_name)

    def rename(self, full_name: str, name: str) -> None:
        """Rename a repository; the old name leads to it from now on."""
        with self.state.lock:
            one = self.state.repository(full_name)
            one.former.append(one.full_name)
            one.name = name

    def set_permission(self, full_name: str, login: str, role: Role | None) -> None:
        """Give a user a role in a repository, or take it away."""
        with self.state.lock:
            roles = self.state.repository(full_name).roles
            roles.pop(login.lower(), None)
            if role is not None:
                roles[login.lower()] = role

    def token(
        self, login: str, kind: TokenKind = "fine", permissions: Mapping[str, str] | None = None, **more: Any
    ) -> str:
        """Make a token and return it.

        A classic one has `scopes` (repo where none are given). The others have permissions, by default
        those of a worker, and may be narrowed to `repositories`.
        """
        scopes: Sequence[str] = more.pop("scopes", ("repo",)) if kind == "classic" else ()
        with self.state.lock:
            value = f"{_PREFIXES[kind]}{secrets.token_hex(18)}"
            given = dict(PERMISSIONS if permissions is None else permissions)
            self.state.tokens[value] = Token(value, login, kind, tuple(scopes), given, **more)
            return value

    def revoke(self, token: str) -> None:
        """Take a token back."""
        with self.state.lock:
            self.state.tokens[token].revoked = True

    def protect(
        self, full_name: str, branch: str, checks: Sequence[str] = (), *, reviews: int = 1, ruleset: bool = False
    ) -> None:
        """Let a branch be changed by pull requests alone, by classic protection or by a ruleset."""
        with self.state.lock:
            one = self.state.repository(full_name)
            one.protected[branch] = Protection(self.state.id() if ruleset else None, tuple(checks), reviews)
            lines = "".join(f"refs/heads/{name}\n" for name in one.protected)
            (one.bare / "protected").write_text(lines, encoding="utf-8")

    def commit(self, full_name: str, branch: str, files: Mapping[str, str | None], message: str = "Change") -> str:
        """Commit to a branch as the owner, made from the default branch where it is new; None removes a file."""
        with self.state.lock:
            one = self.state.repository(full_name)
            made = bare.commit(one.bare, branch, files, message, one.owner)
            one.pushed_at = self.state.now()
            pulls.refresh(self.state, one, one.owner)
            return made

    def delete_branch(self, full_name: str, branch: str) -> None:
        """Remove a branch."""
        with self.state.lock:
            one = self.state.repository(full_name)
            bare.git(one.bare, "update-ref", "-d", f"refs/heads/{branch}")
            pulls.refresh(self.state, one, one.owner)

    def refs(self, full_name: str, prefix: str = "refs/") -> dict[str, str]:
        """Return the refs of the bare repository whose names begin so, with what they point at."""
        return {name: sha for name, (_, sha) in bare.refs(self.state.repository(full_name).bare, prefix).items()}

    def limit(self, login: str | None, *, remaining: int, kind: str = "core") -> None:
        """Leave an account so many requests until its hour is over."""
        with self.state.lock:
            found = limits.budget(self.state, login, kind)
            found.used = found.limit - remaining

"""Sources: where a loop of workers takes its next issues from, in the order to take them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from claude_workers.errors import BadInput
from claude_workers.forge.choose import forge_of
from claude_workers.names import is_path
from claude_workers.pool import preflight
from claude_workers.tickets.tickets import Tickets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from claude_workers.forge.seam import Forge
    from claude_workers.paths import Layout

_ASK_EVERY = 30.0


class Source(Protocol):
    """Where issues come from."""

    def waiting(self) -> Sequence[tuple[str, int]]:
        """Return what may be taken, as REPO and number; WorkersError when that cannot be said."""

    def forget(self) -> None:
        """Look again the next time, whatever was seen last."""

    def repositories(self) -> Sequence[str]:
        """Return the repositories, as REPO, that proposals may be made for."""


class Desk:
    """The tickets of this root, of all repositories or of one."""

    def __init__(self, layout: Layout, repo: str | None, label: str | None) -> None:
        self._layout = layout
        self._tickets = Tickets(layout.tickets)
        self._repo = preflight.repository_of(layout, repo).url if repo else None
        self._label = label

    def waiting(self) -> Sequence[tuple[str, int]]:
        """Return the tickets that may be claimed, the most urgent and oldest first."""
        return self._tickets.claimable(self._repo, self._label) if self._layout.tickets.exists() else []

    def forget(self) -> None:
        """Do nothing: each look is a new one."""

    def repositories(self) -> Sequence[str]:
        """Return the repository that was named, else all that have tickets."""
        if self._repo:
            return [self._repo]
        return self._tickets.repositories() if self._layout.tickets.exists() else []


class Labelled:
    """The issues of a forge with a label; asked twice a minute, and whether anything has changed since."""

    def __init__(self, layout: Layout, repo: str, label: str) -> None:
        self._layout = layout
        self._repository = preflight.repository_of(layout, repo)
        self._repo = repo
        self._label = label
        self._forge: Forge | None = None
        self._next = 0.0
        self._found: list[int] = []

    def waiting(self) -> Sequence[tuple[str, int]]:
        """Return the open issues that nobody has taken, oldest first, as they were seen last."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _ASK_EVERY
            forge = self._forge or forge_of(self._layout, self._repository)
            self._forge = None  # what failed is made anew: its token may have ended
            self._found = forge.waiting(self._label)
            self._forge = forge
        return [(self._repo, one) for one in self._found]

    def forget(self) -> None:
        """Ask again the next time: an issue was taken, or a worker is idle who was not."""
        self._next = 0.0

    def repositories(self) -> Sequence[str]:
        """Return none: what is proposed is a ticket, and the issues of these live elsewhere."""
        return []


def sources(layout: Layout, repos: Sequence[str], label: str | None) -> list[Source]:
    """Return where a loop takes issues from: the tickets of all repositories where none is named."""
    if not repos:
        return [Desk(layout, None, label)]
    found: list[Source] = []
    for repo in repos:
        if is_path(repo):
            found.append(Desk(layout, repo, label))
        elif label:
            found.append(Labelled(layout, repo, label))
        else:
            raise BadInput(f"which issues of {repo} may be taken is not said", "add --label, such as --label ready")
    return found

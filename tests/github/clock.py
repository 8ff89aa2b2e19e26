"""The clock: the fake's time of day, which a test may freeze and push on."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import formatdate


class Clock:
    """The machine's clock with an offset, or a moment that stands still."""

    def __init__(self) -> None:
        self._offset = 0.0
        self._frozen: float | None = None

    def seconds(self) -> float:
        """Return seconds since the epoch."""
        return (time.time() if self._frozen is None else self._frozen) + self._offset

    def freeze(self) -> None:
        """Let the time stand still until it is advanced."""
        self._frozen, self._offset = self.seconds(), 0.0

    def advance(self, seconds: float) -> None:
        """Push the time on."""
        self._offset += seconds

    def now(self) -> str:
        """Return the time as GitHub writes it: whole seconds, in UTC."""
        return datetime.fromtimestamp(int(self.seconds()), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def date(self) -> str:
        """Return the time as HTTP writes it."""
        return formatdate(self.seconds(), usegmt=True)


def since(text: str, query: Mapping[str, str]) -> bool:
    """Tell whether a time is at or after the one that a query asks for."""
    wanted = query.get("since")
    return wanted is None or datetime.fromisoformat(text) >= datetime.fromisoformat(wanted)

"""The faults: what goes wrong on purpose, in the order in which a test asked for it."""

from __future__ import annotations

import fnmatch
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

How = Literal["500", "502", "reset", "lost", "truncated", "hang", "primary", "secondary", "secondary-429"]
Match = str | Callable[[str, str], bool]
PAGE = b"<!DOCTYPE html><html><head><title>Unicorn!</title></head><body><h1>This page is taking too long.</h1></body>"


@dataclass
class Fault:
    """What goes wrong with the next requests that match."""

    match: Match
    how: How
    times: int = 1
    retry_after: int = 1

    def fits(self, method: str, path: str) -> bool:
        """Tell whether it is meant for a request."""
        if isinstance(self.match, str):
            return fnmatch.fnmatchcase(f"{method} {path}", self.match)
        return self.match(method, path)


class Faults:
    """The faults that are still to come."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Add one behind the others."""
        with self._lock:
            self._waiting.append(fault)

    def take(self, method: str, path: str) -> Fault | None:
        """Return the first fault meant for a request, and count it."""
        with self._lock:
            for one in self._waiting:
                if one.fits(method, path):
                    one.times -= 1
                    self._waiting = [left for left in self._waiting if left.times > 0]
                    return one
        return None

    def clear(self) -> None:
        """Forget those that did not come."""
        with self._lock:
            self._waiting = []

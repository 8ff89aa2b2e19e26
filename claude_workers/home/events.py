"""A worker's event log: a line for everything that changed its state, only ever appended to."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from claude_workers import clock, files
from claude_workers.model import Event
from claude_workers.text import one_line

if TYPE_CHECKING:
    from claude_workers.home.home import Home

_SHOWN = 500
_READ = 1 << 20


def append(home: Home, kind: str, text: str, task_id: str = "") -> bool:
    """Add a line, whole, whoever else writes; return whether it could be done.

    The log is evidence and not state: what happened has happened, also when the disk is too full to tell.
    """
    event = Event(clock.now(), kind, one_line(text, _SHOWN), task_id, os.getpid())
    try:
        files.append_line(home.events, json.dumps(event.to_json(), ensure_ascii=False))
    except OSError:
        return False
    return True


def read(home: Home, last: int | None = None) -> list[Event]:
    """Return the log's events, oldest first, or only the `last` ones; a line that a crash cut is left out."""
    try:
        with open(home.events, "rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(0 if last is None else max(0, size - _READ))
            lines = stream.read().splitlines()
    except FileNotFoundError:
        return []
    found = [event for line in lines if (event := _parsed(line))]
    return found if last is None else found[max(0, len(found) - last) :]


def _parsed(line: bytes) -> Event | None:
    try:
        return Event.from_json(json.loads(line))
    except (ValueError, TypeError, AttributeError):
        return None

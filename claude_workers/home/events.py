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
    line = json.dumps(event.to_json(), ensure_ascii=False) + "\n"
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        handle = os.open(home.events, flags, files.PRIVATE_FILE)
        try:
            if _cut(handle):
                line = "\n" + line
            # One write of a line: those of several processes do not mix.
            written = os.write(handle, line.encode("utf-8", "replace"))
            os.fsync(handle)
            return written > 0
        finally:
            os.close(handle)
    except OSError:
        return False


def _cut(handle: int) -> bool:
    """Tell whether the log's last line was cut off by a crash: what follows would be lost with it.

    Another's line that is half written looks the same: it costs an empty line, which readers pass over.
    """
    size = os.fstat(handle).st_size
    return size > 0 and os.pread(handle, 1, size - 1) != b"\n"


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

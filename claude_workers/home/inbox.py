"""The inbox: what people told a task's agent, in order, each marked once the agent says that it has it."""

from __future__ import annotations

import dataclasses
import getpass
import json
import uuid
from typing import TYPE_CHECKING

from claude_workers import clock, files
from claude_workers.errors import NotFound
from claude_workers.lock import locked
from claude_workers.model import Message

if TYPE_CHECKING:
    import contextlib
    from pathlib import Path

    from claude_workers.home.home import Home

_LOCK_WAIT = 10.0
_MARKS = ("delivered", "closed")


def path(home: Home, task_id: str) -> Path:
    """Return where a task's messages are kept: a line for each message, and for each mark."""
    return home.run(task_id) / "inbox.jsonl"


def put(home: Home, task_id: str, text: str, *, interrupt: bool = False) -> Message:
    """Add a message, lasting; NotFound when the task has come to its end meanwhile."""
    message = Message(str(uuid.uuid4()), clock.now(), text, getpass.getuser(), interrupt)
    with _held(home):
        if _read(home, task_id)[1]:
            raise NotFound(f"the task of worker {home.worker} has just ended", f"claude-workers show {home.worker}")
        _append(home, task_id, message.to_json())
    return message


def messages(home: Home, task_id: str) -> list[Message]:
    """Return every message, oldest first."""
    return _read(home, task_id)[0]


def waiting(home: Home, task_id: str) -> list[Message]:
    """Return the messages that the agent does not have yet."""
    return [one for one in messages(home, task_id) if not one.delivered_at]


def deliver(home: Home, task_id: str, message_id: str) -> None:
    """Mark a message as one that the agent has."""
    with _held(home):
        _append(home, task_id, {"delivered": message_id, "at": clock.now()})


def close(home: Home, task_id: str) -> list[Message]:
    """Take no further messages, as the task ends; return those that the agent never got."""
    if not path(home, task_id).parent.is_dir():
        return []
    with _held(home):
        found, closed = _read(home, task_id)
        if not closed:
            _append(home, task_id, {"closed": True, "at": clock.now()})
    return [one for one in found if not one.delivered_at]


def _held(home: Home) -> contextlib.AbstractContextManager[None]:
    return locked(home.layout.locks / f"inbox-{home.worker}", _LOCK_WAIT, f"the inbox of {home.worker} is in use")


def _append(home: Home, task_id: str, line: dict[str, object]) -> None:
    place = path(home, task_id)
    try:
        files.append_line(place, json.dumps(line, ensure_ascii=False))
    except OSError as error:
        raise files.cannot_write(place, error) from error


def _read(home: Home, task_id: str) -> tuple[list[Message], bool]:
    """Return the messages, each with its mark, and whether the inbox is closed."""
    text = files.read_inside(home.path, str(path(home, task_id).relative_to(home.path))) or ""
    found: dict[str, Message] = {}
    closed = False
    for line in text.split("\n"):  # a message may hold what else ends a line to Python
        try:
            data = json.loads(line)
            if not any(mark in data for mark in _MARKS):
                message = Message.believed(data)
                found[message.id] = message
            elif data.get("delivered") in found:
                one = found[data["delivered"]]
                found[one.id] = dataclasses.replace(one, delivered_at=str(data.get("at")))
            closed = closed or "closed" in data
        except (ValueError, TypeError, AttributeError):
            continue  # a line that a crash cut: nobody was told that it was taken
    return list(found.values()), closed

"""What Claude Code keeps on disk of a session: its transcript and its task list."""

from __future__ import annotations

import contextlib
import json
import os
import re
from typing import TYPE_CHECKING

from claude_workers import files
from claude_workers.model import Todo
from claude_workers.text import one_line

if TYPE_CHECKING:
    from pathlib import Path

_SMALL = 1 << 20
_MOST = 500
_STATES = ("pending", "in_progress", "completed")
_TASK = re.compile(r"[0-9]{1,9}\.json")


def path(claude: Path, cwd: Path, session_id: str) -> Path:
    """Return where a session's transcript stands: every non-alphanumeric of the cwd becomes a dash."""
    slug = re.sub(r"[^A-Za-z0-9]", "-", str(cwd))
    return claude / "projects" / slug / f"{session_id}.jsonl"


def exists(claude: Path, cwd: Path, session_id: str) -> bool:
    """Tell whether a session can be resumed."""
    found = path(claude, cwd, session_id)
    return found.is_file() and not found.is_symlink()


def mend(claude: Path, cwd: Path, session_id: str) -> None:
    """Cut a transcript back to its last whole line; one without any is removed, and the session begins anew.

    Claude Code leaves the writing to the kernel: when a machine loses its power the end is missing,
    or zeros. What it could not resume it would also refuse to begin again under the same id.
    """
    found = path(claude, cwd, session_id)
    try:
        handle = os.open(found, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return  # there is none, or it is no file: then nothing is resumed
    with os.fdopen(handle, "r+b") as stream:
        lines = stream.readlines()
        whole = len(lines)
        while whole and not _is_whole(lines[whole - 1]):
            whole -= 1
        if 0 < whole < len(lines):
            stream.truncate(sum(map(len, lines[:whole])))
    if not whole:
        found.unlink()


def _is_whole(line: bytes) -> bool:
    try:
        return line.endswith(b"\n") and isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def persist(claude: Path, cwd: Path, session_id: str) -> None:
    """Bring a transcript onto the disk."""
    with contextlib.suppress(OSError):
        handle = os.open(path(claude, cwd, session_id), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            files.to_disk(handle)
        finally:
            os.close(handle)


def todos(claude: Path, list_id: str, session_id: str) -> list[Todo]:
    """Return the task list an agent keeps on disk, deleted ones left out; what cannot be read does not count.

    Claude Code 2.1 keeps a file for each task, 2.0 one for the whole list of a session.
    """
    folder = claude / "tasks" / list_id
    listed = os.listdir(folder) if folder.is_dir() and not folder.is_symlink() else []
    names = sorted((one for one in listed if _TASK.fullmatch(one)), key=lambda one: int(one[:-5]))
    kept = todo_list([_loaded(claude, f"tasks/{list_id}/{name}") for name in names[:_MOST]], "subject")
    return kept or todo_list(_loaded(claude, f"todos/{session_id}-agent-{session_id}.json"), "content")


def _loaded(claude: Path, name: str) -> object:
    try:
        return json.loads(files.read_inside(claude, name, _SMALL) or "null")
    except (ValueError, RecursionError, OSError):
        return None


def todo_list(given: object, name: str) -> list[Todo]:
    """Return the items of a list whose texts stand under a name; what is none left out."""
    items = given[:_MOST] if isinstance(given, list) else []
    known = [one for one in items if isinstance(one, dict) and one.get("status") in _STATES]
    return [Todo(one_line(str(one.get(name) or "")), str(one["status"])) for one in known]

"""What Claude Code keeps on disk of a session: its transcript and its task list."""

from __future__ import annotations

import contextlib
import json
import os
import re
from typing import TYPE_CHECKING

from claude_workers import files
from claude_workers.model import Todos

if TYPE_CHECKING:
    from pathlib import Path

_SMALL = 1 << 20
_MOST = 500


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
            os.fsync(handle)
        finally:
            os.close(handle)


def todos(claude: Path, list_id: str) -> Todos:
    """Count the task list an agent keeps, deleted ones left out; what cannot be read does not count."""
    folder = claude / "tasks" / list_id
    if folder.is_symlink() or not folder.is_dir():
        return Todos()
    states = []
    for name in sorted(os.listdir(folder))[:_MOST]:
        if not name.endswith(".json") or name.startswith("."):
            continue
        try:
            data = json.loads(files.read_inside(claude, f"tasks/{list_id}/{name}", _SMALL) or "{}")
        except (ValueError, RecursionError):
            continue
        if isinstance(data, dict):
            states.append(data.get("status"))
    return Todos(states.count("completed"), len([one for one in states if isinstance(one, str) and one in _COUNTED]))


_COUNTED = frozenset({"pending", "in_progress", "completed"})

"""What Claude Code keeps on disk of a session: its transcript and its task list."""

from __future__ import annotations

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

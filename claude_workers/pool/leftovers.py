"""Leftovers: temporary files of dead runs, which nobody will use again."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from claude_workers import files
from claude_workers.home import tasks
from claude_workers.model import Recovered

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from claude_workers.home.home import Home

# How `files.write_atomic` names what it has not yet put into its place.
_UNFINISHED = re.compile(r"\.[\w.-]+\.json\.[a-z0-9_]{8}")


def clear(home: Home) -> Iterator[Recovered]:
    """Delete what dead runs of a worker left; the caller holds its lock. Nothing while a runner lives."""
    state = tasks.state(home)
    if state.name in {"busy", "unknown"}:
        return
    found = list(_found(home))
    for path in found:
        files.remove_tree(path)
    if found:
        names = ", ".join(sorted({str(path.relative_to(home.path)) for path in found})[:5])
        yield Recovered(home.worker, "cleared", f"{len(found)} leftovers of dead runs: {names}")


def _found(home: Home) -> Iterator[Path]:
    yield from home.path.glob("runs/*/checkout")
    yield from home.path.glob("github/*/*.making")
    yield from (one for one in home.path.glob("runs/*") if _never_begun(home, one))
    if home.forge.exists():
        yield home.forge  # an agent's own token, which its runner could not take away any more
    for folder in (home.path, home.completed, *home.path.glob("runs/*")):
        if folder.is_dir() and not folder.is_symlink():
            yield from (one for one in folder.iterdir() if _UNFINISHED.fullmatch(one.name))


def _never_begun(home: Home, folder: Path) -> bool:
    """Tell whether a task's records were written by a dispatch that died before it had claimed the worker."""
    state = tasks.state(home)
    current = state.task.task_id if state.task else ""
    begun = any((folder / name).exists() for name in ("runner.log", "stream.jsonl", "progress.json", "receipt.json"))
    return folder.is_dir() and not begun and folder.name != current

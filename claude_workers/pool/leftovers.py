"""Leftovers: temporary files of dead runs, which nobody will use again."""

from __future__ import annotations

import os
import re
import stat
import time
from typing import TYPE_CHECKING

from claude_workers import files
from claude_workers.home import tasks
from claude_workers.home.provision import UNMADE
from claude_workers.home.templates import WORKER_FILES
from claude_workers.model import Recovered
from claude_workers.runner.run import MADE_FOR

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from claude_workers.home.home import Home
    from claude_workers.paths import Layout

# How `files.write_atomic` names what it has not yet put into its place.
_UNFINISHED = re.compile(r"\.(.+)\.[a-z0-9_]{8}")
_MAKING = 600.0  # making a home takes no second
# What is so written among an agent's own files, which may have such names, too.
_OURS = (*WORKER_FILES, ".env", "task.json", MADE_FOR)


def clear(home: Home) -> Iterator[Recovered]:
    """Delete what dead runs of a worker left; the caller holds its lock. Nothing while a runner lives."""
    state = tasks.state(home)
    if state.name in {"busy", "unknown"}:
        return
    current = state.task.task_id if state.task else ""
    found = list(_found(home, current))
    for path in found:
        files.remove_tree(path)
    if found:
        names = ", ".join(sorted({str(path.relative_to(home.path)) for path in found})[:5])
        yield Recovered(home.worker, "cleared", f"{len(found)} leftovers of dead runs: {names}")


def clear_unmade(layout: Layout) -> Iterator[Recovered]:
    """Delete what an init that was killed left of a home: it may hold credentials."""
    for path in layout.root.glob(f"{UNMADE}*"):
        status = path.lstat()
        if stat.S_ISDIR(status.st_mode) and time.time() - status.st_mtime > _MAKING:
            files.remove_tree(path)
            yield Recovered("", "cleared", f"half a home: {path.name}")


def _found(home: Home, current: str) -> Iterator[Path]:
    for run in _folders(home.path / "runs"):
        if run.name != current and not _begun(run):
            yield run
        else:
            yield from (one for one in _folders(run) if one.name == "checkout")
            yield from _unfinished(run)
    for owner in _folders(home.path / "github"):
        yield from (one for one in _folders(owner) if one.suffix == ".making")
    if os.path.lexists(home.forge):
        yield home.forge  # an agent's own token, which its runner could not take away any more
    yield from _unfinished(home.completed)
    for path in map(home.path.joinpath, _OURS):
        yield from (one for one in _unfinished(path.parent) if one.name.startswith(f".{path.name}."))


def _begun(run: Path) -> bool:
    """Tell whether a task's records are of more than a dispatch that died before it had claimed the worker."""
    return any((run / name).exists() for name in ("runner.log", "stream.jsonl", "progress.json", "receipt.json"))


def _unfinished(folder: Path) -> Iterator[Path]:
    if folder.is_dir() and not folder.is_symlink():
        yield from (one for one in folder.iterdir() if _UNFINISHED.fullmatch(one.name) and not one.is_dir())


def _folders(parent: Path) -> Iterator[Path]:
    """Yield the folders below one, links left out: an agent may have made them lead anywhere."""
    if parent.is_dir() and not parent.is_symlink():
        yield from (one for one in parent.iterdir() if one.is_dir() and not one.is_symlink())

"""Updating: the tool upgraded the way it was installed, while no runner needs it, and every home rendered again."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from claude_workers.errors import Busy, WorkersError
from claude_workers.home import tasks
from claude_workers.home.home import every
from claude_workers.model import Record
from claude_workers.pool import pause

if TYPE_CHECKING:
    from claude_workers.paths import Layout

_NAME = "claude-workers"
_LIMIT = 900.0


@dataclass(frozen=True)
class Way(Record):
    """How the tool was installed, in words, and the commands that bring it up to date."""

    how: str
    commands: list[list[str]]


@dataclass(frozen=True)
class Updated(Record):
    """What became of an update: the versions, and by worker what its refresh changed or why it failed."""

    way: Way
    before: str
    after: str
    refreshed: dict[str, str]


def way(prefix: Path = Path(sys.prefix), source: str | None = None) -> Way:
    """Return how the tool was installed: by its environment's place, and by what pip noted of its source."""
    noted = json.loads(source if source is not None else _noted() or "{}")
    parts, url = prefix.parts, str(noted.get("url") or "")
    if noted.get("dir_info", {}).get("editable"):
        folder = url.removeprefix("file://")
        pull = ["git", "-C", folder, "pull", "--ff-only"]
        return Way("checkout", [pull, [sys.executable, "-m", "pip", "install", "--quiet", "-e", folder]])
    if "uv" in parts and "tools" in parts:
        return Way("uv tool", [["uv", "tool", "upgrade", _NAME]])
    if "pipx" in parts and "venvs" in parts:
        return Way("pipx", [["pipx", "upgrade", _NAME]])
    wanted = f"git+{url}" if "vcs_info" in noted else url.removeprefix("file://") or _NAME
    again = ["--force-reinstall", "--no-deps"] if url else []
    return Way("pip", [[sys.executable, "-m", "pip", "install", "--quiet", "--upgrade", *again, wanted]])


def _noted() -> str | None:
    """Return what pip noted of where the tool came from (PEP 610); None for a package of an index."""
    return metadata.distribution(_NAME).read_text("direct_url.json")


def update(layout: Layout) -> Updated:
    """Upgrade and render every home again; Busy while a runner lives: it would load half of each version.

    Nothing is dispatched meanwhile. WorkersError when a command fails; the homes are left as they are then.
    """
    chosen, before = way(), metadata.version(_NAME)
    paused = pause.standing(layout) is not None
    if not paused:
        pause.pause(layout, "update")
    try:
        busy = [home.worker for home in every(layout) if tasks.state(home).name in {"busy", "unknown"}]
        if busy:
            raise Busy(
                f"runners live, of {', '.join(busy)}: the new version would come under their feet",
                "claude-workers pause, then watch them to their ends, and ask again",
            )
        for command in chosen.commands:
            _run(command)
        refreshed = {home.worker: _refreshed(layout, home.worker) for home in every(layout)}
    finally:
        if not paused:
            pause.resume(layout)
    return Updated(chosen, before, _version(), refreshed)


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_LIMIT)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise WorkersError(f"{command[0]} could not be run: {error}", f"run it by hand: {' '.join(command)}") from error
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]
        raise WorkersError(f"{command[0]}: {said}", f"run it by hand: {' '.join(command)}")


def _refreshed(layout: Layout, worker: str) -> str:
    """Render a home by the new version, which is another process's: this one has loaded the old."""
    argv = [sys.executable, "-P", "-m", "claude_workers", "--root", str(layout.root), "refresh", worker, "--json"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=_LIMIT)
    try:
        told = json.loads(done.stdout.splitlines()[-1])
        return ", ".join(told["changed"]) if done.returncode == 0 else f"failed: {told['error']['message']}"
    except (ValueError, IndexError, KeyError, TypeError):
        return f"failed: exit {done.returncode}"


def _version() -> str:
    argv = [sys.executable, "-P", "-c", "from importlib import metadata; print(metadata.version('claude-workers'))"]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60).stdout.strip()

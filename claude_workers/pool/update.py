"""Updating: the tool upgraded the way it was installed, while no runner needs it, and every home rendered again."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from claude_workers.errors import Busy, Refused, WorkersError
from claude_workers.home import presence, tasks
from claude_workers.home.home import every
from claude_workers.lock import locked
from claude_workers.model import Record

if TYPE_CHECKING:
    from claude_workers.model import Json
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


def way(prefix: Path | None = None, noted: Json | None = None, installer: str | None = None) -> Way:
    """Return how the tool was installed, and what brings it up to date.

    Told by what uv, pipx and `host setup` leave in the environments they make, and what is noted of every
    package: its source (PEP 610) and its installer (PEP 376). Of what another machine brought, no command does.
    """
    prefix = prefix or Path(sys.prefix)
    if (prefix / "digest").is_file():
        return Way("host setup", [])
    noted = noted if noted is not None else json.loads(_noted("direct_url.json") or "{}")
    installer = installer if installer is not None else (_noted("INSTALLER") or "").strip()
    url, folder_info = str(noted.get("url") or ""), noted.get("dir_info")
    folder = Path(url2pathname(urlsplit(url).path)) if isinstance(folder_info, dict) else None
    pull = [["git", "-C", str(folder), "pull", "--ff-only"]] if folder and (folder / ".git").exists() else []
    if (prefix / "uv-receipt.toml").is_file():
        return Way(
            "uv tool", [*pull, ["uv", "tool", "upgrade", _NAME, *(["--reinstall-package", _NAME] if folder else [])]]
        )
    if (prefix / "pipx_metadata.json").is_file():
        return Way("pipx", [*pull, ["pipx", "upgrade", _NAME]])
    install = [sys.executable, "-m", "pip", "install", "--quiet"]
    if installer == "uv":  # an environment of uv's has no pip
        install = ["uv", "pip", "install", "--quiet", "--python", sys.executable]
    if folder and folder_info.get("editable"):  # type: ignore[union-attr]
        return Way("checkout", [*pull, [*install, "-e", str(folder)]])
    if not url:
        return Way("pip", [[*install, "--upgrade", _NAME]])
    wanted = f"git+{url}" if "vcs_info" in noted else str(folder or url)
    # Of the same version number, an installer would keep what is there; and others' packages it need not touch.
    again = "--reinstall" if installer == "uv" else "--force-reinstall"
    return Way("pip", [*pull, [*install, wanted], [*install, again, "--no-deps", wanted]])


def _noted(name: str) -> str | None:
    """Return a file of what is noted of the package; None when there is none."""
    return metadata.distribution(_NAME).read_text(name)


def update(layout: Layout) -> Updated:
    """Upgrade and render every home again; Busy while a runner lives: it would load half of each version.

    No runner starts meanwhile. WorkersError when a command fails; the homes are left as they are then.
    """
    chosen, before = way(), metadata.version(_NAME)
    if not chosen.commands:
        raise Refused(
            f"{_NAME} was put here by {chosen.how}", f"{_NAME} host setup NAME, on the machine that did, brings its own"
        )
    with locked(layout.update_lock, 0.0, "another update is under way"):
        for home in every(layout):
            with presence.alone(home):
                pass  # a dispatch that was let in before has come to its end
        busy = [home.worker for home in every(layout) if tasks.state(home).name in {"busy", "unknown"}]
        if busy:
            raise Busy(
                f"runners live, of {', '.join(busy)}: the new version would come under their feet",
                "claude-workers pause, then watch them to their ends, and ask again",
            )
        for command in chosen.commands:
            _run(command)
        refreshed = {home.worker: _refreshed(layout, home.worker) for home in every(layout)}
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

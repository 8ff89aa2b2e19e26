"""What garbage rests on: things with their judges, ended tasks and their age, and how much lies in a folder."""

from __future__ import annotations

import contextlib
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_workers import clock, files
from claude_workers.home import archive, tasks
from claude_workers.home.home import every
from claude_workers.model import Receipt, Repository
from claude_workers.runner.run import MADE_FOR

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from claude_workers.home.home import Home
    from claude_workers.paths import Layout

_BLOCK = 512
_ASIDE = ".making"


@dataclass(frozen=True)
class Verdict:
    """Why a thing is garbage or, `kept`, looks so and is left alone; `bytes` is what it takes on the disk."""

    why: str
    bytes: int = 0
    kept: bool = False


@dataclass(frozen=True)
class Thing:
    """What may be garbage: its judge (None: it is none), the locks that hold it still, how it is deleted."""

    what: str
    name: str
    path: Path
    locks: tuple[Path, ...]
    judge: Callable[[], Verdict | None]
    delete: Callable[[], object]


class Ground:
    """One going over a root: what is known of ended tasks, and in `gone` what went, or would go, so far.

    `lighter` are the stores that lost refs.
    """

    def __init__(self, layout: Layout, keep: float) -> None:
        self.layout = layout
        self.gone: set[Path] = set()
        self.lighter: set[Path] = set()
        self.homes = {home.worker: home for home in every(layout)}
        self.ended = {worker: _ended(home) for worker, home in self.homes.items()}
        self._keep = keep

    def long_ago(self, moment: str) -> str:
        """Return how long ago a moment was; "" when it is not longer ago than `keep`, or nobody can tell."""
        age = clock.seconds_since(moment)
        return clock.spoken(age) if age is not None and age >= self._keep else ""

    def clone_stays(self, home: Home, task_id: str) -> bool:
        """Tell whether the clone made for an ended task stands, and will: what is kept of that task speaks for it."""
        repository, _ = self.ended[home.worker][task_id]
        clone = home.clone(repository)
        made_for = files.read_inside(home.path, MADE_FOR)
        return made_for == task_id and os.path.lexists(clone) and clone not in self.gone


def _ended(home: Home) -> dict[str, tuple[Repository, Receipt]]:
    """Return a home's archived tasks by id; one whose archive cannot be believed is left out, and so left alone."""
    found = {}
    for one in archive.every(home):
        with contextlib.suppress(KeyError, TypeError, AttributeError):
            found[str(one["task_id"])] = Repository.from_json(one["repo"]), Receipt.from_json(one["receipt"])
    return found


def is_over(home: Home, task_id: str) -> bool:
    """Tell whether a task is not a home's current one, and nothing is running there."""
    state = tasks.state(home)
    return state.name not in {"busy", "unknown"} and (state.task is None or state.task.task_id != task_id)


@dataclass(frozen=True)
class Extent:
    """A folder as it lies on the disk: its bytes, its newest change, whose objects repositories in it borrow.

    `whole` is False when a part could not be looked at, or not read by whoever carried it.
    """

    bytes: int
    newest: float
    borrows: frozenset[str]
    whole: bool


def extent(folder: Path) -> Extent:
    """Look at everything below a folder, following no link."""
    size, newest, whole = 0, 0.0, True
    borrows: set[str] = set()
    ahead = [os.fspath(folder)]
    while ahead:
        place = ahead.pop()
        try:
            status = os.lstat(place)
            size += status.st_blocks * _BLOCK
            newest = max(newest, status.st_mtime)
            if stat.S_ISDIR(status.st_mode):
                ahead += [f"{place}/{name}" for name in os.listdir(place)]
            elif place.endswith("/info/alternates"):
                borrows.update((files.read_inside(folder, os.path.relpath(place, folder)) or "").splitlines())
            whole = whole and not (stat.S_ISREG(status.st_mode) and not status.st_mode & stat.S_IRUSR)
        except (OSError, ValueError):
            whole = False
    return Extent(size, newest, frozenset(borrows), whole)


def folders(parent: Path) -> list[Path]:
    """Return the folders in a folder, neither being a link; none when it is not there."""
    if parent.is_symlink() or not parent.is_dir():
        return []
    with os.scandir(parent) as entries:
        return sorted(parent / one.name for one in entries if one.is_dir(follow_symlinks=False))


def clones(home: Home) -> list[Path]:
    """Return the clones in a home, whatever made them; half-made ones are left to who makes them."""
    found = [one for owner in folders(home.path / "github") for one in folders(owner)]
    return [one for one in found if one.suffix != _ASIDE]


def remove(*places: Path) -> None:
    """Delete folders, all taken out of their places first, under the name that whoever makes them anew clears.

    Killed halfway, no half of a clone or repository stands where a whole one is looked for.
    """
    asides = [one.with_name(f"{one.name}{_ASIDE}") for one in places]
    for place, aside in zip(places, asides, strict=True):
        files.remove_tree(aside)
        place.rename(aside)
    for aside in asides:
        files.remove_tree(aside)

"""Clone: a second worker on a repository with a long history, in seconds and bytes."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench.common import Desk, Row, git, steps, timed, wait_for
from claude_workers.home import tasks
from claude_workers.home.home import find
from claude_workers.workspace import upstream

if TYPE_CHECKING:
    from claude_workers import Fleet

_COMMITS, _SIZE = 10, 20 << 20
_REPEATS = 3
_SHARE = 0.05


def _history(desk: Desk) -> Path:
    """Make a repository with a small tree behind which 200 MB that nothing compresses lie."""
    path = desk.repository("history")
    quick = ("-c", "core.compression=0")
    for number in range(_COMMITS):
        blob = path / "data.bin"
        blob.write_bytes(os.urandom(_SIZE))
        git(*quick, "add", ".", at=path)
        git("commit", "--quiet", "-m", f"Add {number}", at=path)
        git("rm", "--quiet", "data.bin", at=path)
        git("commit", "--quiet", "-m", f"Remove {number}", at=path)
    git(*quick, "repack", "-a", "-d", "--quiet", at=path)
    return path


def _disk(folder: Path) -> float:
    """Return the bytes that a folder takes on disk."""
    return float(sum(os.lstat(one).st_blocks for one in [folder, *folder.rglob("*")]) * 512)


def _prepare(fleet: Fleet, worker: str, repository: Path) -> float:
    """Give a new worker a task and return the seconds of its preparing, to the agent's start."""
    [home] = fleet.init(worker)
    fleet.dispatch(worker, str(repository), prompt=steps({"hang": True}))
    begun = time.monotonic()

    def beyond() -> float | None:
        task = tasks.load(home)
        if task is None:
            raise RuntimeError(f"worker {worker}: its task ended before its agent began")
        return None if task.phase == "preparing" else time.monotonic() - begun

    return wait_for(f"worker {worker}", beyond, pause=0.002)


class _Samples:
    """What each round adds, in seconds and bytes."""

    def __init__(self) -> None:
        self.plain: list[float] = []
        self.first: list[float] = []
        self.second: list[float] = []
        self.bare: list[float] = []
        self.clone: list[float] = []

    def round(self, desk: Desk, repository: Path, number: int) -> None:
        """Measure a plain clone, then the first and the second worker under a new root."""
        plain = desk.folder / f"plain-{number}"
        self.plain.append(timed("git", "clone", "--quiet", "--no-local", str(repository), str(plain)))
        fleet = desk.use_root(f"root-{number}")
        self.first.append(_prepare(fleet, "01", repository))
        self.second.append(_prepare(fleet, "02", repository))
        known = upstream.local(str(repository), fleet.layout)
        self.bare.append(_disk(upstream.bare(fleet.layout, known)))
        self.clone.append(_disk(find(fleet.layout, "02").clone(known) / ".git"))
        for worker in ("01", "02"):
            fleet.stop(worker)


def measure() -> list[Row]:
    """Return what the second clone takes against the first, and the first against a plain clone."""
    taken = _Samples()
    with Desk() as desk:
        repository = _history(desk)
        for number in range(_REPEATS):
            taken.round(desk, repository, number)
    allowed = [_SHARE * size for size in taken.bare]
    return [
        Row("first prepare (mirror and clone)", taken.first, "git clone --no-local", taken.plain),
        Row("second prepare (clone)", taken.second, "first prepare", taken.first),
        Row("second clone's .git", taken.clone, "the bare repository", taken.bare, "B"),
        Row("second clone's .git", taken.clone, "target: 5 % of the bare", allowed, "B"),
    ]

"""A cgroup with a limit on memory, below our own, for the systems of both versions.

Rules and files: cgroups(7); the kernel's admin-guide/cgroup-v2 and admin-guide/cgroup-v1/memory.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

_OWN = Path("/proc/self/cgroup")
_MOUNTS = Path("/proc/self/mountinfo")
_RUNNER = "claude-workers.runner"  # no agent's name has a dot
_V1, _V2 = "cgroup", "cgroup2"  # as their file systems are called
_LIMIT = {_V1: "memory.limit_in_bytes", _V2: "memory.max"}
_NEARLY = 0.95
_POLL, _TRIES_TO_LEAVE = 0.02, 10


@dataclass(frozen=True)
class Group:
    """A cgroup with a limit, and what a dead run of its name had counted in it."""

    system: str
    folder: Path
    before: tuple[int, int]

    @property
    def inner(self) -> Path:
        """Where the tree lives: below the limit, not beside it.

        Who may make namespaces can mount cgroups with its own as the root, and write there (measured).
        """
        return _inner(self.folder)

    def killed(self) -> bool:
        """Tell whether the kernel killed for this limit; OSError when it does not say."""
        hits, kills = _counted(self.system, self.folder)
        # A kill alone may have been the whole machine's want: this limit must have been hit, too.
        return hits > self.before[0] and kills > self.before[1]


def _inner(folder: Path) -> Path:
    return folder / "agent"


def _counted(system: str, folder: Path) -> tuple[int, int]:
    """Return how often the limit was hit, and how many processes were killed."""
    if system == _V2:
        events = _numbers(folder / "memory.events")
        return events.get("oom", 0), events.get("oom_kill", 0) + events.get("oom_group_kill", 0)
    # With equal limits the one on memory and swap is hit first: kernels differ in which counter then moves, or
    # none does (all measured), so that having been at the limit counts, too.
    names = ("memory.failcnt", "memory.memsw.failcnt")
    hits = sum(int((folder / one).read_text("ascii")) for one in names if (folder / one).exists())
    most, limit = (int((folder / one).read_text("ascii")) for one in ("memory.max_usage_in_bytes", _LIMIT[_V1]))
    hits += most >= limit * _NEARLY
    # A hit is counted where the limit is, a kill where the process was.
    return hits, sum(_numbers(path).get("oom_kill", 0) for path in folder.rglob("memory.oom_control"))


def _numbers(path: Path) -> dict[str, int]:
    return {name: int(value) for name, value in (line.split() for line in path.read_text("ascii").splitlines())}


def _settings(system: str, limit: int) -> list[tuple[str, int]]:
    if system == _V2:
        return [(_LIMIT[_V2], limit), ("memory.swap.max", 0), ("memory.oom.group", 1)]
    # In a cgroup that is used again an old limit on memory and swap may be lower than the new one on memory.
    both = "memory.memsw.limit_in_bytes"
    return [(both, -1), (_LIMIT[_V1], limit), (both, limit)]


def make(name: str, limit: int) -> Group | None:
    """Return a cgroup with that limit below our own; None, all as it was, where there is none to be had."""
    for system in (_V2, _V1):
        # Whatever is refused on the way, and why: here is no cgroup to be had, and the tree is watched.
        with contextlib.ExitStack() as undo, contextlib.suppress(OSError):
            base = _base(system)
            if base:
                group = _made(system, base / name, limit, undo)
                undo.pop_all()
                return group
    return None


def _base(system: str) -> Path | None:
    """Return the folder to make a cgroup in: our own cgroup or, when we stepped aside in it, the one above."""
    own = _own_folder(system)
    if own is None or system == _V1:
        return own
    base = own.parent if own.name == _RUNNER else own
    return base if "memory" in (base / "cgroup.controllers").read_text("ascii").split() else None


def _own_folder(system: str) -> Path | None:
    """Return our own cgroup as it is mounted here; None where it is not."""
    wanted = {_V1: "memory", _V2: ""}[system]
    own = [line.split(":", 2) for line in os.fsdecode(_OWN.read_bytes()).split("\n") if line]
    paths = [Path(path) for _, controllers, path in own if wanted in controllers.split(",")]
    for line in os.fsdecode(_MOUNTS.read_bytes()).split("\n") if paths else []:
        place, _, kind = (part.split() for part in line.partition(" - "))
        # A path that leads up lies outside of what our namespace sees as the root.
        if kind[:1] == [system] and wanted in ("", *kind[-1].split(",")) and ".." not in paths[0].parts:
            with contextlib.suppress(ValueError):
                return Path(place[4]) / paths[0].relative_to(place[3])
    return None


def _made(system: str, folder: Path, limit: int, undo: contextlib.ExitStack) -> Group:
    removed(folder)
    undo.callback(removed, folder)
    for one in (folder, _inner(folder)):
        one.mkdir(exist_ok=True)
    if system == _V2:
        _enable(folder.parent, undo)
    for name, value in _settings(system, limit):
        # A kernel without swap, or an old one, lacks the rest, but never the limit.
        if name == _LIMIT[system] or (folder / name).exists():
            _write(folder / name, value)
    return Group(system, folder, _counted(system, folder))


def _enable(base: Path, undo: contextlib.ExitStack) -> None:
    """Let the cgroups below ours limit memory, which the kernel refuses while anybody, we too, lives in it."""
    control, aside, me = base / "cgroup.subtree_control", base / _RUNNER, str(os.getpid())
    if "memory" in control.read_text("ascii").split():
        return
    if not _attempt(control, "+memory"):
        aside.mkdir(exist_ok=True)
        undo.callback(removed, aside)
        _write(aside / "cgroup.procs", me)
        undo.callback(_attempt, base / "cgroup.procs", me)
        for _ in range(_TRIES_TO_LEAVE):
            # Whoever started us may still be about to end here.
            if _attempt(control, "+memory"):
                break
            time.sleep(_POLL)
        else:
            _write(control, "+memory")
    undo.callback(_attempt, control, "-memory")


def _write(path: Path, value: object) -> None:
    # Never created, and in one write(): every one is a command.
    with open(path, "r+b", buffering=0) as stream:
        stream.write(str(value).encode())


def _attempt(path: Path, value: str) -> bool:
    try:
        _write(path, value)
    except OSError:
        return False
    return True


def removed(folder: Path) -> bool:
    """Remove a cgroup and those the tree made below it; False when somebody lives in one."""
    try:
        for path, _, _ in os.walk(folder, topdown=False):
            os.rmdir(path)
    except (OSError, RecursionError):
        return False
    return not folder.exists()

"""The agent's clone: made, carried and thrown away by git inside the enclosure.

Outside, git never runs in a home: a hostile clone's configuration, hooks, filters, gitfile or
alternates would lead it. What leaves is one bundle on a pipe.
"""

from __future__ import annotations

import tempfile
import threading
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from claude_workers import git
from claude_workers.errors import WorkersError
from claude_workers.workspace import scripts
from claude_workers.workspace.store import keep, take
from claude_workers.workspace.upstream import changed_files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Protocol

    class Inside(Protocol):
        """Runs a shell script inside a worker's enclosure and returns what it printed."""

        def __call__(self, script: str, *words: str, output: IO[bytes] | None = None) -> bytes:
            """Raise WorkersError when the script fails."""


_LEFT = "left out: ./"
# Whoever is later to keep is the one whose carrying began later.
_KEEPING = threading.Lock()


@dataclass(frozen=True)
class Beginning:
    """Where a clone begins: our mirror, the base it shows and its tip, and a new branch at a commit."""

    mirror: Path
    base_branch: str
    base: str
    branch: str
    commit: str


@dataclass(frozen=True)
class Cargo:
    """What is to be carried: a clone with its branch, to `refs/work/<kept>/` of the store.

    Untracked files above `file_limit` bytes, and the largest of those that are above `limit` together,
    are left out and named.
    """

    clone: Path
    branch: str
    mirror: Path
    store: Path
    kept: str
    file_limit: int = 100 << 20
    limit: int = 1 << 30


@dataclass(frozen=True)
class Carried:
    """What a clone held: its HEAD, its branch's tip, what was not committed, and what was too large to carry."""

    head: str
    tip: str
    state: str
    modified: list[str]
    untracked: list[str]
    left_out: list[str]


def create(inside: Inside, clone: Path, beginning: Beginning) -> None:
    """Make the clone, sharing objects with our mirror, on a new branch."""
    words = (beginning.mirror, beginning.base_branch, beginning.base, beginning.branch, beginning.commit)
    inside(scripts.CLONE, str(clone), *map(str, words))


def resume(inside: Inside, clone: Path, bundle: Path, branch: str, rescued: Carried) -> None:
    """Bring a fresh clone to where a rescue had it: its branch, and what was not committed."""
    inside(scripts.RESUME, str(clone), str(bundle), branch, rescued.tip, rescued.state)


def unlock(inside: Inside, clone: Path) -> None:
    """Remove the locks of git's that a killed agent left in its clone."""
    inside(scripts.UNLOCK, str(clone))


def settle(inside: Inside, clone: Path, start: str) -> list[str]:
    """Take from HEAD what a power cut undid of the commits since `start`; return the files' names."""
    return inside(scripts.SETTLE, str(clone), start).decode("utf-8", "replace").splitlines()


def checkout(inside: Inside, folder: Path, mirror: Path, bundle: Path, sha: str) -> None:
    """Check one commit, brought by a bundle, out into an empty folder."""
    inside(scripts.CHECKOUT, str(folder), str(mirror), str(bundle), sha)


def commit_tracked(inside: Inside, clone: Path, message: str) -> None:
    """Commit the changes to tracked files that the agent left behind."""
    inside(scripts.COMMIT, str(clone), message)


def carry(inside: Inside, cargo: Cargo, called_off: Callable[[], bool] = lambda: False) -> Carried:
    """Bring all a clone holds into the store, read back.

    One that was called off meanwhile, from another thread, replaces nothing of what is kept.

    What comes out is bytes on a pipe, copied by us into a file of ours: a file that the inside could
    reach could be made to lead our git elsewhere. Raises WorkersError when it cannot be carried
    whole: then nothing may be deleted.
    """
    with tempfile.TemporaryFile(dir=cargo.store) as bundle:
        sizes = (str(cargo.file_limit), str(cargo.limit))
        inside(scripts.CARRY, str(cargo.clone), str(cargo.mirror), cargo.branch, *sizes, output=bundle)
        bundle.seek(0)
        taken = take(cargo.store, bundle)
    with _KEEPING:
        if called_off():
            raise WorkersError("it was called off")
        state = keep(cargo.store, taken.brings, cargo.kept)
    return read_back(cargo.store, state)


def read_back(store: Path, state: str) -> Carried:
    """Return what a state in the store says of the clone it was taken from."""
    parents = git.text("rev-list", "--parents", "-n", "1", state, at=store).split()[1:]
    if not parents:
        raise WorkersError("the clone's state has no history", "look at the clone by hand")
    head, tip = parents[0], parents[-1]
    said = git.text("log", "-1", "--format=%B", state, at=store).splitlines()
    left = [line.removeprefix(_LEFT) for line in said if line.startswith(_LEFT)]
    modified, untracked = changed_files(store, head, state, "a"), changed_files(store, head, state, "A")
    return Carried(head, tip, state, modified, untracked=[*untracked, *left], left_out=left)

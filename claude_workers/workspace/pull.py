"""Pulling: an operator's working tree brought to what was merged, fast-forward or not at all."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from claude_workers import git
from claude_workers.errors import Busy, NotFound, Unreachable, WorkersError
from claude_workers.git import GitFailed
from claude_workers.model import Record
from claude_workers.workspace.upstream import LOOK, MERGED

if TYPE_CHECKING:
    from collections.abc import Callable

_FETCH = 600.0
_SAID = 300


@dataclass(frozen=True)
class Pulled(Record):
    """Where a working tree stands now: its branch, the commit, and how many commits are new to it."""

    branch: str
    head: str
    new: int


def pull(folder: str) -> Pulled:
    """Fast-forward the branch that is checked out in a folder; Busy when its tree is dirty, WorkersError if it cannot.

    What workers merged here is taken, else what the branch's own remote has.
    """
    inside = _in(folder)
    branch = _answer(inside, "symbolic-ref", "--quiet", "--short", "HEAD")
    if not branch:
        raise WorkersError("no branch is checked out", "git switch main")
    wanted = _answer(inside, "rev-parse", "--verify", "--quiet", f"{MERGED}/{branch}^{{commit}}")
    merged = bool(wanted)
    before = _answer(inside, "rev-parse", "--verify", "--quiet", "HEAD")
    if not before:
        raise WorkersError(f"{branch} has no commits", "make a first one")
    if not wanted or _answer(inside, "rev-list", "--max-count=1", f"HEAD..{wanted}") == "":
        wanted = _fetched(folder, inside, branch) or before
    new = int(_answer(inside, "rev-list", "--count", f"HEAD..{wanted}") or 0)
    if not new:
        return Pulled(branch, before, 0)
    if _answer(inside, "status", "--porcelain", "--untracked-files=no"):
        raise Busy("the working tree has changes that are not committed", "commit or stash them, then pull again")
    if _answer(inside, "rev-list", "--max-count=1", f"{wanted}..HEAD"):
        away = f", or give up what was merged: git update-ref -d {MERGED}/{branch}" if merged else ""
        remedy = f"git rebase {wanted[:12]}{away}"
        raise WorkersError(f"{branch} and what was merged have gone different ways", remedy)
    try:
        inside("merge", "--quiet", "--ff-only", wanted)
    except GitFailed as error:
        raise WorkersError(f"{branch} could not be fast-forwarded: {error.message}", "mend that, then pull") from error
    return Pulled(branch, wanted, new)


def _in(folder: str) -> Callable[..., str]:
    path = Path(folder).expanduser()
    if not path.is_dir():
        raise NotFound(f"there is no folder {path}", "name a working tree by its path")
    try:
        top = git.text("-C", str(path.resolve()), "rev-parse", "--show-toplevel", timeout=LOOK)
    except GitFailed as error:
        raise NotFound(f"{path} is no working tree of git's", "name one by its path") from error
    return lambda *words: git.text("-C", top, *words)


def _answer(inside: Callable[..., str], *words: str) -> str:
    """Return what git says, "" where it says no."""
    try:
        return inside(*words)
    except GitFailed as error:
        if error.status == 1:
            return ""
        raise


def _fetched(folder: str, inside: Callable[..., str], branch: str) -> str:
    """Fetch from the branch's own remote and return where it stands there; "" where it has none.

    By the operator's git as it is, with the access that is set up there: it is their own working tree.
    """
    remote = _answer(inside, "config", f"branch.{branch}.remote")
    if not remote or remote == ".":
        return ""
    argv = ["git", "-C", str(Path(folder).expanduser()), "fetch", "--quiet", remote]
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=_FETCH,
            env={**os.environ, "GIT_TERMINAL_PROMPT": "0"},
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise Unreachable(f"{remote} did not answer in {_FETCH:.0f} s", "try again") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no message"]
        said = next((one for one in lines if one.startswith("fatal:")), lines[-1])[:_SAID]
        raise Unreachable(f"{remote} cannot be fetched: {said}", f"git fetch {remote}")
    return _answer(inside, "rev-parse", "--verify", "--quiet", f"{branch}@{{upstream}}^{{commit}}")

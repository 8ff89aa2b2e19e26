"""Pushing: a commit of ours becomes a branch of its upstream, however often it is tried."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from claude_workers import files, git
from claude_workers.git import GitFailed
from claude_workers.workspace.upstream import LOOK, ORPHANED, descends, resolve

if TYPE_CHECKING:
    from collections.abc import Collection

    from claude_workers.access import Origin

_PUSHES = 5
_PUSH_PAUSE = 1.0


def try_push(origin: Origin) -> None:
    """Raise what would stop a push to an upstream; nothing is changed there, for git stops before it sends."""
    with tempfile.TemporaryDirectory() as folder:
        place, nobody = Path(folder), ("-c", "user.name=nobody", "-c", "user.email=nobody@localhost")
        git.run("init", "--quiet", "--bare", folder)
        tree = git.text("hash-object", "-t", "tree", "-w", "--stdin", at=place)
        commit = git.text(*nobody, "commit-tree", "-m", "nothing", tree, at=place)
        words = ("push", "--dry-run", "--quiet", origin.url, f"{commit}:refs/heads/claude-workers-is-only-asking")
        git.run(*words, at=place, access=origin.access, timeout=LOOK)


def push(path: Path, origin: Origin, sha: str, branch: str, ours: Collection[str]) -> None:
    """Publish `sha` as an upstream branch that is new, or stands at one of `ours`.

    Already there: nothing is done. Raises GitFailed when somebody else moved the branch. A push of
    ours that outlived a killed runner may hold the branch's lock: that is waited for.
    """
    ref = f"refs/heads/{branch}"
    for left in range(_PUSHES, -1, -1):
        listed = git.text("ls-remote", origin.url, ref, timeout=LOOK, access=origin.access)
        stands = listed.partition("\t")[0]
        if stands == sha:
            _flush_local(origin)
            return
        # Also what the agent itself pushed a part of: what follows takes nothing away.
        known = stands in ours or (stands and resolve(path, stands) and descends(path, stands, sha))
        expected = stands if known else ""
        lease = f"--force-with-lease={ref}:{expected}"
        try:
            git.run("push", "--quiet", lease, origin.url, f"{sha}:{ref}", at=path, access=origin.access)
        except GitFailed:
            if stands != expected or not left:
                raise
            time.sleep(_PUSH_PAUSE)
            _unlock_local(origin, branch)


def advance(path: Path, origin: Origin, sha: str, ref: str, onto: str) -> bool:
    """Let a ref go on from `onto`, or from behind it, to `sha`; False when it stands elsewhere now."""
    listed = git.text("ls-remote", origin.url, ref, timeout=LOOK, access=origin.access)
    stands = listed.partition("\t")[0]
    if stands == sha:
        _flush_local(origin)
        return True
    if not stands and ref.startswith("refs/heads/"):
        raise GitFailed(f"{ref.removeprefix('refs/heads/')} is gone there", "name another base")
    if stands and not (resolve(path, stands) and descends(path, stands, onto)):
        return False
    lease = f"--force-with-lease={ref}:{stands}"
    try:
        git.run("push", "--quiet", lease, origin.url, f"{sha}:{ref}", at=path, access=origin.access)
    except GitFailed:
        after = git.text("ls-remote", origin.url, ref, timeout=LOOK, access=origin.access).partition("\t")[0]
        if after == stands:
            raise
        return after == sha
    _flush_local(origin)
    return True


def _flush_local(origin: Origin) -> None:
    """Bring a push onto the disk of this machine: git's receiving end leaves that to the kernel."""
    if origin.repository.path:
        files.flush(Path(origin.repository.path))


def _unlock_local(origin: Origin, branch: str) -> None:
    """Remove a lock that a push of ours, cut off with its machine, left on its branch in a repository of this one."""
    for git_dir in (
        (Path(origin.repository.path, ".git"), Path(origin.repository.path)) if origin.repository.path else ()
    ):
        folder = (git_dir / "refs" / "heads" / branch).parent
        if folder.is_dir():
            git.unlock(folder, ORPHANED)

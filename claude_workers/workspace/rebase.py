"""Rebasing: a branch's commits put onto another commit, in our store, where there is no working tree."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

from claude_workers import git
from claude_workers.errors import WorkersError
from claude_workers.git import GitFailed

if TYPE_CHECKING:
    from pathlib import Path

_USAGE = 129
_CONFLICT = 1


class Conflict(Exception):
    """Two sides changed the same lines; `files` names where."""

    def __init__(self, files: list[str]) -> None:
        super().__init__(", ".join(files))
        self.files = files


def linear(store: Path, base: str, head: str) -> bool:
    """Tell whether no commit between two has more than one parent."""
    return not git.text("rev-list", "--merges", "--max-count=1", f"{base}..{head}", at=store)


def rebase(store: Path, base: str, head: str, onto: str) -> str:
    """Return `head` with what it has beyond `base` put onto `onto`; Conflict where that cannot be.

    Authors, dates and messages stay; signatures do not, and what changes nothing any more is left out. A
    history with merges becomes one commit: what a person resolved in them would have to be resolved again.
    """
    if not linear(store, base, head):
        tree = _merged(store, onto, head)
        return _commit(store, head, tree, onto)
    tip = onto
    for commit in git.text("rev-list", "--reverse", f"{base}..{head}", at=store).split():
        parent = git.text("rev-parse", f"{commit}^", at=store)
        # The tip's tree as a child of the commit's parent: merging that with the commit picks it.
        tree = _merged(store, _commit(store, commit, _tree(store, tip), parent), commit)
        if tree != _tree(store, tip):
            tip = _commit(store, commit, tree, tip)
    return tip


def _tree(store: Path, commit: str) -> str:
    return git.text("rev-parse", f"{commit}^{{tree}}", at=store)


def _merged(store: Path, ours: str, theirs: str) -> str:
    """Return the tree that two commits merge into."""
    words = ("merge-tree", "--write-tree", "--name-only", "--no-messages", "-z", ours, theirs)
    try:
        return git.run(*words, at=store).decode("utf-8", "replace").partition("\0")[0]
    except GitFailed as error:
        if error.status == _USAGE:
            raise WorkersError("git 2.38 or newer is needed to merge changes", "upgrade git") from error
        if error.status != _CONFLICT:
            raise
    # The status alone tells of a conflict: one of directories names no file.
    said = git.run(*words, at=store, accept=_CONFLICT).decode("utf-8", "replace").split("\0")[1:]
    raise Conflict(list(dict.fromkeys(one for one in said if one)) or ["(renamed folders)"])


def _commit(store: Path, like: str, tree: str, parent: str) -> str:
    """Return a commit that says what another says, of another tree on another parent."""
    head, _, message = git.run("cat-file", "commit", like, at=store).partition(b"\n\n")
    kept = [line for line in head.split(b"\n") if line.split(b" ")[0] in {b"author", b"committer", b"encoding"}]
    lines = [f"tree {tree}".encode(), f"parent {parent}".encode(), *kept]
    with tempfile.TemporaryFile() as stream:
        stream.write(b"\n".join(lines) + b"\n\n" + message)
        stream.seek(0)
        return git.run("hash-object", "-t", "commit", "-w", "--stdin", at=store, stdin=stream).decode().strip()

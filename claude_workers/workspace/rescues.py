"""Rescues: what the stores keep of tasks' work, found, read, put into a folder again or pushed elsewhere."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from claude_workers import git
from claude_workers.model import Rescue
from claude_workers.workspace.clone import Carried, read_back

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from claude_workers.access import Access
    from claude_workers.paths import Layout

_STORES = "*.made.git"
_STATES = "refs/work/*/*/state"
_FORMAT = "--format=%(refname)%09%(objectname)%09%(creatordate:iso-strict)%09%(contents:subject)"
_SUBJECT = "state of "
_LINES = 200
# How a rescue is called of what an earlier task had left in the clone: before-<id of the task that came then>.
BEFORE = "before-"
# Where a rescue is pushed to: such a branch proves nothing but that.
PUSHED = "claude-workers/rescue/"


def stores(layout: Layout) -> list[Path]:
    """Return every store of the root."""
    return sorted(layout.repositories.glob(_STORES))


def mirror_of(store: Path) -> Path:
    """Return the mirror whose objects a store borrows."""
    return store.with_name(store.name.removesuffix(".made.git") + ".git")


def last(store: Path, kept: str) -> Carried | None:
    """Return what was last rescued as `refs/work/<kept>/`; None when nothing was, GitFailed when nobody can tell."""
    state = git.text("for-each-ref", "--format=%(objectname)", f"refs/work/{kept}/state", at=store)
    return read_back(store, state) if state else None


def heads(mirror: Path) -> dict[str, str]:
    """Return upstream's branches as the mirror knows them, and what was merged but not pulled into one."""
    words = ("for-each-ref", "--format=%(refname:lstrip=3) %(objectname)")
    found = {}
    for below, mark in (("heads", ""), ("merged", "merged: ")):
        for line in git.text(*words, f"refs/upstream/{below}", at=mirror).splitlines():
            name, _, sha = line.partition(" ")
            found[f"{mark}{name}"] = sha
    return found


def every(store: Path) -> Iterator[Rescue]:
    """Yield the rescues of a store, without what only a closer look tells; `repo` is the store's own name."""
    for line in git.text("for-each-ref", _FORMAT, _STATES, at=store).splitlines():
        ref, state, at, subject = line.split("\t", 3)
        _, _, worker, task_id, _ = ref.split("/")
        branch = subject.removeprefix(_SUBJECT)
        yield Rescue(store.name.removesuffix(".made.git"), worker, task_id, branch, at, "", state)


def commits(store: Path, mirror: Path, tip: str) -> list[str]:
    """Return the commits that upstream does not have, newest first, each as `sha subject`."""
    known = [f"^{sha}" for name, sha in heads(mirror).items() if not name.startswith(PUSHED)]
    listed = git.text("log", f"--max-count={_LINES}", "--format=%h %s", tip, *known, at=store)
    return listed.splitlines()


def branches(store: Path, rescue: Rescue) -> list[str]:
    """Return the names of the branches that are kept beside the task's own, stashes among them."""
    below = f"refs/work/{rescue.worker}/{rescue.task_id}/heads/"
    listed = git.text("for-each-ref", "--format=%(refname)", below.rstrip("/"), at=store).splitlines()
    return [name for name in (one.removeprefix(below) for one in listed) if name != rescue.branch]


def changes(store: Path, carried: Carried) -> list[str]:
    """Return what was not committed, each as `M name`, `A name` or `D name`."""
    words = ("diff", "--name-status", "--no-renames", "--no-ext-diff", carried.head, carried.state)
    return [line.replace("\t", " ", 1) for line in git.text(*words, at=store).splitlines()[:_LINES]]


def restore(store: Path, mirror: Path, rescue: Rescue, target: Path) -> None:
    """Make a repository of the rescued work: its branches, and as uncommitted what was so.

    `target` must not exist. What is checked out is the agent's: no hook or filter of it is run.
    """
    kept = f"refs/work/{rescue.worker}/{rescue.task_id}"
    carried = read_back(store, rescue.state)
    git.run("init", "--quiet", f"--initial-branch={rescue.branch}", str(target))
    at, tree = target / ".git", ("--work-tree", str(target))
    upstream = "+refs/upstream/heads/*:refs/remotes/origin/*"
    git.run("fetch", "--quiet", "--no-tags", str(mirror), upstream, at=at)
    git.run("fetch", "--quiet", "--no-tags", "--update-head-ok", str(store),
            f"+{kept}/heads/*:refs/heads/*", f"+{kept}/state:refs/rescue/state", at=at)  # fmt: skip
    git.run("-C", str(target), *tree, "checkout", "--quiet", "--force", "-B", rescue.branch, carried.tip, at=at)
    git.run("-C", str(target), *tree, "restore", "--quiet", f"--source={rescue.state}", "--worktree", ":/", at=at)


def push(store: Path, refspec: str, where: str, access: Access | None, limit: float) -> None:
    """Push commits, and never what was not committed, to a branch of their own on another repository.

    Raises what `git.run` does, GitFailed past `limit` seconds.
    """
    words = ("push", "--quiet", "--force", os.path.expanduser(where), refspec)
    git.run(*words, at=store, access=access, timeout=limit)

"""Claims: a git ref per issue, created by compare-and-swap, whose commit says who works on it.

`git push --force-with-lease=REF:` creates the ref only where there is none, whoever races. The
commit of a task is always the same, so that a retry finds its own claim and takes it up again.
"""

from __future__ import annotations

import functools
import json
import re
import tempfile
from datetime import datetime
from typing import TYPE_CHECKING

from claude_workers import git, identity
from claude_workers.errors import IssueTaken, Refused, Unreachable
from claude_workers.git import GitFailed
from claude_workers.lock import locked
from claude_workers.model import Claim
from claude_workers.text import one_line

if TYPE_CHECKING:
    from pathlib import Path

    from claude_workers.access import Origin
    from claude_workers.model import Task
    from claude_workers.paths import Layout

OWN, BRANCHES = "refs/claude-workers/claims", "refs/heads/claude-workers/claims"
_REF = re.compile(r"/issue-([1-9][0-9]{0,8})\Z")
_TRIES = 5
_LIMIT = 120.0
_LOCK_WAIT = 60.0
# What git calls a ref that somebody else was quicker to write, rather than one it may not write.
_RACED = (
    "stale info",
    "already exists",
    "cannot lock ref",
    "failed to update ref",
    "fetch first",
    "incorrect old value",
)


class Claims:
    """The claims on one repository's issues, as this root makes and sees them."""

    def __init__(self, layout: Layout, origin: Origin) -> None:
        self._layout = layout
        self._origin = origin

    def take(self, task: Task) -> str:
        """Claim a task's issue and return the namespace the claim is in.

        IssueTaken when another task has it, Refused when the server takes no claim.
        """
        sha, spaces = self._object(task), [OWN, BRANCHES]
        for _ in range(_TRIES):
            held = self.holder(int(task.issue or 0))
            if held and held.task_id != task.task_id:
                raise _taken(held)
            if held:
                return held.ref.rpartition("/")[0]
            try:
                self._push(
                    f"--force-with-lease={spaces[0]}/issue-{task.issue}:", f"{sha}:{spaces[0]}/issue-{task.issue}"
                )
            except Unreachable:
                if self._mine(task) is None:  # else the answer was lost, not the claim
                    raise
            except GitFailed as error:
                if any(one in error.message for one in _RACED):
                    continue  # the next look says by whom
                if self._mine(task) is None and len(spaces) == 1:
                    raise Refused(
                        f"{self._origin.name} takes no claims: {error.message}",
                        f"let its rules allow {OWN}/* or {BRANCHES.removeprefix('refs/heads/')}/*",
                    ) from error
                spaces = spaces[-1:]
            else:
                return spaces[0]
        raise IssueTaken(f"issue {task.issue} is being claimed by others", "dispatch again in a moment")

    def give_back(self, task: Task) -> None:
        """Remove the claim of this very task; another's stays."""
        held = self._mine(task)
        if held:
            self._remove(held)

    def _mine(self, task: Task) -> Claim | None:
        held = self.holder(int(task.issue or 0))
        return held if held and held.task_id == task.task_id else None

    def free(self, number: int) -> None:
        """Remove whoever's claim is on an issue."""
        held = self.holder(number)
        if held:
            self._remove(held)

    def holder(self, number: int) -> Claim | None:
        """Return who has an issue, as the server tells it now."""
        wanted = [f"{space}/issue-{number}" for space in (OWN, BRANCHES)]
        access = self._origin.access
        listed = git.text("ls-remote", self._origin.url, *wanted, timeout=_LIMIT, access=access)
        for line in listed.splitlines():
            sha, _, ref = line.partition("\t")
            if ref in wanted:
                self._fetch(ref)
                return self.read(sha, ref)
        return None

    def read(self, sha: str, ref: str) -> Claim | None:
        """Return what a claim's commit says, where we have it; None where we do not."""
        named = _REF.search(ref)
        if named is None:
            return None  # somebody else's, for whatever it is good
        try:
            text = git.text("cat-file", "commit", sha, at=self._store)
        except GitFailed:
            if not git.succeeds("cat-file", "-e", sha, at=self._store):
                return None
            text = ""  # no commit, so none of ours: but it holds the issue
        try:
            said = json.loads(text.partition("\n\n")[2])
        except (ValueError, RecursionError):
            said = {}
        said = said if isinstance(said, dict) else {}
        known = {name: str(said.get(name) or "") for name in ("worker", "task_id", "host", "root", "since")}
        ours = bool(said.get("root_id")) and said["root_id"] == identity.known(self._layout)
        return Claim(repo=self._origin.name, issue=int(named[1]), ref=ref, sha=sha, ours=ours, **known)

    def _remove(self, held: Claim) -> None:
        try:
            self._push(f"--force-with-lease={held.ref}:{held.sha}", f":{held.ref}")
        except (GitFailed, Unreachable):
            after = self.holder(held.issue)
            if after and after.sha == held.sha:
                raise

    def _push(self, lease: str, spec: str) -> None:
        words = ("push", "--quiet", lease, self._origin.url, spec)
        git.run(*words, at=self._store, timeout=_LIMIT, access=self._origin.access)

    def _fetch(self, ref: str) -> None:
        words = ("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", self._origin.url, ref)
        try:
            git.run(*words, at=self._store, timeout=_LIMIT, access=self._origin.access)
        except GitFailed:
            return  # it was removed this moment: whoever asks next will see

    def _object(self, task: Task) -> str:
        """Write a task's claim as a commit of an empty tree and return its name."""
        said = {"host": task.host, "root": str(self._layout.root), "root_id": identity.of(self._layout),
                "worker": task.worker, "task_id": task.task_id, "since": task.dispatched_at}  # fmt: skip
        moment = int(datetime.fromisoformat(task.dispatched_at).timestamp()) if task.dispatched_at else 0
        tree = self._write("tree", "")
        who = f"claude-workers <claude-workers@localhost> {moment} +0000"
        return self._write("commit", f"tree {tree}\nauthor {who}\ncommitter {who}\n\n{json.dumps(said)}\n")

    def _write(self, kind: str, content: str) -> str:
        with tempfile.TemporaryFile() as text:
            text.write(content.encode())
            text.seek(0)
            return git.run("hash-object", "-t", kind, "-w", "--stdin", at=self._store, stdin=text).decode().strip()

    @functools.cached_property
    def _store(self) -> Path:
        """Our own repository of claims, whole: another process may be making it this moment."""
        store = self._layout.repositories / "claims.git"
        with locked(self._layout.repository_lock("claims"), _LOCK_WAIT, "the store of claims is being made"):
            git.make_bare(store)
        return store


def _taken(held: Claim) -> IssueTaken:
    where = f" on {one_line(held.host, 80)}" if held.host else ""
    who = f"worker {one_line(held.worker, 40)}{where}" if held.worker else f"the holder of {held.ref}"
    return IssueTaken(
        f"issue {held.issue} is taken by {who}",
        f"dispatch another issue, or claude-workers release {held.repo} {held.issue}",
    )

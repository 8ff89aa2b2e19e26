"""The forge seam: the few verbs a task needs of the place where issues live."""

from __future__ import annotations

from typing import Protocol

from claude_workers.model import Change, Issue, Task


class Forge(Protocol):
    """One repository's issues and changes. Every verb may be repeated without doing more."""

    def issue(self, number: int) -> Issue:
        """Return an issue with its conversation; NotFound when it is not this repository's."""

    def claim(self, task: Task) -> None:
        """Take the task's issue, atomically, for that task id; IssueTaken when another holds it."""

    def release(self, task: Task, *, proposed: bool) -> None:
        """Give the task's claim back; `proposed`: a change for the issue awaits review."""

    def label(self, number: int, add: tuple[str, ...] = (), remove: tuple[str, ...] = ()) -> None:
        """Put labels on an issue and take others off."""

    def comment(self, number: int, body: str, key: str) -> None:
        """Say something under an issue, once for each `key`."""

    def open_change(self, branch: str) -> Change | None:
        """Return the open change of a branch; None when there is none."""

    def propose(self, change: Change) -> str:
        """Find or create the change of a pushed branch and return its address."""

"""The forge seam: the few verbs a task needs of the place where issues live."""

from __future__ import annotations

from typing import Protocol

from claude_workers.model import Change, Claim, Issue, Review, Task


class Forge(Protocol):
    """One repository's issues and changes. Every verb may be repeated without doing more."""

    def check(self, *, issues: bool) -> None:
        """Raise what forbids tasks here, before anything is claimed; `issues`: one is to be named."""

    def issue(self, number: int, *, vouched: bool = False) -> Issue:
        """Return an issue with its conversation; NotFound when it is not this repository's.

        Only words that may become a prompt are in it: Refused when its author's may not, unless the
        caller has `vouched` for the author.
        """

    def waiting(self, label: str) -> list[int]:
        """Return the open issues with a label that no worker is at and none has tried, in the order to take them."""

    def claim(self, task: Task) -> None:
        """Take the task's issue, atomically, for that task id; IssueTaken when another holds it."""

    def release(self, task: Task, *, proposed: bool, merged: bool = False) -> None:
        """Give the task's claim back; `proposed`: what it made awaits a person's word, unless it is `merged`."""

    def holder(self, number: int) -> Claim | None:
        """Return who has claimed an issue, None for nobody."""

    def free(self, number: int) -> None:
        """Take an issue's claim and its workers' labels away, whoever's they are."""

    def claims(self) -> list[Claim]:
        """Return the claims that this root has made and not given back."""

    def label(self, number: int, add: tuple[str, ...] = (), remove: tuple[str, ...] = ()) -> None:
        """Put labels on an issue and take others off."""

    def comment(self, number: int, body: str, key: str) -> None:
        """Say something under an issue, once for each `key`."""

    def ask(self, task: Task, question: str, key: str) -> str:
        """Put a question of a task's agent where people look, once for each `key`; return where that is."""

    def answer(self, task: Task, key: str) -> str | None:
        """Return what people answered to the question of that key; None while nobody has."""

    def open_change(self, branch: str) -> Change | None:
        """Return the open change of a branch; None when there is none."""

    def propose(self, change: Change) -> str:
        """Find or create the change of a pushed branch and return its address."""

    def land(self, branch: str, head: str) -> None:
        """Note that a branch's change was merged, `head` being seen in its base."""

    def review(self, number: int, heard: frozenset[str] = frozenset()) -> Review:
        """Return a change with what is to be mended; what was `heard` before, by its key, is left out."""

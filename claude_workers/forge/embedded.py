"""The embedded forge: tickets and change records in SQLite beside a git repository."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING

from claude_workers.model import Repository, Review
from claude_workers.names import plain_word
from claude_workers.tickets.tickets import Tickets

if TYPE_CHECKING:
    from claude_workers.model import Change, Claim, Issue, Task
    from claude_workers.paths import Layout


def claimed(layout: Layout) -> list[Repository]:
    """Return the repositories whose tickets are claimed."""
    paths = Tickets(layout.tickets).claimed()
    return [Repository(f"local/{plain_word(os.path.basename(one))}", one, one) for one in paths]


class EmbeddedForge:
    """Speaks the forge seam for a repository that is named by its path."""

    def __init__(self, layout: Layout, repository: Repository) -> None:
        self._tickets = Tickets(layout.tickets)
        self._repo = repository.url
        self._root = str(layout.root)
        self._shared = layout.database is not None

    def check(self, *, issues: bool) -> None:
        """Forbid nothing: whoever can name the path owns it."""

    def issue(self, number: int, *, vouched: bool = False) -> Issue:  # noqa: ARG002  only its owner files tickets
        """Return a ticket of this repository."""
        return self._tickets.read(number, self._repo)

    def claim(self, task: Task) -> None:
        """Take the ticket in one transaction."""
        if task.issue:
            self._tickets.check(task.issue, self._repo)
            place, verdict = (task.host, self._root), task.options.get("verdict")
            self._tickets.claim(task.issue, task.task_id, task.worker, place, verdict)

    def release(self, task: Task, *, proposed: bool, merged: bool = False) -> None:
        """Give the ticket back: done, ready for a person's word, or open again."""
        if task.issue:
            verb = "done" if merged else "completed" if proposed else "unclaimed"
            self._tickets.release(task.issue, task.task_id, verb)

    def waiting(self, label: str) -> list[int]:
        """Return the tickets that may be claimed, with a label if it is not empty, the most urgent and oldest first."""
        return [number for _, number in self._tickets.claimable(self._repo, label)]

    def holder(self, number: int) -> Claim | None:
        """Return who has claimed a ticket."""
        self._tickets.check(number, self._repo)
        return next((one for one in self._held() if one.issue == number), None)

    def free(self, number: int) -> None:
        """Take a ticket's claim and its workers' labels away."""
        held = self.holder(number)
        if held:
            self._tickets.release(number, held.task_id, "unclaimed")
        at_work = [name for name in self.issue(number).labels if name.startswith("worker:")]
        self._tickets.label(number, (), tuple(at_work))

    def claims(self) -> list[Claim]:
        """Return the claims of this root's tasks on this repository's tickets: all, where the tickets are in it."""
        return [one for one in self._held() if one.task_id]

    def _held(self) -> list[Claim]:
        held = self._tickets.held(self._repo)
        return [dataclasses.replace(one, ours=not self._shared or one.root == self._root) for one in held]

    def label(self, number: int, add: tuple[str, ...] = (), remove: tuple[str, ...] = ()) -> None:
        """Change a ticket's labels."""
        self._tickets.check(number, self._repo)
        self._tickets.label(number, add, remove)

    def comment(self, number: int, body: str, key: str) -> None:
        """Comment on a ticket as claude-workers."""
        self._tickets.check(number, self._repo)
        self._tickets.comment(number, body, "claude-workers", key)

    def ask(self, task: Task, question: str, key: str) -> str:
        """File a ticket for a person, which the task's own waits for."""
        return f"ticket:{self._tickets.ask(self._repo, task, question, key)}"

    def answer(self, task: Task, key: str) -> str | None:  # noqa: ARG002  the key is enough
        """Return what people said under that ticket before they called it done."""
        return self._tickets.answer(key)

    def open_change(self, branch: str) -> Change | None:
        """Return the record of a published branch."""
        return self._tickets.change(self._repo, branch)

    def propose(self, change: Change) -> str:
        """Record the change and return `change/<number>`."""
        return f"change/{self._tickets.record(change)}"

    def land(self, branch: str, head: str) -> None:
        """Note that a branch's change was merged."""
        self._tickets.land(self._repo, branch, head)

    def review(self, number: int, heard: frozenset[str] = frozenset()) -> Review:
        """Return a change with what people said under its ticket since it was proposed."""
        change, state = self._tickets.recorded(number, self._repo)
        remarks = [one for one in self._tickets.said_since(number) if one.key not in heard]
        return Review(change, f"change/{number}", state, remarks=remarks)

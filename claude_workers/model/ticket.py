"""The nouns of the ticket queue: a ticket, and one line of its log."""

from __future__ import annotations

from dataclasses import dataclass, field

from claude_workers.model.forge import Comment, says_taken
from claude_workers.model.record import Record

HUMAN = "human"


@dataclass(frozen=True)
class Ticket(Record):
    """One entry of the queue.

    `status`: open, in_progress, ready (done but for a person's word; it still blocks) or done. `type`: task,
    proposal, question or verify. The highest `priority` is claimed first. `assigned_to` is who must do it, or
    who has claimed it. `blocked_by` lists the unfinished tickets it waits for, `blocks` those that wait for it.
    """

    id: int
    repo: str
    title: str
    description: str
    status: str
    type: str
    priority: int
    assigned_to: str | None
    parent: int | None
    created_by: str
    created_at: str
    updated_at: str
    labels: list[str] = field(default_factory=list)
    claimed_by: str | None = None
    blocked_by: list[int] = field(default_factory=list)
    blocks: list[int] = field(default_factory=list)
    children: list[int] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)

    @property
    def needs_person(self) -> bool:
        """Whether a person has the next word: an answer, a decision, a review, or what a worker could not do."""
        tried = self.status == "open" and any(says_taken(one) for one in self.labels)
        return self.status == "ready" or tried or (self.status != "done" and self.assigned_to == HUMAN)


@dataclass(frozen=True)
class Activity(Record):
    """One change of a ticket: when, by whom, what, and the rest in words."""

    id: int
    ticket_id: int
    at: str
    actor: str
    action: str
    detail: str = ""

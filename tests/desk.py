"""The tickets of a database as tests look at them: what is filed, who holds what, and closing one."""

from __future__ import annotations

from pathlib import Path

from claude_workers.model import Ticket
from claude_workers.tickets.queue import Queue
from claude_workers.tickets.states import STATUSES
from claude_workers.tickets.tickets import Tickets


def queue(tickets: Tickets | Path) -> Queue:
    """Return the queue of the same database."""
    return Queue(tickets if isinstance(tickets, Path) else tickets.path)


def filed(tickets: Tickets | Path) -> list[Ticket]:
    """Return all tickets, done ones too."""
    return queue(tickets).list(statuses=STATUSES)


def holders(tickets: Tickets | Path) -> dict[int, str]:
    """Return who holds which ticket."""
    return {one.id: one.claimed_by for one in filed(tickets) if one.claimed_by}


def close(tickets: Tickets | Path, number: int) -> None:
    """Call a ticket done, as a person does."""
    queue(tickets).mark_done(number, "ann")

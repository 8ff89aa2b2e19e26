"""Reviews of tickets' changes: a person's yes merges, a no goes back to the agent with its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_workers import files
from claude_workers.errors import NotFound, WorkerBusy, WorkersError
from claude_workers.home import archive, tasks
from claude_workers.home.home import every
from claude_workers.model import Issue
from claude_workers.pool import follow
from claude_workers.pool.dispatch import dispatch
from claude_workers.pool.preflight import Follows, Order
from claude_workers.tickets import people
from claude_workers.tickets.queue import Queue
from claude_workers.tickets.tickets import Tickets

if TYPE_CHECKING:
    from claude_workers.home.home import Home
    from claude_workers.model import Change, Task, Ticket
    from claude_workers.paths import Layout


def approve(layout: Layout, number: int, actor: str) -> Task | None:
    """Merge a ticket's change; return the task that does so, None while its worker is busy with another."""
    people.review(Queue(layout.tickets).database, number, actor, people.APPROVED)
    return attend(layout, number)


def reject(layout: Layout, number: int, actor: str, why: str) -> Task | None:
    """Send a ticket's change back with a reason; return the new attempt, None while its worker is busy with another."""
    people.review(Queue(layout.tickets).database, number, actor, people.REJECTED, why)
    return attend(layout, number)


def waiting(layout: Layout) -> list[int]:
    """Return the tickets whose changes were reviewed and that nobody has attended to yet."""
    found = Queue(layout.tickets).list(statuses=("open", "ready"))
    return [one.id for one in found if _verdict(one)]


def attend(layout: Layout, number: int) -> Task | None:
    """Do what a review asks for, by the worker that made the change; None while that one is busy."""
    ticket = Queue(layout.tickets).read(number)
    change = Tickets(layout.tickets).change_of(number)
    verdict = _verdict(ticket)
    if change is None or verdict is None:
        return None
    home = _home(layout, change)
    state = tasks.state(home)
    if state.name != "idle" and not (state.task and state.task.issue == number):
        return None
    try:
        if verdict == people.APPROVED:
            return dispatch(layout, _merging(home, ticket, change)).task
        found = follow.look(layout, ticket.repo, change.number, verdict=verdict)
    except WorkerBusy:
        return None  # somebody was quicker to use this worker
    if found.state in {"dispatched", "busy"}:
        return tasks.state(home).task
    raise WorkersError(f"ticket {number} could not be sent back: {found.reason or found.state}", "dispatch it anew")


def _verdict(ticket: Ticket) -> str | None:
    if ticket.claimed_by or any(one.startswith("worker:") for one in ticket.labels):
        return None  # somebody is at it, or it failed: a person has the next word
    return next((one for one in (people.APPROVED, people.REJECTED) if one in ticket.labels), None)


def _home(layout: Layout, change: Change) -> Home:
    """Return the home that made a change; NotFound when it is gone."""
    found = next((home for home in every(layout) if archive.find(home, change.task_id)), None)
    if found is None:
        raise NotFound(f"no worker here made change {change.number}", f"git merge {change.branch}, then mark it done")
    return found


def _merging(home: Home, ticket: Ticket, change: Change) -> Order:
    """Return the order to merge: no new work, but the same session should there be a conflict."""
    made = archive.find(home, change.task_id)
    recorded = files.read_json(home.run(change.task_id) / "issue.json")
    follows = Follows(change, made.session_id if made else "", Issue.from_json(recorded) if recorded else None)
    return Order(
        home.worker, ticket.repo, ticket.id, expect="change", base=change.base, merge=True, follows=follows,
        verdict=people.APPROVED, model=made.model if made else None, isolation=made.isolation if made else None,
    )  # fmt: skip

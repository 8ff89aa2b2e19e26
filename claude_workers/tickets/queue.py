"""The queue: filing tickets, finding them, claiming the next, and bringing them to their end."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_workers import clock
from claude_workers.errors import BadInput, IssueTaken, WorkersError
from claude_workers.model import HUMAN, Activity
from claude_workers.tickets import graph, rows, states
from claude_workers.tickets.database import Database

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from pathlib import Path

    from claude_workers.model import Ticket

PRIORITY = 1000


@dataclass(frozen=True)
class Draft:
    """A ticket to be filed; `repo` is a real path, `type` None what its assignment makes it.

    `blocks_dependents_of`: all that waits for that ticket will wait for this one, too.
    """

    repo: str
    title: str
    description: str = ""
    author: str = HUMAN
    type: str | None = None
    priority: int = 0
    assigned_to: str | None = None
    parent: int | None = None
    blocked_by: tuple[int, ...] = ()
    blocks_dependents_of: int | None = None
    labels: tuple[str, ...] = ()


def file(db: sqlite3.Connection, draft: Draft) -> int:
    """File a ticket within a transaction and return its id."""
    moment, author = clock.now(), rows.name(draft.author, "author")
    assigned = rows.name(draft.assigned_to, "assignee") if draft.assigned_to is not None else None
    kind = draft.type or states.default_type(assigned, blocked=bool(draft.blocked_by))
    if draft.type is not None and assigned is None and kind != "task":
        assigned = HUMAN  # agents take only tasks unless told otherwise
    if draft.parent is not None:
        rows.row(db, draft.parent, None)
    made = db.execute(
        "INSERT INTO tickets (repo, title, description, created_by, created_at, updated_at, type, priority,"
        " assigned_to, parent) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (draft.repo, rows.title(draft.title), rows.body(draft.description, "description"), author, moment, moment,
         kind, priority(draft.priority), assigned, draft.parent),
    )  # fmt: skip
    number = int(made.lastrowid or 0)
    rows.log(db, number, author, "created")
    for one in draft.blocked_by:
        graph.block(db, number, one)
    if draft.blocks_dependents_of is not None:
        rows.row(db, draft.blocks_dependents_of, None)
        graph.take_over(db, draft.blocks_dependents_of, number, author)
    rows.label(db, number, draft.labels, (), author)
    return number


def priority(value: int) -> int:
    """Return a priority; BadInput for one that is out of bounds."""
    if abs(value) > PRIORITY:
        raise BadInput(f"{value} is no priority", f"use -{PRIORITY} to {PRIORITY}, the highest first")
    return value


class Queue:
    """The tickets of one database as a queue; each verb is one transaction."""

    def __init__(self, path: Path) -> None:
        self.database = Database(path)

    def create(self, draft: Draft) -> int:
        """File a ticket and return its id."""
        with self.database.transaction() as db:
            return file(db, draft)

    def create_all(self, drafts: Sequence[tuple[Draft, tuple[int, ...]]]) -> list[int]:
        """File tickets, all or none; with each go the places in this list of those that it waits for."""
        with self.database.transaction() as db:
            numbers = [file(db, draft) for draft, _ in drafts]
            for number, (_, places) in zip(numbers, drafts, strict=True):
                for place in places:
                    graph.block(db, number, numbers[place])
            return numbers

    def read(self, number: int) -> Ticket:
        """Return a ticket; NotFound when there is none."""
        with self.database.reading() as db:
            return rows.whole(db, rows.row(db, number, None))

    def list(
        self, repo: str | None = None, *, statuses: Sequence[str] = (), assigned_to: str | None = None,
        kind: str | None = None,
    ) -> list[Ticket]:  # fmt: skip
        """Return the tickets by id: all that are not done, or those of some statuses."""
        wanted = states.check_statuses([*statuses]) or states.STATUSES[:-1]
        query = (
            "SELECT tickets.* FROM tickets LEFT JOIN claims ON ticket_id = id WHERE (?1 IS NULL OR repo = ?1)"
            " AND status IN (SELECT value FROM json_each(?2)) AND (?3 IS NULL OR coalesce(assigned_to, worker) = ?3)"
            " AND (?4 IS NULL OR type = ?4) ORDER BY id"
        )
        given = None if assigned_to == HUMAN else assigned_to
        with self.database.reading() as db:
            found = db.execute(query, (repo, json.dumps(wanted), given, kind)).fetchall()
            listed = [rows.whole(db, one) for one in found]
        # A person's is also what waits for a review, and what a worker could not do.
        return [one for one in listed if assigned_to != HUMAN or one.needs_person]

    def count(self) -> dict[str, int]:
        """Return how many tickets are in each status."""
        with self.database.reading() as db:
            found = dict(db.execute("SELECT status, count(*) FROM tickets GROUP BY status").fetchall())
        return {status: found.get(status, 0) for status in states.STATUSES}

    def log(self, number: int | None = None, limit: int = 20) -> Sequence[Activity]:
        """Return the last changes, of one ticket or of all, the newest first."""
        query = "SELECT * FROM activity_log WHERE (?1 IS NULL OR ticket_id = ?1) ORDER BY id DESC LIMIT ?2"
        with self.database.reading() as db:
            if number is not None:
                rows.row(db, number, None)
            return [Activity.from_json(dict(one)) for one in db.execute(query, (number, limit)).fetchall()]

    def update(self, number: int, actor: str, **wanted: str | int | None) -> None:
        """Set fields of a ticket: title, description, assigned_to, status, type, priority.

        A done ticket stays as it is, and one that a worker is at keeps its status.
        """
        with self.database.transaction() as db:
            ticket = rows.row(db, number, None)
            if ticket["status"] == "done":
                raise WorkersError(f"ticket {number} is done", "file another ticket")
            if "type" in wanted:
                check_free(db, number)
            status = wanted.get("status")
            if status is not None and status != ticket["status"]:
                states.check_update(ticket["status"], str(status), number)
                check_free(db, number)
                db.execute("DELETE FROM claims WHERE ticket_id = ?", (number,))
            for name, value in _fields(wanted).items():
                db.execute(f"UPDATE tickets SET {name} = ? WHERE id = ?", (value, number))  # noqa: S608  our own names
            rows.log(db, number, actor, "updated", ", ".join(sorted(wanted)))

    def claim_next(self, agent: str, repo: str | None = None) -> Ticket | None:
        """Claim the most urgent, oldest ticket that waits for nothing and nobody else; None when there is none."""
        agent = rows.name(agent, "agent")
        if agent == HUMAN:
            raise BadInput("people do not claim the next ticket", "name an agent")
        with self.database.transaction() as db:
            found = graph.claimable(db, agent, repo, None, 1)
            if not found:
                return None
            [(_, number)] = found
            row = (number, "", agent, "", "", clock.now())
            db.execute("INSERT INTO claims VALUES (?, ?, ?, ?, ?, ?)", row)
            rows.move(db, rows.row(db, number, None), "claimed", agent)
            return rows.whole(db, rows.row(db, number, None))

    def unclaim(self, number: int, agent: str) -> None:
        """Give a claim back; IssueTaken when it is another's, or a running task's."""
        with self.database.transaction() as db:
            ticket = rows.row(db, number, None)
            check_free(db, number)
            gone = db.execute("DELETE FROM claims WHERE ticket_id = ? AND worker = ?", (number, agent))
            if not gone.rowcount:
                held = db.execute("SELECT worker FROM claims WHERE ticket_id = ?", (number,)).fetchone()
                whose = f"is claimed by {held['worker']}" if held else "is not claimed"
                raise IssueTaken(f"ticket {number} {whose}", f"claude-workers ticket show {number}")
            rows.move(db, ticket, "unclaimed", agent)

    def complete(self, number: int, actor: str) -> None:
        """Call a claimed ticket ready: done but for a person's word."""
        self._end(number, "completed", actor)

    def mark_done(self, number: int, actor: str) -> None:
        """Call a ticket done: what waits for it waits no more."""
        self._end(number, "done", actor)

    def _end(self, number: int, verb: str, actor: str) -> None:
        with self.database.transaction() as db:
            end(db, rows.row(db, number, None), verb, actor)

    def block(self, number: int, by: int, actor: str) -> None:
        """Let a ticket wait for another; an agent's claim on it is given back. IssueTaken while a task is at it."""
        with self.database.transaction() as db:
            ticket = rows.row(db, number, None)
            if ticket["status"] == "done":
                raise WorkersError(f"ticket {number} is done: nothing can block it", "block one that is not")
            if graph.block(db, number, by):
                rows.log(db, number, actor, "blocked", f"by {by}")
            check_free(db, number)
            if db.execute("DELETE FROM claims WHERE ticket_id = ?", (number,)).rowcount:
                rows.move(db, ticket, "unclaimed", actor, f"it waits for {by} now")

    def unblock(self, number: int, by: int, actor: str) -> None:
        """Let a ticket wait for another no more; NotFound when it does not."""
        with self.database.transaction() as db:
            rows.row(db, number, None)
            graph.unblock(db, number, by)
            rows.log(db, number, actor, "unblocked", f"by {by}")


def end(db: sqlite3.Connection, ticket: sqlite3.Row, verb: str, actor: str, detail: str = "") -> None:
    """Bring a ticket to where nobody holds it any more; IssueTaken while a task of a worker is at it."""
    if verb == ticket["status"] == "done":
        return
    check_free(db, ticket["id"])
    rows.move(db, ticket, verb, actor, detail)
    db.execute("DELETE FROM claims WHERE ticket_id = ?", (ticket["id"],))


def check_free(db: sqlite3.Connection, number: int) -> None:
    """Raise IssueTaken while a task of a worker is at a ticket: the runner alone may give it back."""
    held = db.execute("SELECT worker FROM claims WHERE ticket_id = ? AND task_id != ''", (number,)).fetchone()
    if held:
        raise IssueTaken(f"ticket {number} is claimed by worker {held['worker']}", "stop or reset that worker first")


def _fields(wanted: dict[str, str | int | None]) -> dict[str, str | int | None]:
    """Return checked values by column."""
    checked = dict(wanted)
    if "title" in checked:
        checked["title"] = rows.title(str(checked["title"]))
    if "description" in checked:
        checked["description"] = rows.body(str(checked["description"]), "description")
    if checked.get("assigned_to") is not None:
        checked["assigned_to"] = rows.name(str(checked["assigned_to"]), "assignee")
    if "priority" in checked:
        checked["priority"] = priority(int(checked["priority"] or 0))
    return checked

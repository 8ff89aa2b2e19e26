"""What people say to tickets: yes or no to a proposal, an answer to a question, a verdict on what they verified."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_workers.errors import WorkersError
from claude_workers.model import HUMAN, Record
from claude_workers.tickets import rows
from claude_workers.tickets.queue import Draft, check_free, end, file

if TYPE_CHECKING:
    import sqlite3

    from claude_workers.tickets.database import Database


APPROVED, REJECTED = "approved", "rejected"


@dataclass(frozen=True)
class Failed(Record):
    """The tickets that a failed verification led to: one mends, one is verified after that."""

    fix_ticket_id: int
    verify_ticket_id: int


def approve(base: Database, number: int, actor: str, title: str | None = None, description: str | None = None) -> None:
    """Make a proposal a task that agents may claim, edited where a new text is given."""
    with base.transaction() as db:
        found = _waiting(db, number, "proposal")
        texts = (
            rows.title(title) if title is not None else found["title"],
            rows.body(description, "description") if description is not None else found["description"],
        )
        query = "UPDATE tickets SET type = 'task', assigned_to = NULL, title = ?, description = ? WHERE id = ?"
        db.execute(query, (*texts, number))
        rows.log(db, number, actor, "approved")


def review(base: Database, number: int, actor: str, verdict: str, why: str = "") -> None:
    """Say yes or no to a ticket's change; the label that is left tells so until somebody has attended to it."""
    with base.transaction() as db:
        found = rows.row(db, number, None)
        change = db.execute("SELECT id FROM changes WHERE ticket_id = ? AND state = 'open'", (number,)).fetchone()
        if found["type"] != "task" or found["status"] not in {"open", "ready"} or change is None:
            raise WorkersError(
                f"ticket {number} has no change that waits for a review", f"claude-workers ticket show {number}"
            )
        check_free(db, number)
        if verdict == REJECTED:
            rows.comment(db, number, why, actor)
        tried = [one for one in rows.labels(db, number) if one.startswith("worker:")]
        other = APPROVED if verdict == REJECTED else REJECTED
        rows.label(db, number, (verdict,), (other, *tried), actor)
        if verdict == REJECTED:
            rows.move(db, found, "rejected", actor)
        else:
            rows.log(db, number, actor, "approved", f"change/{change['id']}")


def reject(base: Database, number: int, actor: str, why: str = "") -> None:
    """Turn a proposal down: it is done, the reason beside it."""
    with base.transaction() as db:
        found = _waiting(db, number, "proposal")
        if why.strip():
            rows.comment(db, number, f"Rejected: {why.strip()}", actor)
        rows.log(db, number, actor, "rejected", why.strip()[:200])
        end(db, found, "done", actor)


def answer(base: Database, number: int, actor: str, text: str) -> list[int]:
    """Answer a question: it is done, and all that waited for it carries the answer; return those tickets."""
    with base.transaction() as db:
        found = _waiting(db, number, "question")
        rows.comment(db, number, text, actor)
        asked = db.execute("SELECT ticket_id FROM blockers WHERE blocker_id = ?", (number,)).fetchall()
        for one in asked:
            rows.comment(db, one[0], f"Answer to #{number} ({found['title']}):\n\n{text}", actor)
        rows.log(db, number, actor, "answered")
        end(db, found, "done", actor)
        return [int(one[0]) for one in asked]


def passed(base: Database, number: int, actor: str) -> None:
    """Call what was to be verified good: it is done."""
    with base.transaction() as db:
        found = _waiting(db, number, "verify")
        rows.log(db, number, actor, "passed")
        end(db, found, "done", actor)


def failed(base: Database, number: int, actor: str, reason: str) -> Failed:
    """Call what was to be verified bad: it is to be fixed and verified again, and what waited for it waits for that."""
    with base.transaction() as db:
        found = _waiting(db, number, "verify")
        rows.comment(db, number, f"Failed: {reason}", actor)
        subject = found["title"].removeprefix("Re-verify: ").removeprefix("Verify: ")[: rows.TITLE_LIMIT - 20]
        about = f"Ticket {number} did not pass: {reason}\n\n{found['description']}".strip()
        fix = file(db, Draft(
            found["repo"], f"Fix: {subject}", about, actor, "task", found["priority"], parent=found["parent"] or number,
        ))  # fmt: skip
        again = file(db, Draft(
            found["repo"], f"Re-verify: {subject}", found["description"], actor, "verify", found["priority"],
            found["assigned_to"] or HUMAN, found["parent"] or number, (fix,), blocks_dependents_of=number,
        ))  # fmt: skip
        rows.log(db, number, actor, "failed", f"fix {fix}, verified again by {again}")
        end(db, found, "done", actor)
        return Failed(fix, again)


def _waiting(db: sqlite3.Connection, number: int, kind: str) -> sqlite3.Row:
    """Return a ticket that waits for a person's word of one kind; WorkersError for any other."""
    found = rows.row(db, number, None)
    if found["type"] != kind or found["status"] == "done":
        is_one = "is done" if found["type"] == kind else f"is a {found['type']}, not a {kind}"
        raise WorkersError(f"ticket {number} {is_one}", f"claude-workers ticket show {number}")
    if kind == "verify" and rows.blockers(db, number):
        waits = ", ".join(f"#{one}" for one in rows.blockers(db, number))
        raise WorkersError(f"ticket {number} waits for {waits}", "verify it when they are done")
    return found

"""What waits for what: blocking tickets by others, never in a circle, and finding those that wait for nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_workers.errors import BadInput, NotFound
from claude_workers.tickets import rows

if TYPE_CHECKING:
    import sqlite3

# A ticket that agents may take: a task that is nobody else's and that no worker has tried, or what was given to
# this very agent (?1). The labels are those of model.says_taken.
CLAIMABLE = """SELECT t.* FROM tickets t WHERE t.status = 'open' AND (?2 IS NULL OR t.repo = ?2)
    AND (t.assigned_to = ?1 OR (t.assigned_to IS NULL AND t.type = 'task'))
    AND NOT EXISTS (SELECT 1 FROM blockers b JOIN tickets x ON x.id = b.blocker_id
                    WHERE b.ticket_id = t.id AND x.status != 'done')
    AND NOT EXISTS (SELECT 1 FROM labels l WHERE l.ticket_id = t.id
                    AND (l.name LIKE 'worker:%' OR l.name IN ('pull-request', 'answered')))
    AND (?3 IS NULL OR EXISTS (SELECT 1 FROM labels l WHERE l.ticket_id = t.id AND l.name = ?3))
    ORDER BY t.priority DESC, t.id LIMIT ?4"""


def claimable(
    db: sqlite3.Connection, agent: str | None, repo: str | None, label: str | None, most: int
) -> list[tuple[str, int]]:
    """Return repository and number of what an agent may claim, the most urgent and oldest first; all with -1."""
    return [(str(one["repo"]), int(one["id"])) for one in db.execute(CLAIMABLE, (agent, repo, label, most))]


def block(db: sqlite3.Connection, number: int, by: int) -> bool:
    """Let a ticket wait for another; tell whether that is new. BadInput for itself and for circles."""
    if number == by:
        raise BadInput(f"ticket {number} cannot wait for itself", "name another ticket")
    rows.row(db, by, None)
    if number in _behind(db, by):
        raise BadInput(
            f"ticket {by} waits for {number} already: each would wait for the other", f"claude-workers ticket show {by}"
        )
    done = db.execute("INSERT OR IGNORE INTO blockers VALUES (?, ?)", (number, by))
    return done.rowcount == 1


def unblock(db: sqlite3.Connection, number: int, by: int) -> None:
    """Let a ticket wait for another no more; NotFound when it does not."""
    gone = db.execute("DELETE FROM blockers WHERE ticket_id = ? AND blocker_id = ?", (number, by))
    if not gone.rowcount:
        raise NotFound(f"ticket {number} does not wait for {by}", f"claude-workers ticket show {number}")


def take_over(db: sqlite3.Connection, old: int, new: int, actor: str) -> list[int]:
    """Let what waits for `old` wait for `new` as well; return those tickets. BadInput for circles."""
    found = [int(one[0]) for one in db.execute("SELECT ticket_id FROM blockers WHERE blocker_id = ?", (old,))]
    for one in found:
        if one != new and block(db, one, new):
            rows.log(db, one, actor, "blocked", f"by {new}")
    return found


def _behind(db: sqlite3.Connection, number: int) -> set[int]:
    """Return all that a ticket waits for, itself included."""
    query = """WITH RECURSIVE behind (id) AS (VALUES (?) UNION
        SELECT blocker_id FROM blockers JOIN behind ON ticket_id = behind.id) SELECT id FROM behind"""
    return {int(one[0]) for one in db.execute(query, (number,))}

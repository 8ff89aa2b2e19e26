"""The verbs of tickets: create, read, comment, label, close, claim, release, record a change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_workers import clock
from claude_workers.errors import BadInput, IssueTaken
from claude_workers.model import Change, Claim, Issue
from claude_workers.tickets import rows
from claude_workers.tickets.database import Database

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

TITLE_LIMIT = 300
BODY_LIMIT = 1 << 20


class Tickets:
    """The tickets of one database; each verb is one transaction."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path)

    def create(self, repo: str, title: str, description: str, author: str) -> int:
        """File a ticket about the repository at `repo` (a real path) and return its id."""
        title = rows.checked(title.strip(), "title", TITLE_LIMIT)
        if not title or "\n" in title:
            raise BadInput("a ticket needs a title of one line", 'ticket create "What is wanted"')
        moment = clock.now()
        with self._database.transaction() as db:
            row = db.execute(
                "INSERT INTO tickets (repo, title, description, created_by, created_at, updated_at)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (repo, title, rows.checked(description, "description", BODY_LIMIT), author, moment, moment),
            )
            return int(row.lastrowid or 0)

    def read(self, number: int, repo: str | None = None) -> Issue:
        """Return a ticket; NotFound when there is none, or it is another repository's."""
        with self._database.transaction() as db:
            return rows.issue(db, rows.row(db, number, repo))

    def list(self, repo: str | None = None, *, closed: bool = False) -> list[Issue]:
        """Return the tickets by id, of one repository if it is named, closed ones on demand."""
        query = "SELECT * FROM tickets WHERE (?1 IS NULL OR repo = ?1) AND (?2 OR status != 'done') ORDER BY id"
        with self._database.transaction() as db:
            return [rows.issue(db, row) for row in db.execute(query, (repo, closed)).fetchall()]

    def check(self, number: int, repo: str) -> None:
        """Raise NotFound unless the ticket is there and about that repository."""
        with self._database.transaction() as db:
            rows.row(db, number, repo)

    def comment(self, number: int, body: str, author: str, key: str | None = None) -> None:
        """Add a comment; one with a `key` that is there already is not added twice."""
        if not body.strip():
            raise BadInput("a comment needs a text", 'ticket comment 1 "The text"')
        body = rows.checked(body, "comment", BODY_LIMIT)
        with self._database.transaction() as db:
            rows.row(db, number, None)
            db.execute(
                "INSERT OR IGNORE INTO comments (ticket_id, author, body, created_at, key) VALUES (?, ?, ?, ?, ?)",
                (number, author, body, clock.now(), key),
            )

    def label(self, number: int, add: tuple[str, ...] = (), remove: tuple[str, ...] = ()) -> None:
        """Put labels on a ticket and take others off; what is so already stays so."""
        for name in (*add, *remove):
            if not name.strip() or "\n" in name or "," in name or not rows.is_utf8(name):
                raise BadInput(f"{name[:40]!r} is not a label", "use one line without commas")
        with self._database.transaction() as db:
            rows.row(db, number, None)
            rows.label(db, number, add, remove)

    def close(self, number: int) -> None:
        """Mark a ticket done; a claimed one is refused."""
        with self._database.transaction() as db:
            rows.row(db, number, None)
            claim = db.execute("SELECT * FROM claims WHERE ticket_id = ?", (number,)).fetchone()
            if claim:
                raise IssueTaken(f"ticket {number} is claimed by worker {claim['worker']}", "stop that worker first")
            rows.status(db, number, "done")

    def claim(self, number: int, task_id: str, worker: str, place: tuple[str, str]) -> None:
        """Take a ticket for a task of the worker at `place` (host, root); IssueTaken when it is taken.

        The same task may ask again.
        """
        with self._database.transaction() as db:
            rows.row(db, number, None)
            held = db.execute("SELECT * FROM claims WHERE ticket_id = ?", (number,)).fetchone()
            if held and held["task_id"] != task_id:
                raise IssueTaken(
                    f"issue {number} is taken by worker {held['worker']}",
                    f"claude-workers watch {held['worker']}, or dispatch another issue",
                )
            if not held:
                row = (number, task_id, worker, *place, clock.now())
                db.execute("INSERT INTO claims VALUES (?, ?, ?, ?, ?, ?)", row)
                rows.status(db, number, "in_progress")

    def release(self, number: int, task_id: str, status: str) -> None:
        """Give a task's claim back and leave the ticket in `status`; not ours: nothing is done."""
        with self._database.transaction() as db:
            gone = db.execute("DELETE FROM claims WHERE ticket_id = ? AND task_id = ?", (number, task_id))
            if gone.rowcount:
                rows.status(db, number, status)

    def held(self, repo: str) -> Sequence[Claim]:
        """Return the claims on a repository's tickets."""
        query = "SELECT claims.* FROM claims JOIN tickets ON id = ticket_id WHERE repo = ? ORDER BY ticket_id"
        with self._database.transaction() as db:
            return [
                Claim.from_json({**dict(one), "repo": repo, "issue": one["ticket_id"], "since": one["claimed_at"]})
                for one in db.execute(query, (repo,)).fetchall()
            ]

    def claimed(self) -> Sequence[str]:
        """Return the repositories with claimed tickets."""
        query = "SELECT DISTINCT repo FROM claims JOIN tickets ON id = ticket_id ORDER BY repo"
        with self._database.transaction() as db:
            return [str(one["repo"]) for one in db.execute(query).fetchall()]

    def waiting(self, repo: str, label: str) -> Sequence[int]:
        """Return a repository's open tickets with a label, oldest first."""
        query = (
            "SELECT id FROM tickets JOIN labels ON ticket_id = id"
            " WHERE repo = ? AND name = ? AND status = 'open' ORDER BY id"
        )
        with self._database.transaction() as db:
            return [one["id"] for one in db.execute(query, (repo, label)).fetchall()]

    def claims(self) -> dict[int, str]:
        """Return who holds which ticket: worker ids by ticket number."""
        with self._database.transaction() as db:
            rows = db.execute("SELECT ticket_id, worker FROM claims").fetchall()
            return {row["ticket_id"]: row["worker"] for row in rows}

    def record(self, change: Change) -> int:
        """Record a published branch, or bring its record up to date; return the change's number."""
        moment = clock.now()
        with self._database.transaction() as db:
            if change.issue is not None:
                rows.row(db, change.issue, None)
            db.execute(
                "INSERT INTO changes (ticket_id, repo, branch, base, head, task_id, worker, title, body,"
                " draft, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (repo, branch) DO UPDATE SET ticket_id = excluded.ticket_id, base = excluded.base,"
                " head = excluded.head, task_id = excluded.task_id, worker = excluded.worker,"
                " title = excluded.title, body = excluded.body, draft = excluded.draft, state = 'open',"
                " updated_at = excluded.updated_at",
                (change.issue, change.repo, change.branch, change.base, change.head, change.task_id,
                 change.worker, change.title, change.body, change.draft, moment, moment),
            )  # fmt: skip
            row = db.execute(
                "SELECT id FROM changes WHERE repo = ? AND branch = ?", (change.repo, change.branch)
            ).fetchone()
            return int(row["id"])

    def change(self, repo: str, branch: str) -> Change | None:
        """Return the open change of a branch; None when there is none."""
        with self._database.transaction() as db:
            row = db.execute(
                "SELECT * FROM changes WHERE repo = ? AND branch = ? AND state = 'open'", (repo, branch)
            ).fetchone()
            if row is None:
                return None
            data = dict(row)
            return Change.from_json(
                {**data, "number": data["id"], "issue": data["ticket_id"], "draft": bool(data["draft"])}
            )

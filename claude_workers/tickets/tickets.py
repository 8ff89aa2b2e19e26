"""The verbs of tickets: create, read, comment, label, close, claim, release, record a change."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from claude_workers import clock
from claude_workers.errors import Busy, IssueTaken, NotFound, Refused, WorkersError
from claude_workers.model import HUMAN, Change, Claim, Issue, Remark
from claude_workers.text import plain
from claude_workers.tickets import graph, people, queue, rows
from claude_workers.tickets.database import Database

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from pathlib import Path

    from claude_workers.model import Task

OURS = "claude-workers"
_ASKED = 120


class Tickets:
    """The tickets of one database as issues of a forge; each verb is one transaction."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._database = Database(path)

    def create(self, repo: str, title: str, description: str, author: str) -> int:
        """File a ticket about the repository at `repo` (a real path) and return its id."""
        with self._database.transaction() as db:
            return queue.file(db, queue.Draft(repo, title, description, author))

    def read(self, number: int, repo: str | None = None) -> Issue:
        """Return a ticket; NotFound when there is none, or it is another repository's."""
        with self._database.reading() as db:
            return rows.issue(db, rows.row(db, number, repo))

    def check(self, number: int, repo: str) -> None:
        """Raise NotFound unless the ticket is there and about that repository."""
        with self._database.reading() as db:
            rows.row(db, number, repo)

    def comment(self, number: int, body: str, author: str, key: str | None = None) -> None:
        """Add a comment; one with a `key` that is there already is not added twice."""
        with self._database.transaction() as db:
            rows.row(db, number, None)
            rows.comment(db, number, body, author, key)

    def label(self, number: int, add: tuple[str, ...] = (), remove: tuple[str, ...] = (), actor: str = OURS) -> None:
        """Put labels on a ticket and take others off; what is so already stays so."""
        with self._database.transaction() as db:
            rows.row(db, number, None)
            rows.label(db, number, add, remove, actor)

    def claim(self, number: int, task_id: str, worker: str, place: tuple[str, str], verdict: str | None = None) -> None:
        """Take a ticket for a task of the worker at `place` (host, root); IssueTaken when it is taken.

        The same task may ask again, and what was claimed for this worker by name is its task's now. Refused
        for what a person must do, Busy while it waits for other tickets, or where a review's `verdict`, for which
        it is to be taken, was taken back.
        """
        with self._database.transaction() as db:
            ticket = rows.row(db, number, None)
            held = db.execute("SELECT * FROM claims WHERE ticket_id = ?", (number,)).fetchone()
            if held and held["task_id"] == task_id:
                return
            if held and (held["task_id"] or held["worker"] != worker):
                raise IssueTaken(
                    f"issue {number} is taken by worker {held['worker']}",
                    f"claude-workers watch {held['worker']}, or dispatch another issue",
                )
            _check_claimable(db, ticket)
            if verdict and verdict not in rows.labels(db, number):
                raise Busy(f"ticket {number} is not {verdict} any more", f"claude-workers ticket show {number}")
            row = (number, task_id, worker, *place, clock.now())
            db.execute("INSERT OR REPLACE INTO claims VALUES (?, ?, ?, ?, ?, ?)", row)
            if not held:
                rows.move(db, ticket, "claimed", worker)

    def release(self, number: int, task_id: str, verb: str) -> None:
        """Give a task's claim back: the ticket is `completed` or `unclaimed` by that; not ours: nothing is done."""
        with self._database.transaction() as db:
            held = db.execute("SELECT * FROM claims WHERE ticket_id = ? AND task_id = ?", (number, task_id)).fetchone()
            if held:
                db.execute("DELETE FROM claims WHERE ticket_id = ?", (number,))
                if verb != "unclaimed":  # what a review asked for was done
                    rows.label(db, number, (), (people.APPROVED, people.REJECTED), held["worker"])
                rows.move(db, rows.row(db, number, None), verb, held["worker"])

    def held(self, repo: str) -> Sequence[Claim]:
        """Return the claims on a repository's tickets; with "" as task what was claimed by name, for no task."""
        query = "SELECT claims.* FROM claims JOIN tickets ON id = ticket_id WHERE repo = ? ORDER BY ticket_id"
        with self._database.reading() as db:
            return [
                Claim.from_json({**dict(one), "repo": repo, "issue": one["ticket_id"], "since": one["claimed_at"]})
                for one in db.execute(query, (repo,)).fetchall()
            ]

    def claimed(self) -> Sequence[str]:
        """Return the repositories with tickets that tasks have claimed."""
        query = "SELECT DISTINCT repo FROM claims JOIN tickets ON id = ticket_id WHERE task_id != '' ORDER BY repo"
        with self._database.reading() as db:
            return [str(one["repo"]) for one in db.execute(query).fetchall()]

    def claimable(self, repo: str | None, label: str | None) -> Sequence[tuple[str, int]]:
        """Return what may be claimed, of one repository or of all: repository and number of each, in their order."""
        with self._database.reading() as db:
            return graph.claimable(db, None, repo, label or None, -1)

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
            if change.issue is not None:
                rows.log(db, change.issue, change.worker, "proposed", f"change/{row['id']}")
            return int(row["id"])

    def ask(self, repo: str, task: Task, question: str, key: str) -> int:
        """File a question of a task's agent for a person, once for each key; its ticket waits for the answer."""
        with self._database.transaction() as db:
            asked = db.execute("SELECT ticket_id FROM comments WHERE key = ?", (key,)).fetchone()
            if asked:
                return int(asked[0])
            about = task.issue if repo == task.repository.path else None
            title = plain(" ".join(question.split()))
            draft = queue.Draft(
                repo, title if len(title) <= _ASKED else f"{title[:_ASKED]}…", question, f"worker {task.worker}",
                "question", assigned_to=HUMAN, parent=about,
            )  # fmt: skip
            number = queue.file(db, draft)
            rows.comment(db, number, f"claude-workers ticket answer {number} TEXT: the task goes on then.", OURS, key)
            if about is not None:
                graph.block(db, about, number)
                rows.log(db, about, task.worker, "asked", f"#{number}")
            return number

    def propose(self, repo: str, title: str, text: str, author: str, most: int) -> int | None:
        """File a proposal; None when a ticket of that title is there, whatever became of it, or `most` are open."""
        with self._database.transaction() as db:
            query = "SELECT title, type = 'proposal' AND status != 'done' AS open FROM tickets WHERE repo = ?"
            found = db.execute(query, (repo,)).fetchall()
            if _words(title) in {_words(one["title"]) for one in found} or sum(one["open"] for one in found) >= most:
                return None
            return queue.file(db, queue.Draft(repo, title, text, author, "proposal"))

    def repositories(self) -> Sequence[str]:
        """Return the repositories that there are tickets about."""
        with self._database.reading() as db:
            return [str(one["repo"]) for one in db.execute("SELECT DISTINCT repo FROM tickets ORDER BY repo")]

    def answer(self, key: str) -> str | None:
        """Return what people said to the question of that key, once it is done; None before."""
        query = (
            "SELECT ticket_id FROM comments JOIN tickets ON tickets.id = ticket_id WHERE key = ? AND status = 'done'"
        )
        with self._database.reading() as db:
            asked = db.execute(query, (key,)).fetchone()
            if asked is None:
                return None
            said = [one.body for one in rows.comments(db, asked[0]) if one.author != OURS]
            return "\n\n".join(said) or "(no answer was given)"

    def land(self, repo: str, branch: str, head: str) -> None:
        """Note that a branch's open change was merged, with this head."""
        with self._database.transaction() as db:
            query = "SELECT * FROM changes WHERE repo = ? AND branch = ? AND state = 'open'"
            row = db.execute(query, (repo, branch)).fetchone()
            if row:
                query = "UPDATE changes SET state = 'merged', head = ?, updated_at = ? WHERE id = ?"
                db.execute(query, (head, clock.now(), row["id"]))
                if row["ticket_id"] is not None:
                    rows.log(db, row["ticket_id"], row["worker"], "merged", f"change/{row['id']} at {head[:12]}")

    def change(self, repo: str, branch: str) -> Change | None:
        """Return the open change of a branch; None when there is none."""
        with self._database.reading() as db:
            row = db.execute(
                "SELECT * FROM changes WHERE repo = ? AND branch = ? AND state = 'open'", (repo, branch)
            ).fetchone()
            return _change(row) if row else None

    def change_of(self, number: int) -> Change | None:
        """Return a ticket's open change, the last one where there are several; None when there is none."""
        query = "SELECT * FROM changes WHERE ticket_id = ? AND state = 'open' ORDER BY updated_at DESC, id DESC"
        with self._database.reading() as db:
            row = db.execute(query, (number,)).fetchone()
            return _change(row) if row else None

    def open_changes(self) -> Sequence[Change]:
        """Return every change that was neither merged nor given up."""
        with self._database.reading() as db:
            return [_change(one) for one in db.execute("SELECT * FROM changes WHERE state = 'open' ORDER BY id")]

    def recorded(self, number: int, repo: str) -> tuple[Change, str]:
        """Return a change by its own number, and its state: open or merged; NotFound when there is none."""
        with self._database.reading() as db:
            row = db.execute("SELECT * FROM changes WHERE id = ? AND repo = ?", (number, repo)).fetchone()
            if row is None:
                raise NotFound(f"there is no change {number} of {repo}", "claude-workers ticket list")
            return _change(row), str(row["state"])

    def said_since(self, change: int) -> Sequence[Remark]:
        """Return what people said under a change's ticket since it was first proposed."""
        query = (
            "SELECT comments.* FROM comments JOIN changes USING (ticket_id) WHERE changes.id = ? AND author != ?"
            " AND comments.created_at > changes.created_at ORDER BY comments.id"
        )
        with self._database.reading() as db:
            found = db.execute(query, (change, OURS)).fetchall()
            return [Remark(f"comment:{one['id']}", one["author"], one["body"]) for one in found]


def _words(title: str) -> tuple[str, ...]:
    """Return a title as it is compared: its words, whatever stands between them."""
    return tuple(re.findall(r"\w+", title.casefold()))


def _change(row: sqlite3.Row) -> Change:
    data = dict(row)
    return Change.from_json({**data, "number": data["id"], "issue": data["ticket_id"], "draft": bool(data["draft"])})


def _check_claimable(db: sqlite3.Connection, ticket: sqlite3.Row) -> None:
    """Raise what forbids a task to take a ticket that nobody holds."""
    number = ticket["id"]
    if ticket["status"] == "done":
        raise WorkersError(f"ticket {number} is done", "file another ticket")
    if ticket["type"] != "task" and ticket["assigned_to"] == HUMAN:
        raise Refused(f"ticket {number} is a {ticket['type']} for a person", f"claude-workers ticket show {number}")
    waits = ", ".join(f"#{one}" for one in rows.blockers(db, number))
    if waits:
        raise Busy(f"ticket {number} waits for {waits}", f"claude-workers ticket unblock {number} --by N, or wait")

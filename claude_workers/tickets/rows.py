"""The rows of the tickets database, read as nouns and changed one by one inside a transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_workers import clock
from claude_workers.errors import BadInput, NotFound
from claude_workers.model import Comment, Issue

if TYPE_CHECKING:
    import sqlite3


def checked(text: str, what: str, limit: int) -> str:
    """Return a text that fits; BadInput otherwise."""
    if "\0" in text or len(text) > limit or not is_utf8(text):
        raise BadInput(f"the {what} is longer than {limit} characters or not text", "shorten it")
    return text


def is_utf8(text: str) -> bool:
    """Tell whether a text can be written at all."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def row(db: sqlite3.Connection, number: int, repo: str | None) -> sqlite3.Row:
    """Return a ticket's row; NotFound when there is none, or it is about another than `repo`."""
    asked = number if abs(number) < 1 << 63 else -1  # SQLite's integers end there
    found: sqlite3.Row | None = db.execute("SELECT * FROM tickets WHERE id = ?", (asked,)).fetchone()
    if found is None:
        raise NotFound(f"there is no ticket {number}", "claude-workers ticket list")
    if repo is not None and found["repo"] != repo:
        raise NotFound(f"ticket {number} is about {found['repo']}", f"name that repository, or list --repo {repo}")
    return found


def issue(db: sqlite3.Connection, ticket: sqlite3.Row) -> Issue:
    """Return a ticket as an issue."""
    labels = db.execute("SELECT name FROM labels WHERE ticket_id = ? ORDER BY name", (ticket["id"],))
    comments = db.execute("SELECT * FROM comments WHERE ticket_id = ? ORDER BY id", (ticket["id"],))
    return Issue(
        number=ticket["id"],
        title=ticket["title"],
        body=ticket["description"],
        author=ticket["created_by"],
        url=f"ticket:{ticket['id']}",
        state="closed" if ticket["status"] == "done" else "open",
        labels=[one["name"] for one in labels],
        comments=[Comment(one["author"], one["body"], one["created_at"]) for one in comments],
    )


def label(db: sqlite3.Connection, number: int, add: tuple[str, ...], remove: tuple[str, ...]) -> None:
    """Put labels on a ticket and take others off."""
    for name in add:
        db.execute("INSERT OR IGNORE INTO labels VALUES (?, ?)", (number, name.strip()))
    for name in remove:
        db.execute("DELETE FROM labels WHERE ticket_id = ? AND name = ?", (number, name.strip()))
    db.execute("UPDATE tickets SET updated_at = ? WHERE id = ?", (clock.now(), number))


def status(db: sqlite3.Connection, number: int, status: str) -> None:
    """Set a ticket's status."""
    db.execute("UPDATE tickets SET status = ?, updated_at = ? WHERE id = ?", (status, clock.now(), number))

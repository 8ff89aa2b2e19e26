"""The rows of the tickets database, read as nouns and changed one by one inside a transaction."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from claude_workers import clock
from claude_workers.errors import BadInput, NotFound
from claude_workers.model import Comment, Issue, Ticket
from claude_workers.tickets import states

if TYPE_CHECKING:
    import sqlite3

TITLE_LIMIT = 300
BODY_LIMIT = 1 << 20
# What a terminal would obey instead of showing it.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def checked(text: str, what: str, limit: int) -> str:
    """Return a text that fits; BadInput otherwise."""
    if "\0" in text or len(text) > limit or not is_utf8(text):
        raise BadInput(f"the {what} is longer than {limit} characters or not text", "shorten it")
    return text


def name(text: str, what: str) -> str:
    """Return somebody's name: one line of text; BadInput otherwise."""
    if not text.strip() or _CONTROL.search(text):
        raise BadInput(f"{text[:40]!r} is no {what}", "name somebody in one line")
    return checked(text.strip(), what, TITLE_LIMIT)


def title(text: str) -> str:
    """Return a ticket's title: one line of text; BadInput otherwise."""
    text = checked(text.strip(), "title", TITLE_LIMIT)
    if not text or _CONTROL.search(text):
        raise BadInput("a ticket needs a title of one line", 'ticket create "What is wanted"')
    return text


def label_name(text: str) -> str:
    """Return a label; BadInput for what none can be."""
    if not text.strip() or "\n" in text or "," in text or not is_utf8(text):
        raise BadInput(f"{text[:40]!r} is not a label", "use one line without commas")
    return text.strip()


def body(text: str, what: str) -> str:
    """Return a long text; BadInput when it is none."""
    return checked(text, what, BODY_LIMIT)


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
    return Issue(
        number=ticket["id"],
        title=ticket["title"],
        body=ticket["description"],
        author=ticket["created_by"],
        url=f"ticket:{ticket['id']}",
        state="closed" if ticket["status"] == "done" else "open",
        labels=labels(db, ticket["id"]),
        comments=comments(db, ticket["id"]),
    )


def whole(db: sqlite3.Connection, found: sqlite3.Row) -> Ticket:
    """Return a ticket with all that hangs on it."""
    number = found["id"]
    claim = db.execute("SELECT worker FROM claims WHERE ticket_id = ?", (number,)).fetchone()
    holder = str(claim["worker"]) if claim else None
    data = {column: found[column] for column in found.keys()}  # noqa: SIM118  a row iterates over its values
    return Ticket(
        **{**data, "assigned_to": found["assigned_to"] or holder},
        labels=labels(db, number),
        claimed_by=holder,
        blocked_by=blockers(db, number),
        blocks=_numbers(db, "SELECT ticket_id FROM blockers WHERE blocker_id = ? ORDER BY 1", number),
        children=_numbers(db, "SELECT id FROM tickets WHERE parent = ? ORDER BY 1", number),
        comments=comments(db, number),
    )


def blockers(db: sqlite3.Connection, number: int) -> list[int]:
    """Return the tickets that must be done before this one."""
    query = (
        "SELECT id FROM blockers JOIN tickets ON id = blocker_id WHERE ticket_id = ? AND status != 'done' ORDER BY 1"
    )
    return _numbers(db, query, number)


def labels(db: sqlite3.Connection, number: int) -> list[str]:
    """Return a ticket's labels by name."""
    found = db.execute("SELECT name FROM labels WHERE ticket_id = ? ORDER BY name", (number,))
    return [str(one["name"]) for one in found]


def comments(db: sqlite3.Connection, number: int) -> list[Comment]:
    """Return a ticket's conversation."""
    found = db.execute("SELECT * FROM comments WHERE ticket_id = ? ORDER BY id", (number,))
    return [Comment(one["author"], one["body"], one["created_at"]) for one in found]


def _numbers(db: sqlite3.Connection, query: str, number: int) -> list[int]:
    return [int(one[0]) for one in db.execute(query, (number,))]


def log(db: sqlite3.Connection, number: int, actor: str, action: str, detail: str = "") -> None:
    """Write into the log what somebody did to a ticket."""
    moment = clock.now()
    db.execute(
        "INSERT INTO activity_log (ticket_id, at, actor, action, detail) VALUES (?, ?, ?, ?, ?)",
        (number, moment, actor, action, detail),
    )
    db.execute("UPDATE tickets SET updated_at = ? WHERE id = ?", (moment, number))


def label(db: sqlite3.Connection, number: int, add: tuple[str, ...], remove: tuple[str, ...], actor: str) -> None:
    """Put labels on a ticket and take others off."""
    put, taken = "INSERT OR IGNORE INTO labels VALUES (?, ?)", "DELETE FROM labels WHERE ticket_id = ? AND name = ?"
    wanted = [("+", put, one) for one in add] + [("-", taken, one) for one in remove]
    done = [
        f"{sign}{one.strip()}" for sign, query, one in wanted if db.execute(query, (number, label_name(one))).rowcount
    ]
    if done:
        log(db, number, actor, "labelled", " ".join(done))


def move(db: sqlite3.Connection, ticket: sqlite3.Row, verb: str, actor: str, detail: str = "") -> None:
    """Lead a ticket to where a verb leads, and log it; WorkersError where it leads nowhere."""
    status = states.after(verb, ticket["status"], ticket["id"])
    db.execute("UPDATE tickets SET status = ? WHERE id = ?", (status, ticket["id"]))
    log(db, ticket["id"], actor, verb, detail)


def comment(db: sqlite3.Connection, number: int, text: str, author: str, key: str | None = None) -> None:
    """Add a comment; one with a `key` that is there already is not added twice."""
    if not text.strip():
        raise BadInput("a comment needs a text", 'ticket comment 1 "The text"')
    added = db.execute(
        "INSERT OR IGNORE INTO comments (ticket_id, author, body, created_at, key) VALUES (?, ?, ?, ?, ?)",
        (number, name(author, "author"), body(text, "comment"), clock.now(), key),
    )
    if added.rowcount:
        log(db, number, author, "commented")

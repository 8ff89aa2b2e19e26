"""The schema of the tickets database, as the migrations that lead to it: one for each version."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable


def _tickets(db: sqlite3.Connection) -> None:
    db.execute(
        """CREATE TABLE tickets (
            id INTEGER PRIMARY KEY AUTOINCREMENT, repo TEXT NOT NULL, title TEXT NOT NULL,
            description TEXT NOT NULL DEFAULT '', status TEXT NOT NULL DEFAULT 'open'
                CHECK (status IN ('open', 'in_progress', 'ready', 'done')),
            created_by TEXT NOT NULL, created_at TEXT NOT NULL, updated_at TEXT NOT NULL)"""
    )
    db.execute(
        """CREATE TABLE labels (
            ticket_id INTEGER NOT NULL REFERENCES tickets (id), name TEXT NOT NULL,
            PRIMARY KEY (ticket_id, name))"""
    )
    db.execute(
        """CREATE TABLE comments (
            id INTEGER PRIMARY KEY AUTOINCREMENT, ticket_id INTEGER NOT NULL REFERENCES tickets (id),
            author TEXT NOT NULL, body TEXT NOT NULL, created_at TEXT NOT NULL, key TEXT,
            UNIQUE (ticket_id, key))"""
    )


def _claims(db: sqlite3.Connection) -> None:
    db.execute(
        """CREATE TABLE claims (
            ticket_id INTEGER PRIMARY KEY REFERENCES tickets (id), task_id TEXT NOT NULL,
            worker TEXT NOT NULL, host TEXT NOT NULL, root TEXT NOT NULL, claimed_at TEXT NOT NULL)"""
    )


def _changes(db: sqlite3.Connection) -> None:
    db.execute(
        """CREATE TABLE changes (
            id INTEGER PRIMARY KEY AUTOINCREMENT, ticket_id INTEGER REFERENCES tickets (id),
            repo TEXT NOT NULL, branch TEXT NOT NULL, base TEXT NOT NULL, head TEXT NOT NULL,
            task_id TEXT NOT NULL, worker TEXT NOT NULL, title TEXT NOT NULL, body TEXT NOT NULL,
            draft INTEGER NOT NULL, state TEXT NOT NULL DEFAULT 'open', created_at TEXT NOT NULL,
            updated_at TEXT NOT NULL, UNIQUE (repo, branch))"""
    )


def _queue(db: sqlite3.Connection) -> None:
    for column in (
        "type TEXT NOT NULL DEFAULT 'task' CHECK (type IN ('task', 'proposal', 'question', 'verify'))",
        "priority INTEGER NOT NULL DEFAULT 0",
        "assigned_to TEXT",
        "parent INTEGER REFERENCES tickets (id)",
    ):
        db.execute(f"ALTER TABLE tickets ADD COLUMN {column}")
    db.execute(
        """CREATE TABLE blockers (
            ticket_id INTEGER NOT NULL REFERENCES tickets (id), blocker_id INTEGER NOT NULL REFERENCES tickets (id),
            PRIMARY KEY (ticket_id, blocker_id), CHECK (ticket_id != blocker_id))"""
    )
    db.execute("CREATE INDEX blocks ON blockers (blocker_id)")
    db.execute("CREATE INDEX claimable ON tickets (priority DESC, id) WHERE status = 'open'")
    db.execute(
        """CREATE TABLE activity_log (
            id INTEGER PRIMARY KEY AUTOINCREMENT, ticket_id INTEGER NOT NULL REFERENCES tickets (id),
            at TEXT NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL, detail TEXT NOT NULL)"""
    )


MIGRATIONS: list[Callable[[sqlite3.Connection], None]] = [_tickets, _claims, _changes, _queue]

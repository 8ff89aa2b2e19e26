"""The tickets database: opened with its migrations applied, every change one transaction."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import time
from typing import TYPE_CHECKING

from claude_workers import files
from claude_workers.errors import BadInput, NoSpace, WorkersError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_ROOM = 1 << 20
_BUSY_MS = 30_000
_PAUSE = 0.02


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


MIGRATIONS: list[Callable[[sqlite3.Connection], None]] = [_tickets, _claims, _changes]


class Database:
    """One database file, opened anew for each transaction: cheap, and safe in any thread."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Give a connection whose writes are all kept or, when the block raises, none."""
        files.make_private(self.path.parent)
        try:
            db = sqlite3.connect(self.path, timeout=_BUSY_MS / 1000, isolation_level=None)
            try:
                db.row_factory = sqlite3.Row
                db.execute("PRAGMA foreign_keys = ON")
                _prepare(db, self.path)
                db.execute("BEGIN IMMEDIATE")
                try:
                    yield db
                except BaseException:
                    db.execute("ROLLBACK")
                    raise
                db.execute("COMMIT")
            finally:
                db.close()
        except sqlite3.DatabaseError as error:
            raise _mapped(self.path, error) from error


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    """Apply the migrations that the file has not seen; refuse one that has seen more."""
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version == len(MIGRATIONS):
        return
    if version > len(MIGRATIONS):
        raise BadInput(f"{path} was written by a newer version", "update claude-workers")
    path.chmod(files.PRIVATE_FILE)
    _use_wal(db)
    db.execute("BEGIN IMMEDIATE")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    for migrate in MIGRATIONS[version:]:
        migrate(db)
    db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    db.execute("COMMIT")


def _use_wal(db: sqlite3.Connection) -> None:
    """Switch to write-ahead logging; SQLite's own patience does not cover that."""
    deadline = time.monotonic() + _BUSY_MS / 1000
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE)
        else:
            return


def _mapped(path: Path, error: sqlite3.DatabaseError) -> WorkersError:
    if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
        return WorkersError(f"{path} is locked by another program", "ask again in a moment")
    # A write-ahead log that finds no room is told as an I/O error.
    narrow = "disk I/O" in str(error) and shutil.disk_usage(path.parent).free < _ROOM
    if isinstance(error, sqlite3.OperationalError) and ("full" in str(error) or narrow):
        return NoSpace(f"no space left to write {path}", "free some disk space and ask again")
    return WorkersError(f"{path}: {error}", "restore it from a copy, or move it away")

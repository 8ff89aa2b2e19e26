"""The tickets database: opened with its migrations applied, every change one transaction."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import threading
import time
from typing import TYPE_CHECKING

from claude_workers import files
from claude_workers.errors import BadInput, NoSpace, WorkersError
from claude_workers.tickets.schema import MIGRATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ROOM = 1 << 20
_BUSY_MS = 30_000
_PAUSE = 0.02


class Database:
    """One database file with one connection, which its threads use one after another."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._one = threading.Lock()
        self._open: sqlite3.Connection | None = None
        self._opened: tuple[int, int, int] | None = None

    def __del__(self) -> None:
        # A connection is in a circle with its own cache: left alone it would stay open until that is collected.
        self._close()

    @contextlib.contextmanager
    def transaction(self, kind: str = "IMMEDIATE") -> Iterator[sqlite3.Connection]:
        """Give a connection whose writes are all kept or, when the block raises, none."""
        try:
            with self._one:
                db = self._connection()
                try:
                    db.execute(f"BEGIN {kind}")
                    _check_version(db, self.path)
                    yield db
                    db.execute("COMMIT")
                except BaseException:
                    self._close()  # which rolls back, and leaves nothing of what went wrong
                    raise
        except sqlite3.DatabaseError as error:
            raise _mapped(self.path, error) from error

    def reading(self) -> contextlib.AbstractContextManager[sqlite3.Connection]:
        """Give a connection that sees one moment and holds nobody up."""
        return self.transaction("DEFERRED")

    def migrate(self) -> tuple[int, int]:
        """Bring the file up to date; return its versions before and after."""
        before = 0
        try:
            if self.path.is_file() and self.path.stat().st_size:
                with contextlib.closing(sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True)) as db:
                    before = _version(db)
        except sqlite3.DatabaseError as error:
            raise _mapped(self.path, error) from error
        with self.reading() as db:
            return before, _version(db)

    def _connection(self) -> sqlite3.Connection:
        """Return the connection to the very file that has the name now."""
        if self._open and self._opened == self._identity():
            return self._open
        self._close()
        files.make_private(self.path.parent)
        db = sqlite3.connect(self.path, timeout=_BUSY_MS / 1000, isolation_level=None, check_same_thread=False)
        try:
            db.row_factory = sqlite3.Row
            db.execute("PRAGMA foreign_keys = ON")
            _prepare(db, self.path)
        except BaseException:
            db.close()
            raise
        self._open, self._opened = db, self._identity()
        return db

    def _identity(self) -> tuple[int, int, int] | None:
        """Return whose connection to which file: a child must not use its parent's, nor anybody a file that is gone."""
        try:
            found = os.stat(self.path)
        except OSError:
            return None
        return (os.getpid(), found.st_dev, found.st_ino)

    def _close(self) -> None:
        held, self._open = self._open, None
        if held:
            held.close()


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _check_version(db: sqlite3.Connection, path: Path) -> None:
    """Refuse a file that a newer version has changed, be it while we were connected."""
    if _version(db) > len(MIGRATIONS):
        raise BadInput(f"{path} was written by a newer version", "update claude-workers")


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    """Apply the migrations that the file has not seen; refuse one that has seen more, or is another program's."""
    if _version(db) == len(MIGRATIONS):
        return
    _check_version(db, path)
    if not _version(db) and db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] and not _version(db):
        raise BadInput(f"{path} is another program's database", "name another file with --db, or move it away")
    path.chmod(files.PRIVATE_FILE)
    _use_wal(db)
    db.execute("BEGIN IMMEDIATE")
    for migrate in MIGRATIONS[_version(db) :]:
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

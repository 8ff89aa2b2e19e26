"""The tickets database: migrated from nothing, refused when newer, whole whatever happens."""

from __future__ import annotations

import contextlib
import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from claude_workers.errors import BadInput, WorkersError
from claude_workers.tickets.database import Database
from claude_workers.tickets.queue import Draft, Queue
from claude_workers.tickets.schema import MIGRATIONS
from claude_workers.tickets.tickets import Tickets
from tests.racing import race

TABLES = {"tickets", "labels", "comments", "claims", "changes", "blockers", "activity_log"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database will be."""
    return tmp_path / "root" / "tickets.db"


def tables(path: Path) -> set[str]:
    with sqlite3.connect(path) as db:
        return {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")} - {
            "sqlite_sequence"
        }


def version(path: Path) -> int:
    with sqlite3.connect(path) as db:
        return int(db.execute("PRAGMA user_version").fetchone()[0])


@pytest.mark.parametrize("exists", [False, True])
def test_a_database_is_made_from_nothing_and_from_no_bytes(path: Path, *, exists: bool) -> None:
    if exists:
        path.parent.mkdir()
        path.touch(0o644)
    with Database(path).transaction():
        pass
    assert tables(path) == TABLES
    assert version(path) == len(MIGRATIONS)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_folder_that_was_there_before_keeps_its_permissions(path: Path) -> None:
    path.parent.mkdir()
    path.parent.chmod(0o1777)
    Queue(path).list()
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o1777


@pytest.mark.parametrize("seen", range(1, len(MIGRATIONS)))
def test_an_older_database_is_brought_up_to_date_and_loses_nothing(seen: int, path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as db:
        for migrate in MIGRATIONS[:seen]:
            migrate(db)
        db.execute(
            "INSERT INTO tickets (repo, title, created_by, created_at, updated_at)"
            " VALUES ('/r', 'Old', 'ann', 'x', 'x')"
        )
        db.execute(f"PRAGMA user_version = {seen}")
    assert Tickets(path).read(1).title == "Old"
    assert tables(path) == TABLES
    assert version(path) == len(MIGRATIONS)


def test_a_newer_database_is_refused_and_left_as_it_is(path: Path) -> None:
    Tickets(path).create("/r", "Kept", "", "ann")
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    with pytest.raises(BadInput, match="newer version"):
        Tickets(path).create("/r", "Never", "", "ann")
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT title FROM tickets").fetchall() == [("Kept",)]


def test_a_database_that_became_newer_while_it_was_used_is_refused(path: Path) -> None:
    queue = Queue(path)
    queue.list()
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    with pytest.raises(BadInput, match="newer version"):
        queue.list()


def test_another_programs_database_is_refused_and_left_as_it_is(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE tickets (id INTEGER)")
    with pytest.raises(BadInput, match="another program"):
        Queue(path).list()
    assert (tables(path), version(path)) == ({"tickets"}, 0)


def test_a_file_that_was_moved_away_is_not_written_to(path: Path) -> None:
    queue = Queue(path)
    queue.create(Draft("/r", "First"))
    path.parent.rename(path.parent.with_name("away"))
    assert queue.create(Draft("/r", "Second")) == 1
    assert [one.title for one in queue.list()] == ["Second"]


@pytest.mark.parametrize("seen", range(len(MIGRATIONS) + 1))
def test_a_migration_tells_from_where_and_to_where(seen: int, path: Path) -> None:
    path.parent.mkdir()
    if seen:
        with sqlite3.connect(path) as db:
            for migrate in MIGRATIONS[:seen]:
                migrate(db)
            db.execute(f"PRAGMA user_version = {seen}")
    assert Database(path).migrate() == (seen, len(MIGRATIONS))
    assert Database(path).migrate() == (len(MIGRATIONS),) * 2


def test_a_corrupt_file_is_not_migrated(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"not a database " * 1000)
    with pytest.raises(WorkersError, match=r"tickets\.db"):
        Database(path).migrate()


def test_who_reads_does_not_wait_for_who_writes(path: Path) -> None:
    Queue(path).create(Draft("/r", "Seen"))
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert [one.title for one in Queue(path).list()] == ["Seen"]


@pytest.mark.parametrize("content", [b"not a database " * 1000, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_corrupt_file_is_our_error_with_a_remedy_and_is_left_as_it_is(content: bytes, path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(WorkersError) as caught:
        Queue(path).list()
    assert str(path) in caught.value.message
    assert caught.value.remedy
    assert path.read_bytes() == content


def test_a_database_with_a_hole_in_it_is_our_error(path: Path) -> None:
    tickets = Tickets(path)
    for number in range(50):
        tickets.create("/r", f"Ticket {number}", "x" * 1000, "ann")
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with open(path, "r+b") as stream:
        stream.seek(4096)
        stream.write(b"\xff" * (path.stat().st_size - 4096))
    with pytest.raises(WorkersError, match=r"tickets\.db"):
        Queue(path).list()


def test_a_folder_is_no_database(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(WorkersError) as caught:
        Queue(path).list()
    assert str(path) in caught.value.message


CHANGE = "INSERT INTO changes VALUES (1, NULL, 'r', 'b', 'm', 'h', 't', 'w', 'x', '', 0, 'open', '', '')"


def interrupted(base: Database) -> None:
    """Write something in a block that then fails."""
    with base.transaction() as db:
        db.execute(CHANGE)
        raise RuntimeError("half way")


def test_a_block_that_fails_changes_nothing(path: Path) -> None:
    base = Database(path)
    with pytest.raises(RuntimeError, match="half way"):
        interrupted(base)
    with base.transaction() as db:
        assert db.execute("SELECT count(*) FROM changes").fetchone()[0] == 0
        db.execute(CHANGE)
    with base.transaction() as db:
        assert db.execute("SELECT count(*) FROM changes").fetchone()[0] == 1


def test_twenty_that_open_a_new_database_at_once_find_it_whole(path: Path) -> None:
    answers = race(lambda number: Tickets(path).create("/r", f"Ticket {number}", "", "ann"))
    assert sorted(answers, key=str) == sorted(range(1, 21), key=str)
    assert tables(path) == TABLES
    assert len(Queue(path).list()) == 20


@pytest.mark.parametrize("lock", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"])
def test_a_new_database_that_another_program_is_writing_to_is_waited_for(lock: str, path: Path) -> None:
    path.parent.mkdir()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other, ThreadPoolExecutor(1) as pool:
        other.execute(lock)
        number = pool.submit(Tickets(path).create, "/r", "Patient", "", "ann")
        wait([number], timeout=0.1)
        other.execute("ROLLBACK")
        assert number.result() == 1


def test_a_claim_on_a_ticket_that_is_not_there_cannot_be_written(path: Path) -> None:
    with pytest.raises(WorkersError), Database(path).transaction() as db:
        db.execute("INSERT INTO claims VALUES (7, 't', '01', 'h', 'r', 'x')")

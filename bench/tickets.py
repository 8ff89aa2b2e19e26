"""Tickets: claims a second beside a bare loop of the same SQL, and what a loop costs that has nothing to do."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.common import Desk, Row, interleave
from claude_workers import clock
from claude_workers.tickets import graph
from claude_workers.tickets.queue import Draft, Queue

_CLAIMS = 300
_REPEATS = 7
_IDLE = 20.0


def _filled(folder: Path) -> Queue:
    queue = Queue(Path(tempfile.mkdtemp(dir=folder)) / "tickets.db")
    queue.create_all([(Draft("/srv/repo", f"Ticket {number}"), ()) for number in range(_CLAIMS)])
    return queue


def _ours(folder: Path) -> float:
    queue = _filled(folder)
    begun = time.perf_counter()
    for _ in range(_CLAIMS):
        assert queue.claim_next("a1")
    return (time.perf_counter() - begun) / _CLAIMS


def _bare(folder: Path) -> float:
    """Claim by the same statements, one after another, on one connection."""
    queue = _filled(folder)
    with sqlite3.connect(queue.database.path, isolation_level=None) as db:
        db.row_factory = sqlite3.Row
        db.execute("PRAGMA foreign_keys = ON")
        begun = time.perf_counter()
        for _ in range(_CLAIMS):
            moment = clock.now()
            db.execute("BEGIN IMMEDIATE")
            number = db.execute(graph.CLAIMABLE, ("a1", None, None, 1)).fetchone()["id"]
            db.execute("INSERT INTO claims VALUES (?, '', 'a1', '', '', ?)", (number, moment))
            db.execute("UPDATE tickets SET status = 'in_progress' WHERE id = ?", (number,))
            db.execute(
                "INSERT INTO activity_log (ticket_id, at, actor, action, detail) VALUES (?, ?, 'a1', 'claimed', '')",
                (number, moment),
            )
            db.execute("UPDATE tickets SET updated_at = ? WHERE id = ?", (moment, number))
            db.execute("COMMIT")
        spent = time.perf_counter() - begun
    return spent / _CLAIMS


def _idle(desk: Desk) -> Row:
    """Let a loop with four workers and nothing to do run for a while; its processor time beside the clock's."""
    fleet = desk.use_root("idle")
    fleet.init("01", "02", "03", "04")
    Queue(fleet.layout.tickets).create(Draft("/srv/repo", "For a person", type="question"))
    argv = [sys.executable, "-m", "claude_workers", "work"]
    loop = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(3.0)
    ticks = os.sysconf("SC_CLK_TCK")

    def used() -> float:
        fields = Path(f"/proc/{loop.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / ticks

    before, begun = used(), time.monotonic()
    time.sleep(_IDLE)
    spent, passed = used() - before, time.monotonic() - begun
    loop.terminate()
    loop.wait(30)
    what = "an idle loop's processor time, 4 workers"
    return Row(what, [spent], "the clock's", [passed], note="wanted: below 0.01")


def measure() -> list[Row]:
    """Measure both."""
    with Desk() as desk:
        folder = desk.folder
        taken = interleave(_REPEATS, ours=lambda: _ours(folder), bare=lambda: _bare(folder))
        against = "the same SQL on a bare connection"
        claims = Row("a claim, in process", taken["ours"], against, taken["bare"], note="wanted: 2 at most")
        return [claims, _idle(desk)]

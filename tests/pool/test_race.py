"""Races: many dispatches at one moment, one of them done."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from claude_workers.tickets.tickets import Tickets
from tests.desk import holders
from tests.stage import Stage, steps

MANY = 50


def race(stage: Stage, calls: list[list[str]]) -> list[tuple[int, str]]:
    """Start all calls at once; return exit status and output of each."""
    argv = [sys.executable, "-m", "claude_workers", "dispatch", "01", str(stage.calc)]
    started = [
        subprocess.Popen(
            [*argv, *words, "--json"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for words in calls
    ]
    return [(one.wait(100), out.decode()) for one in started for out, _ in [one.communicate()]]


def test_fifty_for_one_worker_each_with_its_own_issue(stage: Stage) -> None:
    tickets = Tickets(stage.fleet.layout.tickets)
    numbers = [tickets.create(str(stage.calc), f"t{i}", steps({"hang": True}), "ann") for i in range(MANY)]
    found = race(stage, [[str(number)] for number in numbers])
    statuses = [status for status, _ in found]
    assert sorted(statuses) == [0] + [4] * (MANY - 1)
    assert len(holders(tickets)) == 1
    assert _trees(stage) == 1
    stage.fleet.stop("01")


def test_fifty_times_the_identical_dispatch(stage: Stage) -> None:
    found = race(stage, [["-p", steps({"hang": True})]] * MANY)
    assert [status for status, _ in found] == [0] * MANY
    answers = [json.loads(out) for _, out in found]
    assert len({answer["task"]["task_id"] for answer in answers}) == 1
    assert sum(answer["new"] for answer in answers) == 1
    assert _trees(stage) == 1
    stage.fleet.stop("01")


def _trees(stage: Stage) -> int:
    """Count the runner processes that serve this test's root."""
    root, found = str(stage.fleet.layout.root).encode(), 0
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        found += b"claude_workers.runner" in words and root in words
    return found

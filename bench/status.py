"""Status: the whole command and the library's call, with ten, a hundred and a thousand homes."""

from __future__ import annotations

import dataclasses
import sys
import time
from typing import TYPE_CHECKING

from bench.common import HELP, PROGRAM, Desk, Row, interleave, timed
from claude_workers import Fleet, Receipt, Task, clock
from claude_workers.home import archive, tasks
from claude_workers.model import Progress
from claude_workers.process.identity import current

if TYPE_CHECKING:
    from claude_workers.home.home import Home

SIZES = (10, 100, 1000)
_REPEATS = 9
_ARCHIVED = 5


def _task(home: Home, number: int) -> Task:
    me = current()
    return Task(
        task_id=f"00000000-0000-4000-8000-{number:012d}",
        worker=home.worker,
        repo={"name": "local/calc", "url": "/nowhere/calc", "path": "/nowhere/calc"},
        branch=f"w{home.worker}/issue-{number}",
        issue=number,
        prompt="Add a subtract function. " * 20,
        pid=me.pid,
        pid_start=me.start,
        boot_id=me.boot,
        dispatched_at=clock.now(),
        started_at=clock.now(),
    )


def _receipt(task: Task) -> Receipt:
    given = {"outcome": "answered", "task_id": task.task_id, "worker": task.worker, "answer": "It is one module. " * 20}
    empty = {one.name: given.get(one.name, "") for one in dataclasses.fields(Receipt)}
    return Receipt.from_json({**empty, "cost_usd": 0.0, "attempts": 1, "duration_s": 1.0})


def _furnish(home: Home, index: int) -> None:
    """Give a home a past or a present: a quarter each new, with archived tasks, stopped, and busy."""
    if index % 4 == 1:
        for number in range(1, _ARCHIVED + 1):
            task = _task(home, number)
            archive.keep(home, task, _receipt(task))
    if index % 4 in {2, 3}:
        task = _task(home, index)
        task = dataclasses.replace(task, state="stopped", reason="a person asked") if index % 4 == 2 else task
        home.run(task.task_id).mkdir()
        seen = Progress(task.task_id, activity="Bash git commit", last_text="I look at calc.py. " * 5, tokens=12345)
        tasks.save_progress(home, seen)
        tasks.claim(home, task)


def _furnished(desk: Desk, size: int) -> Fleet:
    fleet = desk.use_root(f"homes-{size}")
    for index, home in enumerate(fleet.init(*[f"{number:04d}" for number in range(size)])):
        _furnish(home, index)
    return fleet


def _each(fleet: Fleet) -> float:
    """Return the seconds that one home takes in the library's call."""
    begun = time.perf_counter()
    rows = fleet.status()
    return (time.perf_counter() - begun) / len(rows)


def measure() -> list[Row]:
    """Return what status takes as homes grow, and against starting Python and the command at all."""
    with Desk() as desk:
        few, more, many = (_furnished(desk, size) for size in SIZES)
        status = [(PROGRAM, "status", "--root", str(fleet.layout.root)) for fleet in (few, more, many)]
        taken = interleave(
            _REPEATS,
            python=lambda: timed(sys.executable, "-c", "pass"),
            click=lambda: timed(sys.executable, "-c", "import click"),
            help=lambda: timed(*HELP),
            few=lambda: timed(*status[0]),
            more=lambda: timed(*status[1]),
            many=lambda: timed(*status[2]),
            few_each=lambda: _each(few),
            more_each=lambda: _each(more),
            many_each=lambda: _each(many),
        )
    return [
        Row("--help", taken["help"], "python -c pass", taken["python"]),
        Row("--help", taken["help"], "python -c 'import click'", taken["click"]),
        Row("status, 10 homes", taken["few"], "--help", taken["help"]),
        Row("status, 100 homes", taken["more"], "status, 10 homes", taken["few"]),
        Row("status, 1000 homes", taken["many"], "status, 10 homes", taken["few"]),
        Row("Fleet.status() a home, of 100", taken["more_each"], "a home, of 10", taken["few_each"]),
        Row("Fleet.status() a home, of 1000", taken["many_each"], "a home, of 10", taken["few_each"]),
    ]

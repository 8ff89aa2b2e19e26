"""A whole machine loses its power in the middle of a task, and the task is done once it is back."""

from __future__ import annotations

import contextlib
import json
import random
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import git
from tests.faults.machine import Machine, require
from tests.stage import steps

NUMBERS = ("one", "two", "three", "four")


def _commit(number: str) -> dict[str, str]:
    """A step that may be played again: a transcript is not on the disk as soon as a commit is."""
    wanted = f"git log --format=%s | grep -qx {number}"
    write = f"grep -qx '# {number}' calc.py || echo '# {number}' >> calc.py; echo {number} > {number}.txt"
    return {"run": f"{wanted} || {{ {write}; git add {number}.txt; git commit -qam {number}; }}; sleep 0.2"}


PROMPT = steps(*[_commit(number) for number in NUMBERS], {"text": "Done."})


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    require()
    made = Machine(tmp_path)
    yield made
    made.close()


def _check(machine: Machine, ticket: str) -> None:
    """Everything is there, and once."""
    calc, home = machine.calc, machine.disk / "workers/01"
    print(
        machine.run("why", "01", "--last", "100"), *(home / "completed").iterdir(), machine.run("logs", "01"), sep="\n"
    )
    [archived] = sorted((home / "completed").iterdir())
    receipt = json.loads(archived.read_text(encoding="utf-8"))["receipt"]
    assert receipt["outcome"] == "pull_request", receipt
    assert git("branch", "--list", "w01/*", "--format=%(refname:short)", at=calc) == receipt["branch"]
    assert git("log", "--format=%s", "--reverse", f"main..{receipt['branch']}", at=calc).split() == list(NUMBERS)
    whole = git("show", f"{receipt['branch']}:calc.py", at=calc)
    assert whole.splitlines()[2:] == [f"# {number}" for number in NUMBERS], whole
    with contextlib.closing(sqlite3.connect(machine.disk / "workers/tickets.db")) as db:
        assert db.execute("SELECT count(*) FROM changes").fetchone() == (1,)
        assert db.execute("SELECT count(*) FROM comments").fetchone() == (1,)
        assert db.execute("SELECT count(*) FROM claims").fetchone() == (0,)
        labels = [name for (name,) in db.execute("SELECT name FROM labels WHERE ticket_id = ?", (ticket,))]
    assert labels == ["pull-request"]
    assert not (home / "task.json").exists()
    assert not list((machine.disk / "workers").rglob("*.lock"))
    assert machine.run("recover", "--json") == ""


def live(machine: Machine, seed: int) -> int:
    """Live through one task with one to three cuts at random moments; return how many there were."""
    chance = random.Random(seed)
    ticket = machine.run("ticket", "create", "Count", "--repo", str(machine.calc), "--description", PROMPT)
    number = ticket.split()[-1]
    home, dispatch = machine.disk / "workers/01", f"cw dispatch 01 {machine.calc} {number}"
    machine.boot(dispatch)
    cuts = chance.randint(1, 3)
    for _ in range(cuts):
        time.sleep(chance.uniform(0.0, 2.5))  # not a wait: the moment of the cut
        told = machine.told()
        machine.cut()
        assert not told or (home / "task.json").exists() or _ended(machine), "a task that was accepted is lost"
        # Where the power went before anything was claimed, a person asks again.
        machine.boot(f"cw recover && {{ [ -e {home}/task.json ] || [ -e {home}/completed/*.json ] || {dispatch}; }}")
    _to_the_end(machine)
    machine.cut()
    machine.boot("cw recover")
    _to_the_end(machine)
    machine.run("recover")
    _check(machine, number)
    return cuts


def _to_the_end(machine: Machine) -> None:
    machine.ready()
    deadline = time.monotonic() + 60
    while not _ended(machine):
        assert time.monotonic() < deadline, machine.run("why", "01")
        time.sleep(0.05)


def _ended(machine: Machine) -> bool:
    home = machine.disk / "workers/01"
    return (home / "completed").is_dir() and any((home / "completed").iterdir()) and not (home / "task.json").exists()


@pytest.mark.parametrize("seed", [1])
def test_a_task_survives_the_power_of_its_machine(machine: Machine, seed: int) -> None:
    assert live(machine, seed)


@pytest.mark.soak
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(100, 150))
def test_fifty_machines_lose_their_power(machine: Machine, seed: int) -> None:
    assert live(machine, seed)

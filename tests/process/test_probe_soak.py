"""What a probe says is true: verdict upon verdict on processes whose fate the test itself decides.

They live in a pid namespace of their own, where a pid can be given out a second time on purpose.
"""

from __future__ import annotations

import collections
import functools
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from claude_workers.process.identity import Identity, identify, probe
from tests.conftest import CHECKOUT, missing
from tests.process.conftest import Start
from tests.racing import until

LAST_PID = Path("/proc/sys/kernel/ns_last_pid")
YEAR = 365 * 86400
# What each fate is to be called, and why: a right verdict for a wrong reason proves nothing.
TRUTH = frozenset({
    "alive is alive: that pid runs with the recorded start",
    "zombie is dead: that pid is a zombie",
    "reaped is dead: no process has that pid",
    "recycled is dead: that pid now belongs to another process",
})  # fmt: skip
PIDS = ("--pid", "--mount-proc")
AHEAD = ("--time", "--boottime", "100000", "--monotonic", "100000")


@functools.cache
def apart(*what: str) -> tuple[str, ...]:
    """Return the command that runs a program in namespaces of its own, in a new pid namespace as its first."""
    # Only a shell that is the first of its pid namespace may write there: the machine's own is not ours.
    trial = ("sh", "-c", f"test $$ != 1 || echo 99 > {LAST_PID}")
    for user in [(), ("--user", "--map-root-user")] if shutil.which("unshare") else []:
        argv = ("unshare", *user, "--fork", "--kill-child", *what)
        if subprocess.run([*argv, *trial], capture_output=True, check=False).returncode == 0:
            return argv
    missing(f"unshare, allowed to do {' '.join(what)},")
    return ()


def calling(function: Callable[..., None], *arguments: object) -> tuple[str, ...]:
    """Return the command that calls a function of these tests in a process of its own."""
    name = function.__name__
    call = f"from {function.__module__} import {name}; {name}({', '.join(map(repr, arguments))})"
    return ("env", f"PYTHONPATH={CHECKOUT}", sys.executable, "-P", "-c", call)


def said(*argv: str) -> dict[str, int]:
    """Run a program that tells its tally as a JSON object."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    tally: dict[str, int] = json.loads(done.stdout)
    return tally


def ticks() -> int:
    """Return the present in the unit in which the kernel notes a process's start."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK") // 10**9


class World:
    """Processes that live and die only as they are told."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.beings: list[Identity] = []
        self.holders: dict[int, tuple[Identity, subprocess.Popen[bytes]]] = {}
        self.zombies: set[Identity] = set()
        self.tally: collections.Counter[str] = collections.Counter()

    def fate(self, one: Identity) -> str:
        """Return what has become of it, which its parent knows for sure."""
        if one.pid not in self.holders:
            return "reaped"
        if self.holders[one.pid][0] != one:
            return "recycled"
        return "zombie" if one in self.zombies else "alive"

    def any(self, fate: str) -> Identity:
        """Return one whose fate is this."""
        return self.chance.choice([one for one in self.beings if self.fate(one) == fate])

    def bear(self) -> Identity:
        """Begin one, in a later tick than all before: within a tick the kernel gives two of one pid one start."""
        latest = self.beings[-1].start if self.beings else 0
        until(lambda: ticks() > latest, "the clock ticks")
        before, child = ticks(), subprocess.Popen(["sleep", "1000"])
        one = identify(child.pid)
        assert one
        assert before <= one.start <= ticks(), "a start is counted by the clock that nobody can set"
        self.holders[one.pid] = (one, child)
        self.beings.append(one)
        return one

    def kill(self) -> Identity:
        """End one, not waiting for it."""
        one = self.any("alive")
        self.holders[one.pid][1].kill()
        os.waitid(os.P_PID, one.pid, os.WEXITED | os.WNOWAIT)
        self.zombies.add(one)
        return one

    def reap(self) -> Identity:
        """Wait for one that has ended, so that its pid is free."""
        one = self.any("zombie")
        self.holders.pop(one.pid)[1].wait()
        return one

    def recycle(self) -> Identity:
        """Give the pid of one that is gone to a newcomer; return the one that is gone."""
        gone = self.any("reaped")
        LAST_PID.write_text(str(gone.pid - 1), encoding="ascii")
        assert self.bear().pid == gone.pid
        return gone

    def judge(self, one: Identity) -> None:
        """Probe it and count the verdict under its fate."""
        fate, found = self.fate(one), probe(one)
        if fate == "alive":  # it had not ended after the probe: so it lived during it
            assert os.waitid(os.P_PID, one.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None
        self.tally[f"{fate} is {found.liveness.value}: {found.evidence.replace(f'pid {one.pid}', 'that pid')}"] += 1


def inside(count: int, leap: int = 0) -> None:
    """Print which verdicts `count` probes gave while the population changed and, half way, the wall clock leapt."""
    world = World(random.Random(count))
    for change in [world.bear] * 12 + [world.kill] * 4 + [world.reap] * 2:
        change()
    changes = (world.recycle, world.kill, world.reap, world.bear, world.kill, world.reap)
    for number in range(count // 10):
        if leap and number == count // 20:
            _leap(leap)
        world.judge(changes[number % len(changes)]())
        for fate in world.chance.choices(sorted({world.fate(one) for one in world.beings}), k=9):
            world.judge(world.any(fate))
    print(json.dumps(world.tally))


def _leap(seconds: int) -> None:
    """Move the time of day, and the boot's in /proc/stat (psutil reckons from it), for this program alone."""
    mock.patch("time.time", return_value=time.time() + seconds).start()
    lines = Path("/proc/stat").read_text(encoding="ascii").splitlines()
    moved = [f"btime {int(one.split()[1]) + seconds}" if one.startswith("btime") else one for one in lines]
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_text("\n".join(moved), encoding="ascii")
        subprocess.run(["mount", "--bind", file.name, "/proc/stat"], check=True)
    assert Path("/proc/stat").read_text(encoding="ascii").splitlines() == moved != lines


def tell(recorded: dict[str, Any]) -> None:
    """Print what a probe says of an identity that somebody else recorded."""
    print(json.dumps({probe(Identity(**recorded)).evidence: 1}))


def judged(tally: dict[str, int], count: int) -> str:
    """See that `count` verdicts were the truth and met every fate often; return the figures in a line."""
    wrong = {told: number for told, number in tally.items() if told not in TRUTH}
    dead = sum(number for told, number in wrong.items() if told.startswith("alive is dead"))
    alive = sum(number for told, number in wrong.items() if " is alive" in told and not told.startswith("alive"))
    line = f"{sum(tally.values())} probes, {sum(wrong.values())} wrong, {dead} false dead, {alive} false alive: {tally}"
    assert not wrong, line
    assert sum(tally.values()) == count
    assert all(tally.get(told, 0) > count // 20 for told in TRUTH), f"a fate was hardly ever met: {line}"
    return line


CLOCKS = {"steady": ((), 0), "a year ahead": ((), YEAR), "a year back": ((), -YEAR), "boot moved": (AHEAD, 0)}


@pytest.mark.parametrize(("where", "leap"), CLOCKS.values(), ids=CLOCKS)
def test_every_verdict_is_the_truth_whatever_the_clocks_say(where: tuple[str, ...], leap: int) -> None:
    judged(said(*apart(*PIDS, *where), *calling(inside, 300, leap)), 300)


def test_whoever_s_clocks_begin_elsewhere_is_not_judged_by_its_start(start: Start) -> None:
    child = identify(start("sleep", "1000").pid)
    assert child
    leapt = apart("--time", "--monotonic", "100000")
    assert said(*leapt, *calling(tell, asdict(child))) == {
        f"pid {child.pid} belongs to another pid or time namespace": 1
    }


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_of_ten_thousand_verdicts_under_load_none_is_wrong(
    start: Start, record_testsuite_property: Callable[[str, object], None], capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2 * (os.cpu_count() or 1)):
        start("sh", "-c", "while :; do :; done")
    figures = judged(said(*apart(*PIDS), *calling(inside, 10_000, YEAR)), 10_000)
    record_testsuite_property("probes", figures)
    with capsys.disabled():
        print(f"\n{figures}")

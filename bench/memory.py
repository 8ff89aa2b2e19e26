"""Memory: what a runner holds while its agent works, and which of its imports hold the most."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

from bench.common import Desk, Row, running, steps

TARGET = 16 << 20
_RUNNER = "claude_workers.runner.life"
_FIELDS = {"PSS": ("Pss",), "private": ("Private_Clean", "Private_Dirty"), "RSS": ("Rss",)}
_NOTES = {
    "PSS": "the more Pythons run, the less it is",
    "private": "what no other process shares",
    "RSS": "the most PSS can be: no other Python",
}
_REPEATS = 3
_LARGEST = 12
_SETTLE = 2.0
# Imports the modules in the order in which the interpreter finished them, so that each pays for itself alone.
_WEIGH = """
import sys
def private():
    with open("/proc/self/smaps_rollup") as stream:
        return sum(int(line.split()[1]) for line in stream if line.startswith("Private_"))
names = sys.argv[1:]
private()
for name in names:
    before = private()
    try:
        __import__(name)
    except ImportError:
        continue
    print(name, private() - before)
"""


def _kernel(pid: int, *fields: str) -> float:
    """Return the sum of fields that the kernel keeps of a process's memory, in bytes."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return sum(float(line.split()[1]) * 1024 for line in lines if line.partition(":")[0] in fields)


def _weights() -> dict[str, float]:
    """Return the private bytes that each import of the runner adds to a fresh interpreter."""
    asked = [sys.executable, "-X", "importtime", "-c", f"import {_RUNNER}"]
    traced = subprocess.run(asked, capture_output=True, text=True, check=True).stderr
    names = [line.rpartition("|")[2].strip() for line in traced.splitlines() if "|" in line][1:]
    weigh = [sys.executable, "-c", _WEIGH, *names]
    printed = subprocess.run(weigh, capture_output=True, text=True, check=True).stdout
    return {name: float(size) * 1024 for name, size in (line.split() for line in printed.splitlines())}


def _imports() -> list[Row]:
    """Return the imports that weigh most, each against all of them."""
    runs = [_weights() for _ in range(_REPEATS)]
    totals = [sum(one.values()) for one in runs]
    middle = {name: statistics.median(one.get(name, 0.0) for one in runs) for name in runs[0]}
    largest = sorted(middle, key=lambda name: -middle[name])[:_LARGEST]
    return [
        Row(f"import {name}", [one.get(name, 0.0) for one in runs], "all imports of the runner", totals, "B")
        for name in largest
        if middle[name]
    ]


class _Samples:
    """What the kernel says of a runner whose agent waits, and of a bare Python beside it."""

    def __init__(self) -> None:
        self.runner: dict[str, list[float]] = {name: [] for name in _FIELDS}
        self.bare: dict[str, list[float]] = {name: [] for name in _FIELDS}

    def take(self, desk: Desk, repository: Path, worker: str) -> None:
        """Let an agent wait under a new worker and look at both processes in the same moment."""
        desk.fleet.init(worker)
        desk.fleet.dispatch(worker, str(repository), prompt=steps({"text": "I wait."}, {"hang": True}))
        row = desk.until(worker, lambda row: row.agent_pid and row.last_text)
        with running([sys.executable, "-c", "import time; time.sleep(60)"]) as bare:
            time.sleep(_SETTLE)
            for name, fields in _FIELDS.items():
                self.runner[name].append(_kernel(int(row.pid or 0), *fields))
                self.bare[name].append(_kernel(bare.pid, *fields))
        desk.fleet.stop(worker)


def measure() -> list[Row]:
    """Return the runner's memory against its target and a bare Python; over target also its imports."""
    taken = _Samples()
    with Desk() as desk:
        repository = desk.repository()
        for number in range(_REPEATS):
            taken.take(desk, repository, f"{number:02d}")
    target, bare = [float(TARGET)] * _REPEATS, "bare python asleep"
    rows = [
        Row("runner, agent waiting: PSS", taken.runner["PSS"], "target", target, "B", _NOTES["PSS"]),
        *(
            Row(f"runner, agent waiting: {name}", taken.runner[name], bare, taken.bare[name], "B", note)
            for name, note in _NOTES.items()
        ),
    ]
    return rows + (_imports() if statistics.median(taken.runner["PSS"]) > TARGET else [])

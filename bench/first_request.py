"""First request: from dispatch to what the real Claude Code first asks the model, against a bare one."""

from __future__ import annotations

import itertools
import os
import subprocess
import time
from typing import TYPE_CHECKING

from bench.common import CHECKOUT, PROGRAM, Desk, Row, git, interleave, not_measured, running, timed, wait_for
from claude_workers.testing.endpoint import Endpoint

if TYPE_CHECKING:
    from pathlib import Path

_WHAT = "dispatch to the first API request"
_REPEATS = 7
_QUIET = {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_AUTOUPDATER": "1"}


class _Race:
    """One desk, one endpoint, and the two ways that lead to its first request."""

    def __init__(self, desk: Desk, endpoint: Endpoint, claude: Path) -> None:
        self._desk = desk
        self._endpoint = endpoint
        self._claude = str(claude)
        self._repository = desk.repository()
        self._numbers = itertools.count(1)

    def _first(self, name: str, begun: float) -> float:
        """Wait for the first request under a name; return how long after `begun` it came."""
        seen = self._endpoint.requests
        return wait_for(name, lambda: next((float(one["at"]) for one in seen if one["name"] == name), None)) - begun

    def dispatched(self) -> float:
        """Dispatch to a fresh worker whose agent is the real one."""
        worker = f"{next(self._numbers):02d}"
        os.environ["ANTHROPIC_BASE_URL"] = self._endpoint.url(worker)
        self._desk.fleet.init(worker)
        begun = time.monotonic()
        timed(PROGRAM, "dispatch", worker, str(self._repository), "-p", "hi", "--expect", "answer", "--no-stdin")
        taken = self._first(worker, begun)
        self._desk.end(worker)
        return taken

    def bare(self) -> float:
        """Ask the same program in a plain clone, from a plain new home, with nothing around it."""
        name = f"bare-{next(self._numbers)}"
        home = self._desk.folder / name
        home.mkdir()
        clone = home / "calc"
        git("clone", "--quiet", str(self._repository), str(clone), at=home)
        env = {**os.environ, **_QUIET, "HOME": str(home), "ANTHROPIC_BASE_URL": self._endpoint.url(name)}
        begun = time.monotonic()
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        with running([self._claude, "-p", "hi"], env=env, cwd=clone, **silent) as process:
            taken = self._first(name, begun)
            process.wait(60)
        return taken


def measure() -> list[Row]:
    """Return what stands between an order and the model, against the agent's own start."""
    found = sorted(CHECKOUT.glob(".cache/claude-code-*/node_modules/.bin/claude"))
    if not found:
        return [not_measured(_WHAT, "the real Claude Code is not here; scripts/setup fetches it")]
    with Desk() as desk, Endpoint() as endpoint:
        os.environ["CLAUDE_WORKERS_CLAUDE"] = str(found[-1])
        race = _Race(desk, endpoint, found[-1])
        race.bare()
        race.dispatched()  # the first of each reads the program from disk and makes the mirror
        taken = interleave(_REPEATS, bare=race.bare, dispatched=race.dispatched)
    return [Row(_WHAT, taken["dispatched"], "bare claude -p hi to its first", taken["bare"])]

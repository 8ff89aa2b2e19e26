"""Recovery: from a runner's death to `crashed`, and from `recover` to the agent's next request."""

from __future__ import annotations

import itertools
import os
import signal
import time

from bench.common import CHECKOUT, PROGRAM, Desk, Row, interleave, not_measured, timed, wait_for
from claude_workers.testing.endpoint import Endpoint, Step, hang

_SEEN = "a runner's death to `crashed` in status"
_WENT_ON = "recover to the agent's next request"
_REPEATS = 7


class _Deaths:
    """Workers whose real agent waits for the model when its runner is killed."""

    def __init__(self, desk: Desk, endpoint: Endpoint) -> None:
        self._desk = desk
        self._endpoint = endpoint
        self._repository = desk.repository()
        self._numbers = itertools.count(1)
        self.seen: list[float] = []

    def _requests(self, name: str) -> list[float]:
        return [float(one["at"]) for one in self._endpoint.requests if one["name"] == name]

    def dispatched(self) -> float:
        """Dispatch to a fresh worker, and leave it with its agent waiting for the model."""
        self._worker = f"{next(self._numbers):02d}"
        silent: list[Step] = [hang(), hang(), hang()]
        os.environ["ANTHROPIC_BASE_URL"] = self._endpoint.script(self._worker, silent)
        self._desk.fleet.init(self._worker)
        begun = time.monotonic()
        timed(PROGRAM, "dispatch", self._worker, str(self._repository), "-p", "hi", "--expect", "answer", "--no-stdin")
        return wait_for(self._worker, lambda: next(iter(self._requests(self._worker)), None)) - begun

    def recovered(self) -> float:
        """Kill that worker's runner, see it crashed, and let `recover` bring it back."""
        worker, before = self._worker, len(self._requests(self._worker))
        pid = self._desk.until(worker, lambda row: row.pid and row.agent_pid).pid
        begun = time.monotonic()
        os.kill(int(pid or 0), signal.SIGKILL)
        self._desk.until(worker, lambda row: row.state == "crashed")
        self.seen.append(time.monotonic() - begun)
        begun = time.monotonic()
        timed(PROGRAM, "recover", worker)
        after = wait_for(worker, lambda: next(iter(self._requests(worker)[before:]), None))
        self._desk.fleet.stop(worker)
        return after - begun

    def looked(self) -> float:
        """Ask for one row of status."""
        return timed(PROGRAM, "status", self._worker)


def measure() -> list[Row]:
    """Return how long nobody knows, and how long it takes to go on, against a first start."""
    found = sorted(CHECKOUT.glob(".cache/claude-code-*/node_modules/.bin/claude"))
    if not found:
        return [not_measured(_WENT_ON, "the real Claude Code is not here; scripts/setup fetches it")]
    with Desk() as desk, Endpoint() as endpoint:
        os.environ["CLAUDE_WORKERS_CLAUDE"] = str(found[-1])
        deaths = _Deaths(desk, endpoint)
        deaths.dispatched()
        deaths.recovered()
        deaths.seen.clear()
        taken = interleave(_REPEATS, dispatched=deaths.dispatched, recovered=deaths.recovered, looked=deaths.looked)
    return [
        Row(_SEEN, deaths.seen, "claude-workers status", taken["looked"]),
        Row(_WENT_ON, taken["recovered"], "dispatch to the first request", taken["dispatched"]),
    ]

"""Fly: calls for each verb, a table of a thousand machines, and how much later an agent begins in one."""

from __future__ import annotations

import copy
import itertools
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import httpx

from bench.common import CHECKOUT, PROGRAM, Desk, Row, interleave, not_measured, timed, wait_for
from claude_workers import Fleet
from claude_workers.home.sets import whole
from claude_workers.hosts import opened, registry
from claude_workers.machines import words
from claude_workers.testing.endpoint import Endpoint
from tests.fly.fake import TOKEN, FakeFly

_MACHINES, _TABLES, _REPEATS = 1000, 7, 5
_HOST = """
[hosts.fly]
kind = "fly"
app = "bench"
org = "personal"
region = "ord"
image = "registry.fly.io/bench:agent"
credential_set = "team"
"""


class _Bench:
    """One desk, Fly on loopback, a model, and the two places where a worker can be."""

    def __init__(self, desk: Desk, fly: FakeFly, endpoint: Endpoint) -> None:
        self._desk, self._fly, self._endpoint = desk, fly, endpoint
        self._numbers = itertools.count(1)
        self._repository = desk.repository()
        fly.apps["bench"] = {"id": "bench", "name": "bench", "status": "deployed"}
        os.environ |= {"FLY_FLAPS_BASE_URL": fly.url, "FLY_API_TOKEN": TOKEN}
        self._write("hosts.toml", _HOST)

    def _write(self, name: str, text: str) -> None:
        folder = Path(os.environ["CLAUDE_WORKERS_CONFIG_DIR"])
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")

    def _named(self) -> str:
        """Return a new worker's id, and have its model answer under that name."""
        name = f"{next(self._numbers):02d}"
        url = self._endpoint.url(name)
        os.environ["ANTHROPIC_BASE_URL"] = url
        key = 'api_key = { env = "ANTHROPIC_API_KEY" }'
        self._write("config.toml", f'[credentials.team]\n{key}\nbase_url = "{url}"\n')
        return name

    def _first(self, address: str, name: str) -> float:
        seen = self._endpoint.requests
        begun = time.monotonic()
        timed(PROGRAM, "dispatch", address, str(self._repository), "-p", "hi", "--expect", "answer", "--no-stdin")
        return wait_for(name, lambda: next((float(one["at"]) for one in seen if one["name"] == name), None)) - begun

    def here(self) -> float:
        """Dispatch to a worker of this machine."""
        name = self._named()
        self._desk.fleet.init(name)
        taken = self._first(name, name)
        self._desk.end(name)
        return taken

    def there(self) -> float:
        """Dispatch to a worker whose machine has to start."""
        name = self._named()
        opened.housed(registry.find("fly")).keep_credentials({"team": whole("team")}, force=False)
        self._fly.calls.clear()
        self._desk.fleet.init(f"fly/{name}")
        self.init_calls = self._fly.counted()
        self._fly.calls.clear()
        taken = self._first(f"fly/{name}", name)
        self.dispatch_calls = self._fly.counted()
        self._fly.settle(name, "stopped")
        return taken

    def tables(self) -> Row:
        """Measure a table of a thousand workers against the bare answer that it is made of."""
        one = next(iter(self._fly.found.values()))
        for number in range(_MACHINES - len(self._fly.found)):
            made = copy.deepcopy(one)
            made |= {"id": f"f{number:013d}", "name": f"cw-x{number}"}
            made["config"]["metadata"][words.WORKER] = f"x{number}"
            self._fly.found[made["id"]] = made
        url, token = f"{self._fly.url}/v1/apps/bench/machines", {"Authorization": f"Bearer {TOKEN}"}
        self._fly.calls.clear()

        def table() -> float:
            begun = time.perf_counter()
            assert len(Fleet(on="fly").status()) == _MACHINES
            return time.perf_counter() - begun

        def bare() -> float:
            begun = time.perf_counter()
            httpx.get(url, headers=token, timeout=60).json()
            return time.perf_counter() - begun

        taken = interleave(_TABLES, table=table, bare=bare)
        calls = len(self._fly.calls) / _TABLES - 1
        note = f"{calls:g} call a table"
        return Row(
            f"status, {_MACHINES} machines", taken["table"], "that list by httpx alone", taken["bare"], note=note
        )


def _spoken(calls: Counter[str]) -> str:
    own = {call: count for call, count in calls.items() if "metadata" not in call}
    looks = sum(count for call, count in own.items() if call.startswith("GET"))
    return f"{sum(own.values()) - looks} that change things, {looks} that look"


def measure() -> list[Row]:
    """Return what a machine of its own costs a worker."""
    what = "dispatch to the first API request, on Fly"
    found = sorted(CHECKOUT.glob(".cache/claude-code-*/node_modules/.bin/claude"))
    if not found or os.geteuid() != 0:
        return [not_measured(what, "it needs root and the real Claude Code, which scripts/setup fetches")]
    with Desk() as desk, Endpoint() as endpoint, tempfile.TemporaryDirectory(prefix="cw-fly-") as folder:
        os.environ["CLAUDE_WORKERS_CLAUDE"] = str(found[-1])
        fly = FakeFly(Path(folder) / "fly")
        try:
            bench = _Bench(desk, fly, endpoint)
            bench.here()
            bench.there()  # the first of each reads the program from disk
            taken = interleave(_REPEATS, here=bench.here, there=bench.there)
            print(f"calls: init {_spoken(bench.init_calls)}; dispatch {_spoken(bench.dispatch_calls)}", file=sys.stderr)
            return [Row(what, taken["there"], "on this machine", taken["here"]), bench.tables()]
        finally:
            fly.close()

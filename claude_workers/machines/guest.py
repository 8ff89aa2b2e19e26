"""The guest: what a machine runs. It does one verb, tells what is to be known, and ends when nobody works there."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from claude_workers import config, files, paths
from claude_workers.errors import NotFound, WorkersError
from claude_workers.home import presence
from claude_workers.home.home import Home, find
from claude_workers.machines import words
from claude_workers.machines.meter import Meter
from claude_workers.machines.report import Report
from claude_workers.machines.words import Request
from claude_workers.pool import status
from claude_workers.process.identity import Identity, send

if TYPE_CHECKING:
    from collections.abc import Sequence

    from claude_workers.machines.outbox import Outbox
    from claude_workers.model import Json, WorkerStatus

_TICK = 0.5
# The longest (seconds) that one verb takes: it may clone a large repository.
_VERB = 1800.0
# How long (seconds) a machine that has ended its work tries to say so.
_LAST_WORDS = 60.0


def read_request() -> Request:
    """Return what this machine was started with; WorkersError when that is no request."""
    try:
        return Request.from_json(json.loads(Path(words.REQUEST).read_text("utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise WorkersError(f"{words.REQUEST} holds no request: {error}", "dispatch again") from error


class Guest:
    """One machine at work on one request."""

    def __init__(self, request: Request, outbox: Outbox) -> None:
        self._request = request
        self._layout = paths.layout(words.ROOT)
        self._report = Report(self._layout, request.worker, outbox)
        self._meter = Meter(Path(words.VOLUME, "spent.json"), request)
        self._ending = False
        self._answer: Json = {}

    def run(self) -> int:
        """Do what the machine was started for; return its exit status."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._told_to_end)
        self._settle_in()
        self._answer = self._done()
        self._look_after()
        return self._leave()

    def _told_to_end(self, *_: object) -> None:
        self._ending = True

    def _settle_in(self) -> None:
        """Have the settings and credentials that the machine was given; the disk they are on is new at each start."""
        files.make_private(paths.config_dir())
        if Path(words.CONFIG).is_file():
            shutil.copyfile(words.CONFIG, config.file())
        if self._request.host:
            self._call(["config", "host_name", self._request.host])
        if os.environ.get("ALLOWED_DOMAINS"):
            self._call(["config", "allowed_domains", os.environ["ALLOWED_DOMAINS"]])
        for path in sorted(Path(words.SETS).glob("*.json")) if Path(words.SETS).is_dir() else ():
            done = self._call(["host", "keep-credentials", "--force"], path.read_text("utf-8"))
            if done.returncode != 0:
                print(f"credentials {path.stem}: {done.stderr.strip()}", file=sys.stderr)

    def _call(self, said: Sequence[str], stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run one verb of ours."""
        argv = [sys.executable, "-P", "-m", "claude_workers", "--json", "--local", "--root", words.ROOT, *said]
        try:
            return subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False, timeout=_VERB)
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(argv, 1, "", f"{said[0]} has not ended within {_VERB:.0f} s")

    def _done(self) -> Json:
        """Do the verb, and return its answer, which says that the machine is ready where there is none."""
        said, told = self._request.words, {"id": self._request.id, "status": 0, "out": [], "stderr": ""}
        if said:
            done = self._call(["--wire", "1", *said], self._request.stdin)
            out = [one for one in done.stdout.split("\n") if one.strip()]
            told |= {"status": done.returncode, "out": out, "stderr": done.stderr[-500:]}
        # Whoever is answered finds the worker at its task.
        self._report.carry(self._row(), self._meter.told())
        return told

    def _look_after(self) -> None:
        """Carry out what is to be known until nobody works here any more, or the machine's time is over."""
        began = free = time.monotonic()
        while not self._ending:
            row = self._row()
            if self._answer and self._report.answer(self._answer):
                self._answer = {}
            self._report.carry(row, self._meter.told())
            if (row and row.state == "busy") or self._entered():
                free = time.monotonic()
            elif time.monotonic() - free >= self._request.stay and self._untouched() >= self._request.linger:
                return
            over = self._meter.tick()
            if self._request.limit and time.monotonic() - began > self._request.limit:
                over = f"its machine was up for {self._request.limit / 3600:.1f} hours, its limit"
            if over:
                print(over, file=sys.stderr)
                self._call(["stop", self._request.worker])
                self._report.over = over
                return
            time.sleep(_TICK)

    def _leave(self) -> int:
        """Say the last words; a runner that lives still is ended first, its task to be resumed."""
        row = self._row()
        if row and row.state == "busy":
            self._end_runner()
            row = self._row()
        self._meter.tick()
        self._meter.close()
        deadline = time.monotonic() + _LAST_WORDS
        if self._answer:
            self._report.answer(self._answer)
        while not self._report.last(row, self._meter.told()):
            if time.monotonic() > deadline:
                print("what is to be known could not be carried out", file=sys.stderr)
                return 1
            time.sleep(_TICK)
        return 0

    def _end_runner(self) -> None:
        """End the runner, and with it its agent: the task has crashed then, and goes on at the next start."""
        from claude_workers.home import tasks  # noqa: PLC0415  only where a machine is taken away

        with contextlib.suppress(NotFound):
            task = tasks.state(self._home()).task
            if task and task.pid and task.pid_start:
                send(Identity(task.pid, task.pid_start, task.boot_id or ""), signal.SIGKILL)

    def _home(self) -> Home:
        return find(self._layout, self._request.worker)

    def _row(self) -> WorkerStatus | None:
        with contextlib.suppress(NotFound):
            row = status.row(self._home())
            if self._report.over:
                row = dataclasses.replace(row, reason=self._report.over)
            return _walled(row)
        return None

    def _entered(self) -> bool:
        with contextlib.suppress(NotFound):
            return presence.stands(self._home())
        return False

    def _untouched(self) -> float:
        """Return for how long (seconds) nobody ran anything in here."""
        try:
            return time.time() - os.stat(words.TOUCHED).st_mtime
        except FileNotFoundError:
            return float("inf")


def _walled(row: WorkerStatus) -> WorkerStatus:
    """Return a row that tells of the machine's own wall, where it has refused something or is off."""
    with contextlib.suppress(OSError):
        if Path(words.WALL).read_text("ascii").strip() == "off" and row.isolation:
            return dataclasses.replace(row, isolation=f"{row.isolation}, no firewall")
        refused = Path(words.REFUSED).read_text("ascii").strip()
        if refused not in {"", "0"}:
            told = f"the machine's firewall: {refused} packets"
            return dataclasses.replace(row, blocked_hosts=[*row.blocked_hosts, told])
    return row

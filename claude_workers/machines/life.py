"""The life of machines: made for a worker, started on a request, woken for a word, ended; whatever the engine."""

from __future__ import annotations

import contextlib
import dataclasses
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_workers import clock
from claude_workers.errors import Busy, NotFinished, NotFound, Refused, WorkersError
from claude_workers.machines import words
from claude_workers.machines.words import Request

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from claude_workers.machines.machine import Engine, Machine
    from claude_workers.machines.sizes import Size
    from claude_workers.model import Json

# Seconds: until a request is answered, which may clone a large repository; until a machine stops or starts.
_ANSWER, _STOP, _START = 600.0, 90.0, 120.0
# How long one that was woken stays up when nobody says anything more.
STAY = 20.0
# A machine that is stopped so long after it was to start is started once more.
_ONCE_MORE = 10.0
_QUICK, _SLOW = 0.3, 2.0
_WOKEN = "woken-"
ALERT = 0.8


@dataclass(frozen=True)
class Terms:
    """What a host's table says: the sizes and the usual one, budgets (US dollars; None: no limit), most machines."""

    sizes: Mapping[str, Size]
    usual: str
    daily: float | None = None
    weekly: float | None = None
    most: int | None = None


class Life:
    """The machines of one host."""

    def __init__(self, engine: Engine, host: str, terms: Terms) -> None:
        self.engine, self.host, self.terms = engine, host, terms

    def size(self, name: str = "") -> Size:
        """Return a size by its name, the usual one for a name that is none any more."""
        return self.terms.sizes.get(name) or self.terms.sizes[self.terms.usual]

    def find(self, worker: str) -> Machine:
        """Return a worker's machine; NotFound when there is none."""
        for one in self.engine.machines():
            if one.worker == worker:
                return one
        raise NotFound(f"there is no worker {worker} on {self.host}", f"claude-workers init {self.host}/{worker}")

    def make(self, worker: str, said: Sequence[str], sets: Sequence[str]) -> Json:
        """Make a worker's machine and, by the words `said`, its home on the volume; return the answer.

        The machine is stopped again after. A home that could not be made leaves nothing, where the machine is new.
        """
        size = self.size()
        machine, new = self.engine.make(worker, size)
        try:
            answer = self.ask(machine, self._request(machine, said, ""), size, sets)
        except WorkersError:
            if new:
                self._roll_back(machine)
            raise
        if new and answer["status"] != 0:
            self._roll_back(machine)
        else:
            self.engine.wait(machine, "stopped", _STOP)
        return answer

    def _roll_back(self, machine: Machine) -> None:
        with contextlib.suppress(WorkersError):  # sweep finds what is left
            self.engine.destroy(machine)

    def ask(self, machine: Machine, request: Request, size: Size, sets: Sequence[str]) -> Json:
        """Start a machine on a request and return its answer: {id, status, out, stderr}."""
        return self.answer(self.engine.begin(machine, request, size, sets), request.id)

    def _request(self, machine: Machine, said: Sequence[str], stdin: str, **given: float) -> Request:
        return Request(f"{_WOKEN}{uuid.uuid4()}", machine.worker, list(said), stdin, self.host, **given)

    def answer(self, machine: Machine, wanted: str) -> Json:
        """Return what a machine answers to a request; WorkersError when it ends without an answer."""
        began = time.monotonic()
        again = False
        while True:
            now = self.engine.look(machine)
            told = words.unpacked(now.said.get(words.ANSWER, ""))
            if told.get("id") == wanted:
                return told
            waited = time.monotonic() - began
            where = f"worker {machine.worker} of {self.host}"
            if now.state == "failed" or (now.down and now.ended):
                why = now.ended or now.state
                raise WorkersError(f"{where}: its machine ended ({why}) before it answered", "look at its log")
            if now.down and waited > _ONCE_MORE and not again:
                again = True
                with contextlib.suppress(Busy):
                    self.engine.start(now)
            if waited > _ANSWER:
                raise NotFinished(f"{where} has not answered for {waited:.0f} s", "claude-workers status")
            time.sleep(_QUICK if waited < _ONCE_MORE else _SLOW)

    def settled(self, machine: Machine) -> Machine:
        """Return a machine once it is neither starting nor stopping, or as it is after a while."""
        deadline = time.monotonic() + _START
        while True:
            now = self.engine.look(machine)
            if now.down or now.running or now.state in {"created", "failed"} or time.monotonic() > deadline:
                return now
            time.sleep(_QUICK)

    def woken(self, machine: Machine, sets: Sequence[str]) -> Machine:
        """Return a machine in which commands can be run; one that is stopped is started, without its task."""
        now = self.settled(machine)
        if now.running:
            asked = now.said.get(words.ASKED, "")
            if asked:
                self.answer(now, asked)  # it is ready then
            return now
        size = self.size(now.size)
        request = self._request(now, [], "", stay=STAY, usd_per_hour=size.price)
        self.ask(now, request, size, sets)
        return self.engine.look(now)

    def stopped(self, machine: Machine) -> Machine:
        """Return a machine in which nobody works, stopped."""
        now = self.settled(machine)
        if now.running:
            self.engine.stop(now, 10)
            self.engine.wait(now, "stopped", _STOP)
            now = self.engine.look(now)
        return now

    def give(self, machine: Machine, wanted: Request, size: Size, sets: Sequence[str]) -> Json:
        """Start a machine on a task and return the answer; what is to be paid is written into the request.

        Refused when a budget is spent, Busy when as many work as may.
        """
        others = self.engine.machines()
        left = self.left(others)
        if left is not None and left <= 0:
            raise Refused(f"the budget of {self.host} for machines is spent", "raise it in hosts.toml, or wait")
        up = sum(one.worker != machine.worker and not one.down and one.state != "created" for one in others)
        if self.terms.most is not None and up >= self.terms.most:
            raise Busy(f"{self.host} has {up} machines up, its max_workers", "wait for one, or raise it in hosts.toml")
        priced = dataclasses.replace(wanted, host=self.host, usd_per_hour=size.price, usd_left=left)
        return self.ask(machine, priced, size, sets)

    def spent(self, machines: Sequence[Machine], days: int) -> float:
        """Return what machines cost in the last `days`, today included, in US dollars."""
        since = clock.from_epoch(time.time() - (days - 1) * 86400)[:10]
        return sum(
            float(usd)
            for one in machines
            for day, usd in words.unpacked(one.said.get(words.SPENT, "")).items()
            if day >= since
        )

    def uses(self, machines: Sequence[Machine]) -> list[tuple[str, float, float | None]]:
        """Return what was spent this day and this week, and what may be."""
        spans = (("day", 1, self.terms.daily), ("week", 7, self.terms.weekly))
        return [(name, self.spent(machines, days), most) for name, days, most in spans]

    def left(self, machines: Sequence[Machine]) -> float | None:
        """Return what may still be spent, None where there is no limit."""
        return min((most - used for _, used, most in self.uses(machines) if most is not None), default=None)

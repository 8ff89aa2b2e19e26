"""The life of machines: made for a worker, started on a request, woken for a word, ended; whatever the engine."""

from __future__ import annotations

import contextlib
import dataclasses
import time
import uuid
from typing import TYPE_CHECKING

from claude_workers.errors import Busy, NotFinished, NotFound, Refused, WorkersError
from claude_workers.machines import words
from claude_workers.machines.costs import left
from claude_workers.machines.words import Request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from claude_workers.machines.costs import Terms
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
# The longest that one is up which has no task: a person may be inside.
_WOKEN_LIMIT = 12 * 3600.0


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
            answer = self.ask(machine, self._request(machine, said), size, sets)
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

    def _request(self, machine: Machine, said: Sequence[str], stay: float = 0.0) -> Request:
        made = Request(str(uuid.uuid4()), machine.worker, "", list(said), host=self.host, stay=stay, linger=STAY)
        return dataclasses.replace(made, limit=_WOKEN_LIMIT, usd_per_hour=self.size(machine.size).price)

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
        self.ask(now, self._request(now, [], stay=STAY), self.size(now.size), sets)
        return self.engine.look(now)

    def stopped(self, machine: Machine) -> Machine:
        """Return a machine in which nobody works, stopped."""
        now = self.settled(machine)
        if now.running and now.version != machine.version:
            raise Busy(f"somebody else has started the machine of worker {machine.worker}", "ask again in a moment")
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
        up = [one for one in others if one.worker != machine.worker and not one.down and one.state != "created"]
        remaining = left(others, self.terms)
        if remaining is not None:
            # What those that are up may cost yet is spoken for.
            remaining -= sum(float(one.said.get(words.MOST_USD) or 0) for one in up)
            if remaining <= 0:
                raise Refused(f"the budget of {self.host} for machines is spent", "raise it in hosts.toml, or wait")
        if self.terms.most is not None and len(up) >= self.terms.most:
            raise Busy(
                f"{self.host} has {len(up)} machines up, its max_workers", "wait for one, or raise it in hosts.toml"
            )
        priced = dataclasses.replace(wanted, host=self.host, linger=STAY, usd_per_hour=size.price, usd_left=remaining)
        return self.ask(machine, priced, size, sets)

"""Reaching hosts: which machine an address means, with its line opened once and kept; many asked at the same time."""

from __future__ import annotations

import queue
import threading
import time
from typing import TYPE_CHECKING, TypeVar

from claude_workers import names
from claude_workers.errors import NotFound, WorkersError
from claude_workers.hosts import opened, registry
from claude_workers.hosts.line import check, silent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from claude_workers.hosts.there import There


LOCAL = "local"
# A table is not held up for longer (seconds) by a host that does not answer.
PATIENCE = 20.0
# And once others have answered, the silent ones have as long again, and this at least.
GRACE = 3.0
_TICK = 0.1
Answer = TypeVar("Answer")


class Reach:
    """The machines of one caller: `on` is what an address without a host means, `local` that there is no other."""

    def __init__(self, on: str | None = None, *, local: bool = False) -> None:
        self._on = None if on == LOCAL else on
        self._local = local
        self._known: dict[str, There] = {}
        self._lock = threading.Lock()

    def at(self, address: str) -> tuple[There | None, str]:
        """Return the host that an address means, None for this machine, and the worker's id."""
        host, worker = names.address(address)
        return self.host(self._on if host is None else host), worker

    def host(self, name: str | None) -> There | None:
        """Return a host by its name, None for this machine; NotFound when there is none of that name."""
        if name is None or name == LOCAL:
            return None
        if self._local:
            raise NotFound(f"host {name} is another machine, and this call is for this one alone", "leave --local away")
        with self._lock:
            if name not in self._known:
                found = registry.find(name)
                self._known[name] = opened.there(found)
            return self._known[name]

    @property
    def default(self) -> There | None:
        """The host that what names none is asked of; None for this machine."""
        return self.host(self._on)

    @property
    def many(self) -> bool:
        """Whether more than one machine is asked when nobody is named."""
        return self._on is None and not self._local

    def all(self) -> list[tuple[There | None, list[str]]]:
        """Return all that are asked when nobody is named: this machine and every host, or the one of `on`."""
        if not self.many:
            return self.by_host([])
        return [(None, []), *((self.host(one.name), []) for one in registry.every())]

    def placeable(self, host: str | None = None) -> list[There | None]:
        """Return the machines on one of which a task may be placed: the named one, else every host.

        This machine is among them only when it is named, or there is no other.
        """
        if host is not None or not self.many:
            return [self.default if host is None else self.host(host)]
        return [self.host(one.name) for one in registry.every()] or [None]

    def by_host(self, addresses: Sequence[str]) -> list[tuple[There | None, list[str]]]:
        """Return addresses by the host they mean, in the order hosts are first named; none mean the default one."""
        if not addresses:
            return [(self.default, [])]
        found: dict[str | None, tuple[There | None, list[str]]] = {}
        for one in addresses:
            there, worker = self.at(one)
            found.setdefault(there.host.name if there else None, (there, []))[1].append(worker)
        return list(found.values())


def gather(
    jobs: Mapping[str, Callable[[], Answer]],
    limit: float | None = PATIENCE,
    tick: Callable[[], None] | None = None,
    *,
    grace: float | None = None,
) -> Iterator[tuple[str, Answer | WorkersError]]:
    """Do things of several hosts at once; yield each host with its answer, or with why there is none, as they come.

    Who has not answered within `limit` seconds is Unreachable; nobody waits for him. With `grace` that is so,
    too, when after another's answer as much time again, and `grace` at least, has passed. `tick` runs meanwhile.
    """
    answers: queue.SimpleQueue[tuple[str, Answer | WorkersError]] = queue.SimpleQueue()

    for name, job in jobs.items():
        threading.Thread(target=_do, args=(name, job, answers), daemon=True).start()
    left = dict.fromkeys(jobs)
    began = time.monotonic()
    deadline = None if limit is None else began + limit
    while left and (deadline is None or time.monotonic() < deadline):
        try:
            name, answer = answers.get(timeout=_TICK)
        except queue.Empty:
            if tick:
                tick()
            continue
        del left[name]
        if grace is not None and limit is not None and not isinstance(answer, WorkersError):
            now = time.monotonic()
            deadline = min(began + limit, now + max(grace, now - began))
        yield name, answer
    waited = time.monotonic() - began
    for name in left:
        yield name, silent(name, waited)


def _do(name: str, job: Callable[[], Answer], answers: queue.SimpleQueue[tuple[str, Answer | WorkersError]]) -> None:
    try:
        answers.put((name, job()))
    except WorkersError as error:
        answers.put((name, error))
    except Exception as error:  # noqa: BLE001  whoever waits for an answer must get one
        answers.put((name, WorkersError(f"host {name}: {type(error).__name__}: {error}", check(name))))

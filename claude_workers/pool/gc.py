"""The verb gc: what ended tasks left and nobody needs, first shown, then deleted under the locks that hold it still."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from claude_workers.errors import Busy, WorkersError
from claude_workers.home.presence import LOCK_WAIT
from claude_workers.lock import locked
from claude_workers.model import Record
from claude_workers.pool import ended, stored
from claude_workers.pool.garbage import Ground, Thing, Verdict
from claude_workers.pool.preflight import check_outside_sandbox
from claude_workers.text import one_line
from claude_workers.workspace import merged, rescues

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from claude_workers.paths import Layout

_FAULTS = (WorkersError, OSError, ValueError)
_BUSY = "another command is at it"


@dataclass(frozen=True)
class Garbage(Record):
    """A run, clone, rescue or repository that goes or, `kept`, is left alone, and why.

    `bytes` is what it takes on the disk; of a rescue, what upstream does not hold as well.
    """

    what: str
    name: str
    path: str
    bytes: int
    why: str
    kept: bool = False


def plan(layout: Layout, keep: float) -> list[Garbage]:
    """Return what would be deleted, and as `kept` what looks like it and is left alone; nothing is changed."""
    ground, found = Ground(layout, keep), []
    for thing in _things(ground):
        try:
            verdict = thing.judge()
        except _FAULTS as error:
            verdict = Verdict(f"left alone: could not be looked at: {error}", kept=True)
        if verdict:
            found.append(_told(thing, verdict))
        if verdict and not verdict.kept:
            ground.gone.add(thing.path)
    return found


def collect(layout: Layout, keep: float) -> list[Garbage]:
    """Delete what `plan` says and return it; what could not be deleted is among it as `kept`, and stops nothing.

    A worker that another command holds is passed over.
    """
    check_outside_sandbox()
    ground, found = Ground(layout, keep), []
    busy: set[Path] = set()
    for thing in _things(ground):
        one = _collected(ground, thing, busy)
        found += [one] if one else []
    return [*found, *_pruned(ground)]


def _things(ground: Ground) -> Iterator[Thing]:
    """Yield what may be garbage, what is needed by others after them."""
    for home in ground.homes.values():
        yield from _listed("clone", home.path, partial(ended.things, ground, home))
    for store in rescues.stores(ground.layout):
        yield from _listed("rescue", store, partial(stored.works, ground, store))
    yield from stored.repositories(ground)


def _listed(what: str, place: Path, source: Callable[[], Iterable[Thing]]) -> list[Thing]:
    """Return a place's things; for one that cannot be looked at, a thing whose judge says so."""
    try:
        return list(source())
    except _FAULTS as error:
        fails = partial(_fail, error)
        return [Thing(what, place.name, place, (), fails, fails)]


def _fail(error: Exception) -> NoReturn:
    raise error


def _collected(ground: Ground, thing: Thing, busy: set[Path]) -> Garbage | None:
    """Judge a thing, and under its locks once more, and delete it; None when it stays. `busy` are locks waited for."""
    try:
        verdict = thing.judge()
        if verdict is None or verdict.kept or not busy.isdisjoint(thing.locks):
            return None
        with contextlib.ExitStack() as held:
            for lock in thing.locks:
                busy.add(lock)
                held.enter_context(locked(lock, LOCK_WAIT, _BUSY))
                busy.remove(lock)
            verdict = thing.judge()
            if verdict is None or verdict.kept:
                return None
            thing.delete()
    except Busy:
        return None
    except _FAULTS as error:
        return _told(thing, Verdict(f"could not be deleted: {error}", kept=True))
    ground.gone.add(thing.path)
    return _told(thing, verdict)


def _pruned(ground: Ground) -> Iterator[Garbage]:
    """Let git collect what the stores' refs do not name any more; yield where it could not."""
    for store in sorted(ground.lighter):
        try:
            with locked(stored.lock(ground.layout, store), LOCK_WAIT, _BUSY):
                if store.is_dir():
                    merged.prune(store)
        except _FAULTS as error:
            yield Garbage("rescue", store.name, str(store), 0, f"its objects stay: {error}", kept=True)


def _told(thing: Thing, verdict: Verdict) -> Garbage:
    """Return a verdict as people read it: names below a home may be an agent's words."""
    path = os.fsencode(thing.path).decode("utf-8", "replace")
    return Garbage(thing.what, one_line(thing.name), path, verdict.bytes, verdict.why, verdict.kept)

"""Presence: a person who is in a worker's home, at a terminal; nothing else is done with the worker meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_workers.errors import WorkerBusy
from claude_workers.lock import is_free, locked

if TYPE_CHECKING:
    import contextlib

    from claude_workers.home.home import Home

TOLD = "a person is in its home"
LOCK_WAIT = 120.0


def alone(home: Home) -> contextlib.AbstractContextManager[None]:
    """Hold a worker while something is done with it; WorkerBusy at once while a person is in its home."""
    check(home)
    lock = home.layout.worker_lock(home.worker)
    return locked(lock, LOCK_WAIT, f"another command holds worker {home.worker}")


def held(home: Home) -> contextlib.AbstractContextManager[None]:
    """Be in a home; the presence ends with this process, however that ends."""
    return locked(home.layout.presence_lock(home.worker), 0.0, f"worker {home.worker}: {TOLD} already")


def stands(home: Home) -> bool:
    """Tell whether somebody else is in a home."""
    return not is_free(home.layout.presence_lock(home.worker))


def check(home: Home) -> None:
    """Raise WorkerBusy while somebody else is in a home."""
    if stands(home):
        raise WorkerBusy(f"worker {home.worker}: {TOLD} (enter, attach or login)", "ask again when they have left")

"""A lock between processes that dies with its holder."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from claude_workers.errors import Busy
from claude_workers.files import PRIVATE_FILE, cannot_write, make_private

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOCK_POLL = 0.02
# The locks that this process holds: it need not ask the kernel whether somebody else does.
_ours: set[Path] = set()


@contextlib.contextmanager
def locked(path: Path, timeout: float, busy: str) -> Iterator[None]:
    """Hold an exclusive lock on `path` that dies with this process, in threads as between processes.

    Raises Busy with the text `busy` when it was not free within `timeout` seconds. flock(2) by
    hand: a lock library would stay in the runner's memory as long as its agent works.
    """
    make_private(path.parent)
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, PRIVATE_FILE)
    except OSError as error:
        raise cannot_write(path, error) from error
    deadline = time.monotonic() + timeout
    try:
        while not _flock(handle):
            if time.monotonic() > deadline:
                raise Busy(busy, "ask again in a moment")
            time.sleep(_LOCK_POLL)
        _ours.add(path)
        try:
            yield
        finally:
            _ours.discard(path)
    finally:
        os.close(handle)


def is_free(path: Path) -> bool:
    """Tell whether nobody but this process holds the lock on `path`, wherever on this machine he runs.

    A lock is the kernel's, not a pid namespace's: it tells of a holder in another container, too.
    """
    if path in _ours:
        return True
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return True
    try:
        # Shared: those who only look do not take one another for a holder.
        return _flock(handle, fcntl.LOCK_SH)
    finally:
        os.close(handle)


def _flock(handle: int, kind: int = fcntl.LOCK_EX) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

"""A prompt from standard input: read when it is certain to come, never waited for blindly."""

from __future__ import annotations

import os
import select
import stat
import sys
import time

from claude_workers.errors import BadInput

_FIRST_BYTE = 0.5
_WHOLE = 30.0
_LIMIT = 1 << 20


def is_piped() -> bool:
    """Tell whether standard input is a pipe or a socket: a file or a terminal is never read unasked."""
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (OSError, ValueError, AttributeError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def read_piped() -> str:
    """Return what the pipe says up to its end; "" when it ends without a word.

    Raises BadInput when no byte comes in half a second, or no end in 30 seconds.
    """
    collected, deadline = b"", time.monotonic() + _WHOLE
    patience = _FIRST_BYTE
    handle = sys.stdin.fileno()
    while True:
        ready, _, _ = select.select([handle], [], [], patience)
        if not ready:
            what = "says nothing" if not collected else "does not end"
            raise BadInput(f"standard input is a pipe that {what}", "pass --no-stdin, or < /dev/null")
        piece = os.read(handle, 65536)
        if not piece:
            return _decoded(collected)
        collected += piece
        patience = max(deadline - time.monotonic(), 0)
        if len(collected) > _LIMIT:
            raise _too_long()


def read_all() -> str:
    """Return all of standard input, however long its end takes; the user asked by `-`."""
    data = sys.stdin.buffer.read(_LIMIT + 1)
    if len(data) > _LIMIT:
        raise _too_long()
    return _decoded(data)


def _too_long() -> BadInput:
    return BadInput(f"standard input is longer than {_LIMIT} bytes", "shorten it")


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise BadInput("standard input is not UTF-8 text", "pipe UTF-8 text") from error

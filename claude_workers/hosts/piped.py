"""A line's command run as a process of this machine: lines of stdout as they come, with a limit on silence."""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import time
from typing import TYPE_CHECKING

from claude_workers.errors import Refused
from claude_workers.hosts.line import KEPT, Ended, silent

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

_CHUNK = 1 << 16


def run(argv: Sequence[str], stdin: bytes, limit: float | None, host: str) -> Generator[bytes, None, Ended]:
    """Run a process for a host; see `line.Line.execute`. Refused when the program is not here."""
    try:
        popen = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except FileNotFoundError as error:
        raise missing(argv[0]) from error
    try:
        said = yield from _Pipes(popen, host).lines(stdin, limit)
        return Ended(popen.wait(), said)
    finally:
        popen.kill()
        popen.wait()
        for pipe in (popen.stdin, popen.stdout, popen.stderr):
            with contextlib.suppress(OSError):
                pipe.close()  # type: ignore[union-attr]


def missing(program: str) -> Refused:
    """Return the error of a program that is not here."""
    return Refused(f"{program} is not on PATH", f"install it: apt-get install {_PACKAGES[program]}")


_PACKAGES = {"ssh": "openssh-client", "sh": "dash"}


class _Pipes:
    def __init__(self, popen: subprocess.Popen[bytes], host: str) -> None:
        self._popen = popen
        self._host = host

    def lines(self, stdin: bytes, limit: float | None) -> Generator[bytes, None, str]:
        """Write all of stdin and yield the lines of stdout meanwhile; return the end of stderr."""
        popen = self._popen
        assert popen.stdin is not None
        assert popen.stdout is not None
        assert popen.stderr is not None
        os.set_blocking(popen.stdin.fileno(), False)
        left = memoryview(stdin)
        partial, said = b"", b""
        heard = time.monotonic()
        with selectors.DefaultSelector() as selector:
            selector.register(popen.stdin, selectors.EVENT_WRITE)
            selector.register(popen.stdout, selectors.EVENT_READ)
            selector.register(popen.stderr, selectors.EVENT_READ)
            while selector.get_map():
                ready = selector.select(self._left(heard, limit))
                heard = time.monotonic() if ready else heard
                for key, _ in ready:
                    if key.fileobj is popen.stdin:
                        left = self._feed(left)
                        if not left:
                            selector.unregister(popen.stdin)
                            with contextlib.suppress(BrokenPipeError):
                                popen.stdin.close()
                        continue
                    data = os.read(key.fd, _CHUNK)
                    if not data:
                        selector.unregister(key.fileobj)
                    elif key.fileobj is popen.stderr:
                        said = (said + data)[-KEPT:]
                    else:
                        *lines, partial = (partial + data).split(b"\n")
                        yield from lines
        if partial:
            yield partial
        return said.decode("utf-8", "replace")

    def _feed(self, left: memoryview) -> memoryview:
        """Write what the pipe takes; return what is left, nothing when nobody reads any more."""
        try:
            return left[os.write(self._popen.stdin.fileno(), left[:_CHUNK]) :]  # type: ignore[union-attr]
        except BlockingIOError:
            return left
        except BrokenPipeError:
            return left[:0]

    def _left(self, heard: float, limit: float | None) -> float | None:
        if limit is None:
            return None
        left = heard + limit - time.monotonic()
        if left <= 0:
            raise silent(self._host, limit)
        return left

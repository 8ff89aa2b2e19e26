"""A terminal of ours: what a program writes on it reaches the person's own, and what is typed there reaches it.

The program never holds the person's terminal: whatever it does to the one it has ends with it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import sys
import termios
import tty
from typing import TYPE_CHECKING

from claude_workers.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

_CHUNK = 64 << 10
_TICK = 0.2
_SIZE = 8  # struct winsize: rows, columns and two sizes in pixels, two bytes each


def check() -> None:
    """Raise BadInput where no person is at a terminal."""
    if not sys.stdin.isatty() or not sys.stdout.isatty():
        raise BadInput("this needs a terminal", "run it from one; for programs there are logs, tell and watch")


class Terminal:
    """A pseudo-terminal as large as the person's; `slave` is the end for the program."""

    def __init__(self) -> None:
        check()
        self._master, self.slave = os.openpty()
        self._fit()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.hand_over()
        os.close(self._master)

    def hand_over(self) -> None:
        """Let go of the program's end, which by now is its own: its end is then seen."""
        if self.slave >= 0:
            os.close(self.slave)
            self.slave = -1

    def _fit(self) -> None:
        with contextlib.suppress(OSError):
            size = fcntl.ioctl(sys.stdout.fileno(), termios.TIOCGWINSZ, bytes(_SIZE))
            fcntl.ioctl(self._master, termios.TIOCSWINSZ, size)

    def relay(self) -> None:
        """Carry bytes both ways until the program has let go of its end."""
        self.hand_over()
        with _raw(sys.stdin.fileno()), self._fitting():
            listening = [self._master, sys.stdin.fileno()]
            while True:
                ready, _, _ = select.select(listening, [], [], _TICK)
                if self._master in ready and not self._carry_out():
                    return
                if sys.stdin.fileno() in ready:
                    typed = os.read(sys.stdin.fileno(), _CHUNK)
                    if not typed:
                        listening.remove(sys.stdin.fileno())
                    _write_all(self._master, typed or b"\x04")

    def _carry_out(self) -> bool:
        try:
            said = os.read(self._master, _CHUNK)
        except OSError:  # EIO: nobody holds the other end any more
            return False
        _write_all(sys.stdout.fileno(), said)
        return bool(said)

    @contextlib.contextmanager
    def _fitting(self) -> Iterator[None]:
        before = signal.signal(signal.SIGWINCH, lambda *_: self._fit())
        try:
            yield
        finally:
            signal.signal(signal.SIGWINCH, before)


def _write_all(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


@contextlib.contextmanager
def _raw(handle: int) -> Iterator[None]:
    """Give every key on as it is; the terminal is as before in the end, whatever happens."""
    before = termios.tcgetattr(handle)
    handlers = {number: signal.signal(number, _leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    tty.setraw(handle)
    try:
        yield
    finally:
        with contextlib.suppress(termios.error):  # a terminal that was closed
            termios.tcsetattr(handle, termios.TCSAFLUSH, before)
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _leave(number: int, _frame: object) -> None:
    """End by way of what is to be undone, as a signal alone would not."""
    raise SystemExit(128 + number)

"""A person at a terminal: a program on a pseudo-terminal, what it shows, and keys typed into it."""

from __future__ import annotations

import fcntl
import os
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

_PATIENCE = 40.0
_ESCAPES = re.compile(r"\x1b\[[0-9;?<>=]*[A-Za-z]|\x1b\][^\x07]*\x07|\x1b[()][A-Z0-9]|\x1b[=>78]")


class Person:
    """Runs claude-workers on a terminal of 100 columns."""

    def __init__(self, words: Sequence[str], folder: Path) -> None:
        self._master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
        argv = [sys.executable, "-m", "claude_workers", *words]
        self.before = termios.tcgetattr(slave)
        self._slave = slave
        env = {**os.environ, "TERM": "xterm-256color"}
        self._popen = subprocess.Popen(
            argv, stdin=slave, stdout=slave, stderr=slave, cwd=folder, env=env, start_new_session=True
        )
        self._seen = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._popen.poll() is None:
            self._popen.terminate()
        self._popen.wait()
        os.close(self._master)
        os.close(self._slave)

    @property
    def raw(self) -> str:
        """What was shown so far, whole."""
        return self._seen.decode("utf-8", "replace")

    @property
    def seen(self) -> str:
        """What was shown so far, without what moves the cursor."""
        return _ESCAPES.sub("", self._seen.decode("utf-8", "replace"))

    def _read(self) -> None:
        if select.select([self._master], [], [], 0.1)[0]:
            self._seen += os.read(self._master, 1 << 16)

    def until(self, text: str) -> None:
        """Wait until something is shown, spaces and all that moves the cursor aside."""
        wanted = "".join(text.split())
        self.wait(lambda: wanted in "".join(self.seen.split()), repr(text))

    def wait(self, met: Callable[[], bool], what: str) -> None:
        """Wait until what is shown meets a condition."""
        deadline = time.monotonic() + _PATIENCE
        while not met():
            assert time.monotonic() < deadline, f"{what} was never shown:\n{self.seen}"
            assert self._popen.poll() is None or self._left(), f"ended without {what}:\n{self.seen}"
            self._read()

    def _left(self) -> bool:
        return bool(select.select([self._master], [], [], 0)[0])

    def type(self, text: str) -> None:
        """Type keys."""
        os.write(self._master, text.encode())

    def interrupt(self) -> None:
        """Interrupt what runs in a shell, and wait until it listens again."""
        self.type("\x03")
        self.until("^C\r\nbash-")
        prompts = self.seen.count("bash-")
        self.type("\r")
        self.wait(lambda: self.seen.count("bash-") > prompts, "the next prompt")

    def signal(self, number: int) -> None:
        """Send the program a signal."""
        self._popen.send_signal(number)

    def end(self) -> int:
        """Wait for the end and return the exit status; the terminal must be as it was."""
        deadline = time.monotonic() + _PATIENCE
        while self._popen.poll() is None:
            assert time.monotonic() < deadline, f"it does not end:\n{self.seen}"
            self._read()
        while self._left():
            self._read()
        assert termios.tcgetattr(self._slave)[:4] == self.before[:4]
        return self._popen.returncode

"""A line to a host: a command run over there, its output line by line, and how it ended.

Whatever carries it, the far side's login shell is given one word of ours, `sh -c '...'`, that finds
the programs of a user and says where the output begins: what profiles print before is not ours.
"""

from __future__ import annotations

import shlex
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from claude_workers.errors import Unreachable

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

# Seconds: to come through to a host.
CONNECT = 15.0
KEPT = 8 << 10
_MARK = "claude-workers-begins"
# A login shell's PATH is not ours over SSH: where `host setup` puts the command, and people do, is named here.
_PATH = 'PATH="$HOME/.local/bin:/usr/local/bin:/opt/homebrew/bin:$PATH"; export PATH'


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit status, and the end of what it said on stderr."""

    status: int
    stderr: str


class Unreached(Unreachable):
    """No line could be had: nothing was begun over there."""


class Dropped(Unreachable):
    """The line died, or nothing was heard, after the command may have begun: it may be done over there.

    `begun`: it was heard to begin.
    """

    def __init__(self, message: str, remedy: str = "", *, begun: bool = False) -> None:
        super().__init__(message, remedy)
        self.begun = begun

    def unsure(self, remedy: str = "") -> Dropped:
        """Return the same for what changes things, which may be done all the same."""
        said = f"{self.message}; whether that was done is not known"
        return Dropped(said, remedy or self.remedy, begun=self.begun)


def check(host: str) -> str:
    """Return the remedy for a host that is not as it should be."""
    return f"claude-workers host check {host}"


def silent(host: str, seconds: float) -> Unreachable:
    """Return the error of a host that was waited for in vain."""
    return Unreachable(f"host {host} has not answered for {seconds:.0f} s", check(host))


class Shell(Protocol):
    """What runs commands by the shell of one machine."""

    def execute(self, command: str, stdin: bytes, limit: float | None) -> Generator[bytes, None, Ended]:
        """Run a command of the far side's shell; yield the lines of its stdout and return how it ended.

        `limit` is for how many seconds nothing may come. Raises Unreached for a host to which no line
        could be had, Unreachable for one that is not heard any more, Refused for one that is not who
        it was or lets nobody in.
        """


class Line(Shell, Protocol):
    """What carries commands to one host."""

    def interactive(self, command: str) -> int:
        """Run a command with this terminal as its own; return its exit status."""

    def close(self) -> None:
        """Let go of the connection."""


class Output:
    """A command's output as it is read: its lines, and its exit status once all of them came."""

    def __init__(self, running: Generator[bytes, None, Ended], mark: str, host: str) -> None:
        self._running = running
        self._mark = mark.encode()
        self._host = host
        self.ended: Ended | None = None

    def __iter__(self) -> Iterator[str]:
        begun = False
        while True:
            try:
                line = next(self._running)
            except StopIteration as end:
                self.ended = end.value
                break
            except Unreached:
                raise
            except Unreachable as error:
                raise Dropped(error.message, error.remedy, begun=begun) from error
            if begun:
                yield line.decode("utf-8", "replace")
            # What a profile prints without an end of line stands before the mark.
            begun = begun or line.rstrip(b"\r\n").endswith(self._mark)
        if not begun and self.ended and self.ended.status == 0:
            raise Unreachable(f"host {self._host} did not run the command", "look at what its login shell does")


def run(shell: Shell, argv: Sequence[str], host: str, *, stdin: bytes = b"", limit: float | None) -> Output:
    """Begin a command over there, its words given as they are."""
    mark = f"{_MARK}-{uuid.uuid4().hex[:12]}"
    return Output(shell.execute(wrapped(argv, mark), stdin, limit), mark, host)


def wrapped(argv: Sequence[str], mark: str = "") -> str:
    """Return the one command for the far side's login shell that runs `argv` and nothing else."""
    said = f"echo {mark}; " if mark else ""
    quoted = shlex.quote(f"{_PATH}; {said}exec {shlex.join(argv)}")
    # Within quotes a backslash means itself to sh and something to fish; outside of them the two agree.
    return "exec sh -c " + quoted.replace("\\", "'\\\\'")

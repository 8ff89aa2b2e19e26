"""The line into one worker's machine, which is woken when somebody says something."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_workers.errors import Unreachable
from claude_workers.fly.faults import Changed
from claude_workers.hosts.line import Ended, Unreached

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from claude_workers.machines.life import Life
    from claude_workers.machines.machine import Machine
    from claude_workers.model import Json

_AGAIN = 2


class Inside:
    """What runs commands in a worker's machine; see `line.Line`."""

    def __init__(self, life: Life, find: Callable[[], Machine], sets: list[str]) -> None:
        self._life, self._find, self._sets = life, find, sets

    def _machine(self) -> Machine:
        try:
            return self._life.woken(self._find(), self._sets)
        except Unreachable as error:
            raise Unreached(error.message, error.remedy) from error

    def execute(self, command: str, stdin: bytes, limit: float | None) -> Generator[bytes, None, Ended]:
        """Run a command; see `line.Shell`. A machine that stopped before it began is woken once more."""
        for again in range(_AGAIN + 1):
            running = self._life.engine.run(self._machine(), ["sh", "-c", command], stdin, limit)
            try:
                first = next(running)
            except StopIteration as end:
                return _ended(end.value)
            except Changed:
                if again == _AGAIN:
                    raise
                continue
            yield first
            told = yield from running
            return _ended(told)
        raise AssertionError

    def interactive(self, command: str) -> int:
        """Run a command at this terminal; see `line.Line`."""
        return self._life.engine.interactive(self._machine(), ["sh", "-c", command])

    def close(self) -> None:
        """Let go; the machine stops by itself."""


def _ended(told: Json) -> Ended:
    return Ended(int(told["status"]), str(told["stderr"]))

"""The line to this very machine: the same commands, run by its own shell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_workers.hosts import piped

if TYPE_CHECKING:
    from collections.abc import Generator

    from claude_workers.hosts.line import Ended

NAME = "local"


class Here:
    """The shell of this machine, for what is done alike here and elsewhere."""

    def execute(self, command: str, stdin: bytes, limit: float | None) -> Generator[bytes, None, Ended]:
        """Run a command; see `line.Line`."""
        return piped.run(["sh", "-c", command], stdin, limit, NAME)

"""The watch over a working agent: time to its first event, silence, and its whole time.

Time is monotonic: a laptop's sleep counts for nothing.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from claude_workers.agent.ending import Ending
from claude_workers.clock import spoken
from claude_workers.process.tree import members

if TYPE_CHECKING:
    from pathlib import Path

    from claude_workers.config import Settings
    from claude_workers.process.identity import Identity

_SAMPLE = 15.0
_IDLE_CPU = 1 / 60  # a second a minute: an idle Claude Code uses a third of that
_TICKS = os.sysconf("SC_CLK_TCK")


class Watchdog:
    """Says when an agent must be ended; two independent signs of work each keep it alive."""

    def __init__(self, settings: Settings, *, worked: float, transcript: Path) -> None:
        self._limits = settings
        self._transcript = transcript
        self._begun = self._life = self._sampled = time.monotonic()
        self._worked = worked
        self._spoke = False
        self._pids: set[int] = set()
        self._cpu = 0
        self._size = -1

    @property
    def elapsed(self) -> float:
        """Seconds since this turn began."""
        return time.monotonic() - self._begun

    def heard(self) -> None:
        """Note a byte on the stream."""
        self._spoke = True
        self._life = time.monotonic()

    def verdict(self, leader: Identity | None) -> Ending | None:
        """Return why the agent must be ended now; None while it may go on."""
        now = time.monotonic()
        if self._worked + now - self._begun > self._limits.time_limit:
            return Ending("time", f"over the time limit of {spoken(self._limits.time_limit)}")
        if not self._spoke and now - self._begun > self._limits.start_limit:
            return Ending("start", f"no first event within {spoken(self._limits.start_limit)}")
        if now - self._sampled >= min(_SAMPLE, self._limits.silence_limit / 4):
            if leader and self._works(leader, now - self._sampled):
                self._life = now
            self._sampled = now
        if now - self._life > self._limits.silence_limit:
            return Ending("silence", f"no sign of work for {spoken(self._limits.silence_limit)}")
        return None

    def _works(self, leader: Identity, seconds: float) -> bool:
        """Tell whether there is a new process, more CPU than idling takes, or a longer transcript."""
        tree = members(leader)
        pids = {one.pid for one in tree}
        cpu = sum(one.cpu for one in tree)
        try:
            size = os.lstat(self._transcript).st_size
        except OSError:
            size = -1
        busy = cpu - self._cpu >= seconds * _IDLE_CPU * _TICKS
        grown = bool(pids - self._pids) or size > self._size
        self._pids, self._cpu, self._size = pids, cpu, size
        return busy or grown

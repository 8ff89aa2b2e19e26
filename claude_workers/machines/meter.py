"""The meter: what a machine has cost by the hours it was up, day by day, on its own volume."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from claude_workers import clock, files

if TYPE_CHECKING:
    from pathlib import Path

    from claude_workers.machines.words import Request

_DAYS = 32
# It is written this often (seconds): so much is not counted when a machine dies.
_WRITTEN = 10.0


class Meter:
    """What one machine costs; `tick` is to be called again and again."""

    def __init__(self, file: Path, request: Request) -> None:
        self._file = file
        self._price = request.usd_per_hour
        self._left = request.usd_left
        self._at = time.monotonic()
        self._written = self._at
        self._days: dict[str, float] = self._read()

    def _read(self) -> dict[str, float]:
        try:
            found = files.read_json(self._file) or {}
        except ValueError:
            return {}
        return {day: float(usd) for day, usd in found.items() if isinstance(usd, int | float)}

    def tick(self) -> str:
        """Count what passed; return why the machine is to end, "" while it is not."""
        now = time.monotonic()
        usd, self._at = (now - self._at) / 3600 * self._price, now
        today = clock.now()[:10]
        self._days[today] = self._days.get(today, 0.0) + usd
        if now - self._written > _WRITTEN:
            self._write(now)
        if self._left is None:
            return ""
        self._left -= usd
        return "the host's budget for machines is spent" if self._left <= 0 else ""

    def _write(self, now: float) -> None:
        self._days = dict(sorted(self._days.items())[-_DAYS:])
        files.write_atomic(self._file, files.to_text(self._days))
        self._written = now

    def told(self) -> dict[str, float]:
        """Return US dollars by day, as they were written last or are just now."""
        return {day: round(usd, 6) for day, usd in sorted(self._days.items())[-_DAYS:]}

    def close(self) -> None:
        """Write what was counted."""
        self._write(time.monotonic())

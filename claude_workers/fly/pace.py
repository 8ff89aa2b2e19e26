"""The pace: how often Fly lets one thing be asked for, kept before it has to say so.

One request a second for each action on each machine or app, three at once; a machine is looked at five
times a second, ten at once (https://fly.io/docs/machines/api/working-with-machines-api/, rate limits).
"""

from __future__ import annotations

import threading
import time

LOOK = (5.0, 10)
_OTHER = (1.0, 3)


class Pace:
    """The tokens of each action: safe in threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Of each action: the tokens left, and when that was.
        self._left: dict[str, tuple[float, float]] = {}

    def wait(self, action: str, rate: tuple[float, int] = _OTHER) -> None:
        """Return once an action may be asked for again."""
        while (seconds := self._take(action, *rate)) > 0:
            time.sleep(seconds)

    def _take(self, action: str, rate: float, burst: int) -> float:
        """Take a token; return for how long (seconds) there is none."""
        with self._lock:
            now = time.monotonic()
            left, at = self._left.get(action, (float(burst), now))
            left = min(burst, left + (now - at) * rate)
            if left < 1:
                return (1 - left) / rate
            self._left[action] = (left - 1, now)
            return 0.0

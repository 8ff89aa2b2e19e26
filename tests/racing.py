"""Races and waits: the same verb from many threads at one moment, and a condition awaited."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Answer = TypeVar("Answer")
PATIENCE = 20.0


def race(verb: Callable[[int], Answer], count: int = 20) -> list[Answer | Exception]:
    """Call `verb(0)`, `verb(1)` ... at the same moment; return what each returned or raised."""
    start = threading.Barrier(count)

    def run(number: int) -> Answer | Exception:
        start.wait(PATIENCE)
        try:
            return verb(number)
        except Exception as error:  # noqa: BLE001  the outcome of a racer is for the test to judge
            return error

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def until(condition: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
    """Wait until `condition` holds; fail the test, naming `what`, when it never does."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.002)

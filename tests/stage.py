"""A stage: one worker whose stand-in agent plays what the test writes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from claude_workers import Fleet, Receipt, Task, WorkerStatus, paths
from claude_workers.lock import is_free
from tests.racing import until

ADD = {"run": "printf 'def sub(a, b):\\n    return a - b\\n' >> calc.py && git commit -qam 'Add sub'"}

HERE: dict[str, object] = {"text": "here"}
HANG: dict[str, object] = {"hang": True}
# Stays until the test touches ~/.cache/go.
WAIT: dict[str, object] = {"run": "touch ~/.cache/came; until [ -e ~/.cache/go ]; do sleep 0.02; done"}
DONE: dict[str, object] = {"text": "Done."}


def steps(*script: Mapping[str, object]) -> str:
    """Write a script for the stand-in agent."""
    return f"Play.\n```stand-in\n{json.dumps(script)}\n```\n"


class Stage:
    """One worker and the toy repository."""

    def __init__(self, calc: Path) -> None:
        self.calc = calc
        self.fleet = Fleet()
        self.fleet.init("01")

    @property
    def home(self) -> Path:
        """The worker's home."""
        return self.fleet.layout.root / "01"

    def start(self, *script: Mapping[str, object], **wishes: Any) -> Task:
        """Dispatch a script."""
        return self.fleet.dispatch("01", str(self.calc), prompt=steps(*script), **wishes)

    def end(self) -> Receipt:
        """Wait for the outcome."""
        [receipt] = self.fleet.watch(["01"], timeout=60)
        until(lambda: is_free(self.fleet.layout.runner_lock("01")), "the runner is gone")
        return receipt

    def play(self, *script: Mapping[str, object], **wishes: Any) -> Receipt:
        """Dispatch a script and wait for the outcome."""
        self.start(*script, **wishes)
        return self.end()

    def configure(self, text: str) -> None:
        """Write config.toml."""
        folder = paths.config_dir()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.toml").write_text(text, encoding="utf-8")

    def bare(self) -> Path:
        """Return our store of what agents made of the toy repository."""
        [found] = self.fleet.layout.repositories.glob("*.made.git")
        return found

    def until(self, seen: Callable[[WorkerStatus], object]) -> WorkerStatus:
        """Wait until the worker's row shows something."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            row = self.fleet.status(["01"])[0]
            if seen(row):
                return row
            time.sleep(0.02)
        pytest.fail(f"never seen: {self.fleet.status(['01'])[0]}")

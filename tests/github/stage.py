"""A stage on GitHub: a worker whose stand-in agent plays what the test writes, on ann/calc."""

from __future__ import annotations

import fnmatch
import itertools
import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from claude_workers import Fleet, Receipt, Task, WorkerStatus, paths
from tests.github.fake import GitHub
from tests.github.records import Issue
from tests.stage import steps

REPO = "ann/calc"
# The agent goes on when its test says so.


def nth(pattern: str, number: int) -> Callable[[str, str], bool]:
    """Match one request only: the one of that number, from 1, among those that fit a pattern."""
    seen = itertools.count(1)

    def match(method: str, path: str) -> bool:
        return fnmatch.fnmatchcase(f"{method} {path}", pattern) and next(seen) == number

    return match


class GitHubStage:
    """One worker and the repository ann/calc, spoken to by robot's token."""

    def __init__(self, github: GitHub) -> None:
        self.github = github
        self.fleet = Fleet()
        self.fleet.init("01")

    @property
    def home(self) -> Path:
        """The worker's home."""
        return self.fleet.layout.root / "01"

    def configure(self, text: str) -> None:
        """Write config.toml."""
        folder = paths.config_dir()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.toml").write_text(text, encoding="utf-8")

    def file(self, *script: Mapping[str, object], author: str = "ann") -> int:
        """File an issue whose text is a script for the agent."""
        return self.github.file_issue(REPO, author, "Add sub", steps(*script))

    def start(self, *script: Mapping[str, object], **wishes: Any) -> Task:
        """File an issue and dispatch it."""
        return self.fleet.dispatch("01", REPO, self.file(*script), **wishes)

    def end(self, worker: str = "01") -> Receipt:
        """Wait for the outcome."""
        [receipt] = self.fleet.watch([worker], timeout=60)
        return receipt

    def play(self, *script: Mapping[str, object], **wishes: Any) -> Receipt:
        """File an issue, dispatch it, and wait for the outcome."""
        self.start(*script, **wishes)
        return self.end()

    def go(self) -> None:
        """Let an agent go on that came to WAIT."""
        folder = self.home / ".cache"
        folder.mkdir(mode=0o700, exist_ok=True)
        (folder / "go").touch()

    def until(self, seen: Callable[[WorkerStatus], object], worker: str = "01") -> WorkerStatus:
        """Wait until a worker's row shows something."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            row = self.fleet.status([worker])[0]
            if seen(row):
                return row
            time.sleep(0.02)
        pytest.fail(f"never seen: {self.fleet.status([worker])[0]}")

    def kill(self, worker: str = "01") -> None:
        """Kill a worker's runner as the kernel would, and see that it is known to be dead."""
        row = self.until(lambda row: row.pid, worker)
        os.kill(int(row.pid or 0), signal.SIGKILL)
        self.until(lambda row: row.state == "crashed", worker)

    def close(self) -> None:
        """Stop whatever still works."""
        for row in self.fleet.status():
            if row.state == "busy":
                self.fleet.stop(row.worker)

    def labels(self, number: int) -> list[str]:
        """Return the names of an issue's labels."""
        return sorted(one.name for one in self.github.issue(REPO, number).labels)

    def said(self, number: int) -> list[str]:
        """Return the comments under an issue or pull request."""
        return [one.body for one in self.github.comments(REPO, number)]

    def pulls(self) -> list[Issue]:
        """Return every pull request of the repository."""
        found = self.github.repository(REPO).issues.values()
        return [self.github.issue(REPO, one.number) for one in found if one and one.pull]

    def claims(self) -> dict[str, str]:
        """Return the refs by which issues are claimed."""
        return self.github.refs(REPO, "refs/claude-workers/")

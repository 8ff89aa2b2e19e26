"""The layout of one worker's home."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from claude_workers.errors import BadInput, NotFound, Refused
from claude_workers.names import worker_id

if TYPE_CHECKING:
    from claude_workers.model import Repository
    from claude_workers.paths import Layout

# Beside a task's records: what its agent is handed to read beyond the issue.
HANDED = "handed"


@dataclass(frozen=True)
class Home:
    """Where one worker keeps things."""

    layout: Layout
    worker: str

    @property
    def path(self) -> Path:
        """The worker's $HOME."""
        return self.layout.root / self.worker

    @property
    def claude(self) -> Path:
        """Claude Code's own folder."""
        return self.path / ".claude"

    @property
    def env_file(self) -> Path:
        """The worker's environment: secrets, never shown to an agent as a file."""
        return self.path / ".env"

    @property
    def task_file(self) -> Path:
        """The current assignment; absent when idle."""
        return self.path / "task.json"

    @property
    def events(self) -> Path:
        """The event log."""
        return self.path / "events.jsonl"

    @property
    def completed(self) -> Path:
        """The archived tasks."""
        return self.path / "completed"

    @property
    def parked(self) -> Path:
        """The tasks that wait for an answer."""
        return self.path / "parked"

    @property
    def temporary(self) -> Path:
        """The agent's own temporary folder."""
        return self.path / "tmp"

    @property
    def outbox(self) -> Path:
        """Where `worker-ask` and `worker-defer` leave their words."""
        return self.temporary / "outbox"

    @property
    def forge(self) -> Path:
        """The folder of the agent's own forge token, while it has one."""
        return self.path / ".forge"

    def run(self, task_id: str) -> Path:
        """Return the folder of one task's records."""
        return self.path / "runs" / task_id

    def clone(self, repository: Repository) -> Path:
        """Return the agent's clone of a repository."""
        return self.path / "github" / repository.owner / repository.short


def find(layout: Layout, worker: str) -> Home:
    """Return an existing home; NotFound when there is none, Refused when it is somebody else's."""
    home = Home(layout, worker_id(worker))
    try:
        status = os.lstat(home.path)
    except FileNotFoundError as error:
        raise NotFound(f"there is no worker {worker}", f"claude-workers init {worker}") from error
    if not stat.S_ISDIR(status.st_mode):
        raise Refused(f"{home.path} is not a folder", "move it away")
    if status.st_uid != os.geteuid():
        raise Refused(f"{home.path} belongs to another user (uid {status.st_uid})", "use a root of your own")
    return home


def every(layout: Layout) -> list[Home]:
    """Return all homes under the root, by id."""
    if not layout.root.is_dir():
        return []
    with os.scandir(layout.root) as entries:
        found = sorted(one.name for one in entries if one.is_dir(follow_symlinks=False))
    return [Home(layout, name) for name in found if _is_worker(name)]


def _is_worker(name: str) -> bool:
    try:
        worker_id(name)
    except BadInput:
        return False
    return True

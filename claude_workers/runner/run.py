"""One task in a runner's hands: what it works on, what it has observed, and where both are written."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any

from claude_workers import access, clock, config, credentials, files
from claude_workers.agent import stream
from claude_workers.home import tasks
from claude_workers.runner.blot import Blot
from claude_workers.workspace import store, upstream
from claude_workers.workspace.clone import Cargo

if TYPE_CHECKING:
    from pathlib import Path

    from claude_workers.forge.seam import Forge
    from claude_workers.home.home import Home
    from claude_workers.model import Task

_SAVE_EVERY = 0.5
# What git is asked by: a secret that looks like one of these must not take its place.
_NAMES = frozenset({"base_branch", "base", "head", "start", "rescued", "pull_request", "outcome",
                    "pushed", "published", "published_base", "merged"})  # fmt: skip
MADE_FOR = "github/.made-for"


class Ended(Exception):
    """The task has come to its end with this outcome."""

    def __init__(self, outcome: str, reason: str = "") -> None:
        super().__init__(outcome, reason)
        self.outcome = outcome
        self.reason = reason


class Parked(Exception):
    """The task waits for something outside: no process stays, `restart` or `recover` wakes it."""

    def __init__(self, wait_for: str, reason: str, until: str | None = None) -> None:
        super().__init__(wait_for, reason, until)
        self.wait_for = wait_for
        self.reason = reason
        self.until = until


class Asked(Exception):
    """The agent needs a person's answer: the task is to be parked."""


class StopRequested(BaseException):
    """A person or the machine asked the runner to stop; like KeyboardInterrupt, caught by no verb."""


class Run:
    """A task with its home, settings and forge; every observation is written before it is used."""

    def __init__(self, home: Home, task: Task) -> None:
        self.home = home
        self.task = task
        self.repository = task.repository
        self.mirror = upstream.bare(home.layout, self.repository)
        self.store = store.path(home.layout, self.repository)
        self.clone = home.clone(self.repository)
        self.folder = home.run(task.task_id)
        self.settings = self._settings()
        self.secrets = credentials.read_env(home.env_file)
        self.progress = tasks.progress(home, task.task_id)
        # What the agent is to hear next: unset, how it begins or goes on; "", nothing but its inbox.
        self.message: str | None = None
        self.rebooted = False
        self.submodules: list[tuple[str, Path]] = []
        self._saved = 0.0
        self._unsaved = False
        self._stream = self._open_stream()

    @functools.cached_property
    def forge(self) -> Forge:
        """The forge, first asked when the agent is done: its library stays out of memory till then."""
        from claude_workers.forge.choose import forge_of  # noqa: PLC0415

        return forge_of(self.home.layout, self.repository)

    @property
    def origin(self) -> access.Origin:
        """The repository with its access, found anew each time: tokens are renewed while agents work."""
        found = access.origin(self.repository)
        self.blot.add(found.access.token)
        return found

    @functools.cached_property
    def blot(self) -> Blot:
        """What the runner holds or the agent was given and nobody may be shown."""
        values = {**self.secrets, **credentials.env_file(self.settings.env_file)}
        values.pop(credentials.BASE_URL, None)
        return Blot([*values.values(), *(os.environ.get(name, "") for name in access.TOKENS)])

    def publishable(self, text: str) -> str:
        """Return a text that the world may read: without those secrets."""
        return self.blot.text(text)

    @property
    def pays(self) -> str:
        """Which of the home's credentials pays: key, token or login."""
        return str(self.task.options.get("pays") or "")

    @property
    def holds_token(self) -> bool:
        """Whether the agent has a token of its own for the forge."""
        return self.task.options.get("forge_access") == "worker"

    @property
    def merges(self) -> bool:
        """Whether the change is to be merged: a person said so, or it is configured; on GitHub for this very one."""
        if self.task.options.get("merge"):
            return True
        configured = self.settings.origins.get("merge", "").endswith(f'[repos."{self.repository.name}"]')
        return self.settings.merge == "auto" and (self.repository.path is not None or configured)

    @property
    def kept(self) -> str:
        """Where our repository keeps what this task made, below refs/work/."""
        return f"{self.task.worker}/{self.task.task_id}"

    def cargo(self, kept: str | None = None) -> Cargo:
        """Return the clone as something to carry, kept under the task's name unless another is given."""
        sizes = (self.settings.rescue_file_limit, self.settings.rescue_limit)
        return Cargo(self.clone, self.task.branch, self.mirror, self.store, kept or self.kept, *sizes)

    def owns_clone(self) -> bool:
        """Tell whether the clone was made, whole, for this task."""
        return files.read_inside(self.home.path, MADE_FOR) == self.task.task_id

    def mark_clone(self) -> None:
        """Note that the clone was made for this task."""
        files.write_atomic(self.home.path / MADE_FOR, self.task.task_id)

    def _settings(self) -> config.Settings:
        """Return the settings in force: the operator's, the base's own gate, then this dispatch's words."""
        settings = config.load(self.repository.name)
        base = tasks.progress(self.home, self.task.task_id).base
        gate = upstream.show(self.mirror, base, config.GATE_FILE) if base else None
        settings = config.with_gate(settings, gate) if gate else settings
        options = {name: value for name, value in self.task.options.items() if name in config.KEYS}
        return dataclasses.replace(settings, **options)

    def reload_settings(self) -> None:
        """Read the settings again, now that the base is known."""
        self.settings = self._settings()

    def _open_stream(self) -> int:
        path = self.folder / "stream.jsonl"
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, files.PRIVATE_FILE)
        size = os.fstat(handle).st_size
        if size and os.pread(handle, 1, size - 1) != b"\n":
            os.write(handle, b"\n")  # a runner that was killed left half a line
        return handle

    def write_line(self, line: bytes) -> None:
        """Append one line to the task's log, whole."""
        view = memoryview(line if line.endswith(b"\n") else line + b"\n")
        while view:
            view = view[os.write(self._stream, view) :]

    def say(self, text: str) -> None:
        """Put a line of the runner's own into the task's log."""
        text = self.publishable(text)
        event = {"type": stream.OURS, "at": clock.now(), "phase": self.task.phase, "text": text}
        self.write_line(json.dumps(event, ensure_ascii=False).encode())

    def save(self, **changes: Any) -> None:  # noqa: ANN401
        """Replace the task file with these changes in it; exit when it was taken from this runner."""
        if not self.home.task_file.exists():
            # A dispatch that gave this runner up has undone the claim: writing would bring it back.
            sys.exit(f"task {self.task.task_id} was taken away")
        texts = {name: self.publishable(value) for name, value in changes.items() if name == "reason"}
        self.task = tasks.save(self.home, self.task, **{**changes, **texts})

    def observe(self, *, now: bool = True, **changes: Any) -> None:  # noqa: ANN401
        """Take observations in; `now=False` may leave the writing to a later one."""
        kept = {name: value if name in _NAMES else self.blot.value(value) for name, value in changes.items()}
        self.progress = dataclasses.replace(self.progress, task_id=self.task.task_id, **kept)
        self._unsaved = True
        self.flush(now=now)

    def flush(self, *, now: bool = False) -> None:
        """Write what was observed and not yet written; not more than twice a second unless `now`."""
        moment = time.monotonic()
        if self._unsaved and (now or moment - self._saved > _SAVE_EVERY):
            tasks.save_progress(self.home, self.progress)
            self._saved = moment
            self._unsaved = False

    def note(self, text: str) -> None:
        """Put a remark into the log and the receipt, once."""
        self.say(text)
        if text not in self.progress.notes:
            self.observe(notes=[*self.progress.notes, text])

    @property
    def reserve(self) -> Path:
        """A file that holds some room on the disk back."""
        return self.folder / "reserve"

    def path(self, name: str) -> Path:
        """Return the path of one of the task's records."""
        return self.folder / name

"""The interview: Claude asks a person about a project, and leaves its page, a gate and tickets to be looked at."""

from __future__ import annotations

import contextlib
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_workers import config, files
from claude_workers.enclosure import levels
from claude_workers.errors import Busy, NotFound, WorkerBusy
from claude_workers.home import tasks
from claude_workers.home.home import every
from claude_workers.model import Record, Task
from claude_workers.pool import console, preflight
from claude_workers.runner import console as terminal
from claude_workers.runner.prepare import prepare
from claude_workers.runner.run import Run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from claude_workers.home.home import Home
    from claude_workers.model import Repository
    from claude_workers.paths import Layout

_BYTES = 256 << 10
_WORDS = """\
Interview me about this project, for agents that will work on it alone. Read the repository first (you cannot change
it). Then ask, one question at a time, what it is for, who uses it, what matters most, what must never be done, how a
change is known to be good, and what is to be done next. Stop asking when you know enough; I may stop you, too. Then
write three files into the folder $CLAUDE_WORKERS_OUTBOX, and nothing elsewhere:

- PROJECT.md: what every agent must know of the project, in at most a page.
- verify: one shell command, on one line, that must pass before a change is published.
- tickets.yaml: the first tickets, as a list of tables with title, description, priority, key and blocked_by (keys).

Say then that I can leave with /exit. I shall look at all three before they are used.
"""


@dataclass(frozen=True)
class Interview(Record):
    """What an interview left; "" for what it did not."""

    page: str = ""
    verify: str = ""
    tickets: str = ""


def hold(layout: Layout, repository: Repository, worker: str | None = None) -> Interview:
    """Hold an interview at this terminal, in the home of an idle worker; Busy where there is none.

    NotFound when nothing was left. Nobody can dispatch to the worker meanwhile.
    """
    chosen = worker or next((one.worker for one in every(layout) if tasks.state(one).name == "idle"), None)
    if chosen is None:
        raise Busy("no worker is idle", "claude-workers init another")
    with console.held(layout, chosen) as home:
        if tasks.state(home).name != "idle":
            raise WorkerBusy(f"worker {chosen} has a task", "name an idle one with --worker")
        with _run(home, repository) as run:
            prepare(run)
            terminal.open_console(run, [*terminal.claude(run), _WORDS], run.clone)
            left = Interview(*(_left(run, name) for name in ("PROJECT.md", "verify", "tickets.yaml")))
    if left == Interview():
        raise NotFound("the interview left nothing to look at", "hold it again, to its end")
    return left


@contextlib.contextmanager
def _run(home: Home, repository: Repository) -> Iterator[Run]:
    """Give a task that is none to the terminal: it reads the repository and cannot write to it."""
    settings = config.load(repository.name)
    level = settings.isolation or levels.best()
    levels.check(level, permissions=settings.permissions, temporary=home.temporary)
    preflight.check_home(home)
    options = {"pays": preflight.login(home, settings), "propose": True, "author": preflight.author(settings)}
    task = Task(
        str(uuid.uuid4()), home.worker, repository.to_json(), f"w{home.worker}/interview", prompt="(an interview)",
        expect="answer", session_id=str(uuid.uuid4()), isolation=level, options=options,
    )  # fmt: skip
    folder = files.make_private(home.run(task.task_id))
    try:
        yield Run(home, task)
    finally:
        files.remove_tree(folder)


def _left(run: Run, name: str) -> str:
    try:
        return (files.read_inside(run.home.path, f"tmp/outbox/{name}", _BYTES) or "").strip()
    except ValueError:
        return ""

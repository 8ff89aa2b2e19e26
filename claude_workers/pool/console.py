"""The verbs of a person at a terminal: enter a home, attach to a session, log a home in."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING

from claude_workers import config, credentials, files, transcript
from claude_workers.enclosure import levels
from claude_workers.errors import BadInput, NoCredentials, NotFound, WorkerBusy, WorkersError
from claude_workers.home import archive, presence, provision, tasks
from claude_workers.home.home import Home, find
from claude_workers.lock import locked
from claude_workers.model import Task
from claude_workers.pool import leave, preflight
from claude_workers.pool.dispatch import describe
from claude_workers.runner import console
from claude_workers.runner.rescue import rescue
from claude_workers.runner.run import Run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from claude_workers.paths import Layout

_AT_HAND = 2.0
_NOBODY = "console"
_NOWHERE = "/nowhere"
_VARIABLES = {"key": credentials.API_KEY, "token": credentials.TOKEN}


def enter(layout: Layout, worker: str, program: Sequence[str] = ()) -> int:
    """Open a shell, or a program such as claude, in a home that nobody works in; return its exit status.

    WorkerBusy while an agent works there. Nobody can dispatch to the worker meanwhile.
    """
    with held(layout, worker) as home, _run(home) as run:
        words = list(program) or ["bash", "--noprofile", "--norc"]
        words = [*console.claude(run), *words[1:]] if words[0] == "claude" else words
        return console.open_console(run, words, run.clone if run.owns_clone() else home.path)


def attach(layout: Layout, worker: str, *, take_over: bool = False) -> int:
    """Open the session of a worker's task, the current or the last, at a terminal; return the exit status.

    `take_over` stops a task that runs first. What was done is rescued; `restart` gives the task back.
    """
    if take_over and tasks.state(find(layout, worker)).name == "busy":
        with locked(layout.worker_lock(worker), _AT_HAND, f"another command holds worker {worker}"):
            leave.stop(find(layout, worker))
    with held(layout, worker) as home, _run(home) as run:
        if not run.owns_clone() or not transcript.exists(home.claude, run.clone, run.task.session_id):
            raise NotFound(f"worker {worker} has no session that could be resumed", f"claude-workers enter {worker}")
        status = console.open_console(run, console.claude(run, run.task.session_id), run.clone)
        unsaved = rescue(run)
        if unsaved:
            raise WorkersError(f"the work could not be rescued: {unsaved}", f"look at {run.clone}")
        return status


def keep_login(layout: Layout, worker: str, kind: str, value: str) -> None:
    """Keep a key or token ("key", "token") as the home's own once the API has taken it.

    NoCredentials when it is refused, Unreachable when nobody answers: nothing is changed then.
    """
    value = value.strip()
    if not value or not value.isprintable() or " " in value:
        raise BadInput("that is no credential", "give it in one line on standard input")
    with held(layout, worker) as home, _run(home) as run:
        values = {**_without_credential(home), _VARIABLES[kind]: value, credentials.OWN: kind}
        console.try_credential(run, values, kind)
        provision.own_credentials(home, values)


def log_in(layout: Layout, worker: str) -> str:
    """Let a person log a home in with Claude's own dialogue; return what it pays with from now on."""
    with held(layout, worker) as home, _run(home) as run:
        console.open_console(run, [console.claude(run)[0], "auth", "login"], home.path)
        if files.read_inside(home.path, credentials.LOGIN_FILE) is None:
            raise NoCredentials(f"worker {worker} was not logged in", "try again, or give a token: login --token")
        values = _without_credential(home)
        console.try_credential(run, values, "login")
        provision.own_credentials(home, {**values, credentials.OWN: "login"})
        return "login"


def _without_credential(home: Home) -> dict[str, str]:
    known = credentials.read_env(home.env_file)
    return {name: value for name, value in known.items() if name not in _VARIABLES.values()}


@contextlib.contextmanager
def held(layout: Layout, worker: str) -> Iterator[Home]:
    """Hold a worker that no runner is at."""
    preflight.check_outside_sandbox()
    home = find(layout, worker)
    presence.check(home)
    lock = layout.worker_lock(worker)
    with locked(lock, _AT_HAND, f"another command holds worker {worker}"), presence.held(home):
        state = tasks.state(home)
        if state.name == "busy" and state.task:
            raise WorkerBusy(
                f"worker {worker} is busy with {describe(state.task)}",
                f"claude-workers attach {worker}, with --take-over to stop it first",
            )
        if state.name == "unknown":
            raise WorkersError(f"worker {worker} is unknown: {state.reason}", f"claude-workers why {worker}")
        yield home


@contextlib.contextmanager
def _run(home: Home) -> Iterator[Run]:
    """Give the home's task, the current or the last, to a console; one made up for a home that had none."""
    known = tasks.state(home).task or archive.task(archive.latest(home))
    settings = config.load(known.repository.name if known else None)
    task = known or Task(_NOBODY, home.worker, {"name": "local/console", "url": _NOWHERE, "path": _NOWHERE}, _NOBODY)
    level = task.isolation if known else settings.isolation or levels.best()
    levels.check(level, permissions=settings.permissions, temporary=home.temporary)
    preflight.check_home(home)
    pays = ""
    with contextlib.suppress(NoCredentials):
        pays = preflight.login(home, settings)
    folder = files.make_private(home.run(task.task_id))
    try:
        yield Run(home, dataclasses.replace(task, isolation=level, options={**task.options, "pays": pays}))
    finally:
        if known is None:
            files.remove_tree(folder)
            files.remove_tree(home.path / "github" / "local" / "console")

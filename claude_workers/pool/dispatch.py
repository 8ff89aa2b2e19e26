"""Dispatch: validate, preflight, claim, spawn, confirm; a failure undoes what came before."""

from __future__ import annotations

import contextlib
import getpass
import os
import sys
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_workers import access, clock, files
from claude_workers.errors import BadInput, Busy, WorkerBusy, WorkersError
from claude_workers.forge.choose import forge_of
from claude_workers.home import archive, presence, tasks
from claude_workers.home.home import HANDED, Home, every, find
from claude_workers.lock import is_free, locked
from claude_workers.model import Receipt, Task
from claude_workers.names import task_branch
from claude_workers.pool import leave, pause, preflight
from claude_workers.process.identity import Identity, current, probe
from claude_workers.process.spawn import spawn_detached

if TYPE_CHECKING:
    from collections.abc import Iterator

    from claude_workers.model import Change, Json, Repository
    from claude_workers.paths import Layout
    from claude_workers.pool.floors import Wait
    from claude_workers.pool.preflight import Order, Ready

_PASSED = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "SHELL", "USER", "LOGNAME", "XDG_RUNTIME_DIR",
           "XDG_CONFIG_HOME", "SSH_AUTH_SOCK", "SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS",
           "REQUESTS_CA_BUNDLE", "RUSTUP_HOME", "npm_config_registry", "GIT_SSL_CAINFO", "HTTPS_PROXY",
           "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy",
           "TICKET_DB")  # fmt: skip
_ROOM_WAIT = 120.0
_PASSED_PREFIXES = ("CLAUDE_WORKERS_", "PIP_")


@dataclass(frozen=True)
class Dispatched:
    """A dispatch's answer: the task, and whether it is new or was under way already."""

    task: Task
    new: bool


def dispatch(layout: Layout, order: Order) -> Dispatched:
    """Give a worker a task and return once its runner lives.

    WorkerBusy or IssueTaken when somebody was first, Refused when it would not be safe, BadInput or
    NotFound for what does not exist; nothing has changed then. The same order while its task is
    under way is answered with that task; a crashed or stopped one is continued.
    """
    preflight.check_outside_sandbox()
    _check_task_id(order.task_id)
    home = find(layout, order.worker)
    repository = preflight.repository_of(layout, order.repo)
    known = _known(home, order, repository)
    if known and (known.pid is not None or known.state != "busy"):
        return Dispatched(known, new=False)  # one that is still starting may yet be undone: wait for it
    pause.check(layout)
    ready = preflight.check(layout, home, order, repository)
    with presence.alone(home):
        known = _known(home, order, repository)
        if known:
            return Dispatched(known, new=False)
        pause.check(layout)  # again: who comes after a pause has returned starts nothing
        state = tasks.state(home)
        if state.task and _same(state.task, order, repository):
            leave.end_leftovers(home, state.task)
            with _room(layout, order.most):
                return Dispatched(continue_task(home, state.task), new=False)
        if state.task:
            leave.archive_left(home, state)
        with _room(layout, order.most):
            return Dispatched(_claim_and_start(home, order, ready), new=True)


@contextlib.contextmanager
def _room(layout: Layout, most: int | None) -> Iterator[None]:
    """Hold the right to put one more worker to work; Busy where `most` are."""
    if most is None:
        yield
        return
    with locked(layout.room_lock, _ROOM_WAIT, "other dispatches are under way"):
        busy = [home.worker for home in every(layout) if tasks.state(home).name in {"busy", "unknown"}]
        if len(busy) >= most:
            raise Busy(f"{len(busy)} workers are at work, of {most} that may be", "watch them, or raise max_workers")
        yield


def _check_task_id(text: str | None) -> None:
    if text is None:
        return
    try:
        if str(uuid.UUID(text)) == text:
            return
    except ValueError:
        pass
    raise BadInput(f"{text[:40]!r} is not a task id", "give a UUID, in lower case with dashes")


def _known(home: Home, order: Order, repository: Repository) -> Task | None:
    """Return the task this order already is; raise WorkerBusy when the worker has another."""
    if order.task_id:
        ended = _ended(home, order.task_id)
        if ended:
            return ended
    state = tasks.state(home)
    if state.name == "idle" or (state.name in {"crashed", "stopped"} and state.task):
        return None
    if state.task is None:
        raise WorkerBusy(
            f"worker {home.worker} is unknown: {state.reason}", f"look at {home.task_file}, or claude-workers reset"
        )
    agrees = order.isolation in {None, state.task.isolation}
    if agrees and _same(state.task, order, repository):
        return state.task
    raise WorkerBusy(
        f"worker {home.worker} is {state.name} with {describe(state.task)}",
        f"claude-workers watch {home.worker}, or dispatch another worker",
    )


def _ended(home: Home, task_id: str) -> Task | None:
    receipt: Receipt | None = archive.receipt(home, task_id)
    if receipt is None or tasks.state(home).task is not None:
        return None
    return archive.find(home, task_id)


def _same(task: Task, order: Order, repository: Repository) -> bool:
    same = (task.repository.url, task.issue, task.prompt) == (repository.url, order.issue, order.prompt)
    return same and (order.same or order.task_id in {None, task.task_id})


def describe(task: Task) -> str:
    """Name a task's subject: `local/calc#1`, or the repository alone."""
    return f"{task.repository.name}#{task.issue}" if task.issue else task.repository.name


def _claim_and_start(home: Home, order: Order, ready: Ready) -> Task:
    task = _new_task(home, order, ready)
    label = str(task.options["label"])
    with contextlib.ExitStack() as undo:
        undo.callback(files.remove_tree, home.run(task.task_id))
        _write_records(home, order, ready, task)
        if not tasks.claim(home, task):
            raise WorkerBusy(f"worker {home.worker} was taken this moment", "dispatch another worker")
        undo.callback(home.task_file.unlink, missing_ok=True)
        undo.callback(ready.forge.release, task, proposed=False)  # also when only the claim's answer was lost
        ready.forge.claim(task)
        if task.issue:
            ready.forge.label(task.issue, add=(label,))
            undo.callback(ready.forge.label, task.issue, remove=(label,))
        if ready.wait:
            task = wait(home, task, ready.wait)
        else:
            start_runner(home, task)
        undo.pop_all()
    return tasks.load(home) or task


def _write_records(home: Home, order: Order, ready: Ready, task: Task) -> None:
    """Write what the agent is to read: before the claim, so that whoever goes on with the task finds it."""
    folder = files.make_private(home.run(task.task_id))
    for name, text in (order.follows.files if order.follows else {}).items():
        files.write_atomic(files.make_private(folder / HANDED) / name, text)
    if ready.issue:
        files.write_atomic(folder / "issue.json", files.to_text(ready.issue.to_json()))


def _new_task(home: Home, order: Order, ready: Ready) -> Task:
    task_id = order.task_id or str(uuid.uuid4())
    branch, continues = _branch(home, order, ready, task_id)
    me = current()
    return Task(
        task_id=task_id,
        worker=home.worker,
        repo=ready.repository.to_json(),
        issue=order.issue,
        prompt=order.prompt,
        expect=ready.expect,
        branch=branch,
        base=ready.base,
        model=ready.model,
        session_id=(order.follows.session_id if order.follows else "") or str(uuid.uuid4()),
        host=ready.host,
        requested_by=order.requested_by or getpass.getuser(),
        dispatched_at=clock.now(),
        updated_at=clock.now(),
        isolation=ready.isolation,
        options={
            **ready.options,
            "continues": continues,
            **({"propose": True} if order.propose else {}),
            **_followed(order),
        },
        extra={"dispatcher": {"pid": me.pid, "start": me.start, "boot": me.boot}},
    )


def _branch(home: Home, order: Order, ready: Ready, task_id: str) -> tuple[str, bool]:
    """Return the branch to work in, and whether it is this home's own open change: else a free name."""
    if order.follows:
        return order.follows.change.branch, True
    wanted = task_branch(home.worker, order.issue, task_id)
    taken = ready.remote.branches
    name, number = wanted, 1
    while name in taken:
        change = ready.forge.open_change(name)
        # Another machine may have a worker of this name: the change is ours if its task is.
        ours = change is not None and change.worker == home.worker and _own(home, change)
        if change and ours and change.head == taken[name]:
            if name == ready.remote.head:
                raise BadInput(
                    f"{name} is checked out in {ready.repository.url}, where nothing can be pushed to it",
                    f"git -C {ready.repository.url} switch {ready.base}",
                )
            return name, True
        number += 1
        name = f"{wanted}-{number}"
    return name, False


def _followed(order: Order) -> Json:
    """Return what the runner and later rounds must know of the change that is taken up again."""
    if order.follows is None:
        return {}
    change = order.follows.change
    followed = {"follows": change.number, "heard": list(order.follows.heard), "title": change.title}
    return followed | ({"merge": True} if order.merge else {}) | ({"verdict": order.verdict} if order.verdict else {})


def _own(home: Home, change: Change) -> bool:
    return archive.find(home, change.task_id) is not None


def wait(home: Home, task: Task, why: Wait, *, spent: int = 0) -> Task:
    """Let a task wait for what its machine lacks, its next attempt being `spent` further; `recover` wakes it."""
    return tasks.save(
        home, task, state="waiting", attempt=task.attempt + spent,
        wait_for=why.wait_for, wait_until=why.until, reason=why.reason,
    )  # fmt: skip


def start_runner(home: Home, task: Task) -> None:
    """Start a runner for the current task and see that it lives; WorkersError otherwise, Busy while an update runs."""
    pause.check_update(home.layout)
    folder = files.make_private(home.run(task.task_id))
    passed = {*_PASSED, *access.variables(task.repository)}
    kept = {name: value for name, value in os.environ.items() if name in passed or name.startswith(_PASSED_PREFIXES)}
    argv = [sys.executable, "-P", "-m", "claude_workers.runner", str(home.layout.root), home.worker, task.task_id]
    said = spawn_detached(argv, kept, folder / "runner.log")
    runner = Identity(int(str(said["pid"])), int(str(said["start"])), str(said["boot"]))
    if probe(runner).dead and archive.receipt(home, task.task_id) is None:
        raise WorkersError("the runner died at once", "claude-workers doctor")


def _claim_again(home: Home, task: Task) -> None:
    forge = forge_of(home.layout, task.repository)
    forge.claim(task)
    if task.issue and not (home.run(task.task_id) / "issue.json").exists():
        raise WorkersError(
            f"worker {home.worker} has lost the text of issue {task.issue}", f"claude-workers reset {home.worker}"
        )
    if task.issue:
        forge.label(task.issue, add=(str(task.options.get("label") or f"worker:{home.worker}"),))


def continue_task(home: Home, task: Task) -> Task:
    """Start a new attempt at a stopped, crashed or waiting task; the caller holds the worker's lock.

    Its issue is claimed again: a dispatch that was killed halfway may not have come to that.
    """
    # One that has come to its outcome is only to be told: what it had claimed may be done, or another's.
    if not tasks.progress(home, task.task_id).outcome:
        _claim_again(home, task)
    me = current()
    starter = {**task.extra, "dispatcher": {"pid": me.pid, "start": me.start, "boot": me.boot}}
    # What only waited goes on with the attempt it had.
    attempt = task.attempt + (task.state != "waiting")
    again = tasks.save(
        home, task, state="busy", attempt=attempt, pid=None, pid_start=None, reason="", extra=starter,
        wait_for=None, wait_until=None,
    )  # fmt: skip
    try:
        start_runner(home, again)
    except BaseException:
        # A runner that an earlier dispatcher had started may have taken it up meanwhile: it is that one's now.
        if is_free(home.layout.runner_lock(home.worker)) and tasks.state(home).task == again:
            tasks.save(home, task)
        raise
    return tasks.load(home) or again

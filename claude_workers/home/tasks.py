"""The task file: taken exclusively, replaced whole, read with suspicion."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass

from claude_workers import clock, files
from claude_workers.errors import BadInput
from claude_workers.home import events
from claude_workers.home.home import Home
from claude_workers.lock import is_free
from claude_workers.model import SCHEMA, Progress, Task
from claude_workers.names import branch_name, plain_word
from claude_workers.process.identity import Identity, Liveness, Probe, boot_id, probe

# Beside a task's records while a person asks its runner to stop: without it, a SIGTERM is the host's.
STOP_FILE = "stop"
STATES = frozenset({"busy", "stopped", "waiting"})


class Unreadable(Exception):
    """A task file that exists but cannot be believed; the text says why."""


def load(home: Home) -> Task | None:
    """Return the current task, None when there is none; raise Unreadable when it cannot be believed."""
    try:
        data = files.read_json(home.task_file)
        return None if data is None else believed(home, data)
    except (ValueError, TypeError) as error:
        raise Unreadable(f"task.json: {str(error).splitlines()[0][:200]}") from error


def believed(home: Home, data: dict[str, object]) -> Task:
    """Return the task of a file; ValueError or TypeError when it cannot be this worker's."""
    schema = data.get("schema")
    if isinstance(schema, int) and schema > SCHEMA:
        raise ValueError(f"written by a newer version (schema {schema})")
    task = Task.believed(data)
    if task.worker != home.worker:
        raise ValueError(f"it belongs to worker {task.worker[:20]!r}")
    if task.state not in STATES or not task.task_id or plain_word(task.task_id) != task.task_id:
        raise ValueError("state or task_id is not what it should be")
    _check_names(task)
    return task


def _check_names(task: Task) -> None:
    """Raise ValueError for a repository or branch that would lead a path or a command elsewhere."""
    texts = [task.repo.get("name"), task.repo.get("url"), task.repo.get("path") or ""]
    if not all(isinstance(one, str) for one in texts) or not texts[1]:
        raise ValueError("repo is not what it should be")
    owner, slash, name = str(texts[0]).partition("/")
    if not slash or "/" in name or any(one in {"", ".", ".."} or "\0" in one for one in (owner, name)):
        raise ValueError("repo is not what it should be")
    try:
        branch_name(task.branch)
    except BadInput as error:
        raise ValueError("branch is not what it should be") from error


def claim(home: Home, task: Task) -> bool:
    """Take the worker for a task; False, changing nothing, when it has one already."""
    taken = files.create_exclusive(home.task_file, files.to_text(task.to_json()))
    if taken:
        subject = f"{task.repository.name}#{task.issue}" if task.issue else task.repository.name
        events.append(home, "claimed", f"{subject}, branch {task.branch}", task.task_id)
    return taken


def save(home: Home, task: Task, **changes: object) -> Task:
    """Replace the task file; return the task as written."""
    changed = dataclasses.replace(task, **changes, updated_at=clock.now())  # type: ignore[arg-type]
    files.write_atomic(home.task_file, files.to_text(changed.to_json()))
    told = _told(task, changed)
    if told:
        events.append(home, changed.state, told, changed.task_id)
    return changed


def _told(before: Task, after: Task) -> str:
    """Return what of a task's change belongs into the event log; "" for nothing."""
    parts = []
    if after.pid != before.pid and after.pid is not None:
        parts.append(f"runner pid {after.pid} took over")
    if after.attempt != before.attempt:
        parts.append(f"attempt {after.attempt}")
    if (after.state, after.phase) != (before.state, before.phase):
        parts.append(after.phase if after.state == "busy" else f"while {after.phase}")
    if after.wait_for and (after.wait_for, after.wait_until) != (before.wait_for, before.wait_until):
        parts.append(f"for {after.wait_for}" + (f" until {after.wait_until}" if after.wait_until else ""))
    if after.reason and after.reason != before.reason:
        parts.append(after.reason)
    return ", ".join(parts)


@dataclass(frozen=True)
class State:
    """A worker's state with the evidence for it: idle, busy, stopped, waiting, crashed or unknown."""

    name: str
    reason: str = ""
    task: Task | None = None


def state(home: Home) -> State:
    """Establish a worker's state by reading its task file and probing its runner."""
    found = _observed(home)
    # A runner writes how it ended before it exits: one that exited between our reading and
    # our probing has left another file than the one we read, and what counts is that one.
    while found.name == "crashed" and (again := _observed(home)) != found:
        found = again
    return found


def _observed(home: Home) -> State:
    try:
        task = load(home)
    except Unreadable as error:
        return State("unknown", str(error))
    if task is None:
        return State("idle")
    if task.state != "busy":
        return State(task.state, task.reason, task)
    runner = runner_of(task)
    found = probe(runner) if runner else Probe(Liveness.DEAD, "it was never started")
    if found.alive:
        return State("busy", task.reason, task)
    return _without_runner(home, task, found)


def _without_runner(home: Home, task: Task, found: Probe) -> State:
    """Judge a task whose runner was not seen: its lock is the second witness, and both must say that it is dead.

    Until a runner has taken over, its dispatcher is meant, who holds the worker's lock.
    """
    held = State("unknown", f"runner: {found.evidence}, but its lock is held", task)
    if not is_free(home.layout.runner_lock(home.worker)):
        seen = State("busy", f"runner: {found.evidence}, where it holds its lock", task)
        return held if found.dead and task.pid is not None else seen
    if task.pid is None and not is_free(home.layout.worker_lock(home.worker)):
        return held  # perhaps by another command: it proves no dispatcher
    if found.dead:
        return State("crashed", f"runner: {found.evidence}", task)
    if boot_id() and (task.boot_id or task.pid is None):
        return State("crashed", f"runner: {found.evidence}, and its lock is free", task)
    return State("unknown", f"runner: {found.evidence}", task)


def runner_of(task: Task) -> Identity | None:
    """Return the recorded runner; until it has taken over, the dispatcher that is starting it."""
    if task.pid is not None and task.pid_start is not None:
        return Identity(task.pid, task.pid_start, task.boot_id or "")
    starter = task.extra.get("dispatcher")
    if not isinstance(starter, dict):
        return None
    pid, start, boot = starter.get("pid"), starter.get("start"), starter.get("boot")
    if isinstance(pid, int) and isinstance(start, int) and isinstance(boot, str):
        return Identity(pid, start, boot)
    return None


def progress(home: Home, task_id: str) -> Progress:
    """Return what the runner has observed so far; empty when nothing is written yet."""
    try:
        data = files.read_json(home.run(task_id) / "progress.json")
        return Progress.believed(data) if data else Progress(task_id)
    except (ValueError, TypeError):
        return Progress(task_id)


def save_progress(home: Home, progress: Progress) -> None:
    """Replace the record of what was observed."""
    path = home.run(progress.task_id) / "progress.json"
    files.write_atomic(path, json.dumps(progress.to_json(), ensure_ascii=False))

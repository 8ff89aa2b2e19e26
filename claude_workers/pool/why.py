"""Why a worker is in its state: what was looked at just now, what it said, and what was not looked at."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_workers import clock, config, transcript
from claude_workers.errors import WorkersError
from claude_workers.forge.choose import forge_of
from claude_workers.home import archive, events, inbox, tasks
from claude_workers.home.home import find
from claude_workers.lock import is_free
from claude_workers.model import Event, Evidence, Record
from claude_workers.pool import floors
from claude_workers.process.identity import Identity, boot_id, probe
from claude_workers.process.table import marked
from claude_workers.workspace import rescues, store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from claude_workers.home.home import Home
    from claude_workers.home.tasks import State
    from claude_workers.model import Task
    from claude_workers.paths import Layout


@dataclass(frozen=True)
class Why(Record):
    """A worker's state with all its evidence, and the last events of its log, oldest first."""

    worker: str
    state: str
    reason: str
    evidence: list[Evidence]
    events: list[Event]


def why(layout: Layout, worker: str, *, last: int = 20, ask_forge: bool = False) -> Why:
    """Look at everything that a worker's state rests on; nothing is changed."""
    home = find(layout, worker)
    state = tasks.state(home)
    found = [_task_file(home, state)]
    if state.name == "unknown" and state.task is None:
        found += [
            _lock(home),
            *(_unseen(one, "the task cannot be read") for one in ("runner", "agent", "rescued work")),
        ]
    elif state.task:
        found += [*_processes(home, state.task), *_work(home, state.task), *_waits(home, state, state.task)]
        found.append(_claim(home, state.task) if ask_forge else _claim_unasked(state.task))
    else:
        found.append(_last_outcome(home))
    return Why(worker, state.name, state.reason, found, events.read(home, last))


def _seen(what: str, said: str) -> Evidence:
    return Evidence(what, said, clock.now())


def _unseen(what: str, reason: str) -> Evidence:
    return Evidence(what, f"not checked: {reason}", checked=False)


def _task_file(home: Home, state: State) -> Evidence:
    task = state.task
    if task is None:
        return _seen("task file", state.reason if state.name == "unknown" else f"{home.task_file.name} is not there")
    said = f"{task.state}, {task.phase}, attempt {task.attempt}, written {task.updated_at}"
    return _seen("task file", f"{said}: {task.reason}" if task.reason else said)


def _processes(home: Home, task: Task) -> Iterator[Evidence]:
    runner = tasks.runner_of(task)
    yield _seen("runner", probe(runner).evidence) if runner else _unseen("runner", "none was ever started")
    yield _lock(home)
    seen = tasks.progress(home, task.task_id)
    if seen.agent_pid:
        agent = Identity(seen.agent_pid, seen.agent_start or 0, task.boot_id or boot_id())
        yield _seen("agent", probe(agent).evidence)
    else:
        yield _unseen("agent", "none is recorded")
    try:
        mine = marked(f"CLAUDE_WORKERS_TASK={task.task_id}")
        yield _seen("processes of the task", f"{len(mine)} carry its mark" + (f": {mine}" if mine else ""))
    except OSError as error:
        yield _unseen("processes of the task", f"the kernel does not show them: {error}")


def _lock(home: Home) -> Evidence:
    free = is_free(home.layout.runner_lock(home.worker))
    return _seen("runner's lock", "free" if free else "held by a living process")


def _work(home: Home, task: Task) -> Iterator[Evidence]:
    seen = tasks.progress(home, task.task_id)
    if seen.last_activity_at:
        ago = clock.spoken(clock.seconds_since(seen.last_activity_at))
        yield _seen("last sign of the agent", f"{seen.last_activity_at}, {ago} ago: {seen.activity or seen.last_text}")
    else:
        yield _unseen("last sign of the agent", "none came yet")
    path = transcript.path(home.claude, home.clone(task.repository), task.session_id)
    try:
        status = os.lstat(path)
        yield _seen("transcript", f"{status.st_size} bytes, written {clock.from_epoch(status.st_mtime)}")
    except OSError as error:
        yield _seen("transcript", f"{error.strerror}")
    yield _rescued(home, task)
    told = inbox.messages(home, task.task_id)
    if told:
        left = [one for one in told if not one.delivered_at]
        yield _seen("told by people", f"{len(told)} messages, {len(left)} of them not heard by the agent yet")
    for one in seen.tries:
        yield Evidence(
            "earlier try", f"attempt {one.get('attempt')}: {one.get('kind')}: {one.get('reason')}", str(one.get("at"))
        )


def _rescued(home: Home, task: Task) -> Evidence:
    place = store.path(home.layout, task.repository)
    try:
        last = rescues.last(place, f"{task.worker}/{task.task_id}") if place.is_dir() else None
    except WorkersError as error:
        return _unseen("rescued work", f"the store cannot be read: {error.message}")
    return _seen("rescued work", f"kept at {last.tip[:12]}, state {last.state[:12]}" if last else "none is kept yet")


def _waits(home: Home, state: State, task: Task) -> Iterator[Evidence]:
    if state.name == "waiting":
        past = bool(task.wait_until) and str(task.wait_until) <= clock.now()
        until = (
            f"until {task.wait_until}" + (", which is past" if past else "") if task.wait_until else "with no known end"
        )
        yield _seen("waits for", f"{task.wait_for}, {until}")
    try:
        settings = config.load(task.repository.name)
        short = floors.wait(home, settings, task.repository, str(task.options.get("pays") or ""))
    except WorkersError as error:
        yield _unseen("floors, limits and budgets", error.message)
        return
    yield _seen(
        "floors, limits and budgets", f"{short.wait_for}: {short.reason}" if short else "nothing stands in the way"
    )


def _claim_unasked(task: Task) -> Evidence:
    return _unseen("the issue's claim", "ask the forge with --forge" if task.issue else "the task has no issue")


def _claim(home: Home, task: Task) -> Evidence:
    if not task.issue:
        return _claim_unasked(task)
    try:
        held = forge_of(home.layout, task.repository).holder(task.issue)
    except WorkersError as error:
        return _unseen("the issue's claim", error.message)
    if held is None:
        return _seen("the issue's claim", "nobody holds it")
    whose = "this task" if held.task_id == task.task_id else f"task {held.task_id}"
    return _seen("the issue's claim", f"{whose} of worker {held.worker} on {held.host}, since {held.since}")


def _last_outcome(home: Home) -> Evidence:
    last = archive.latest(home) or {}
    receipt = last.get("receipt")
    if not isinstance(receipt, dict):
        return _unseen("last outcome", "there was no task yet")
    said = ": ".join(str(receipt[name]) for name in ("outcome", "reason") if receipt.get(name))
    unchecked = receipt.get("unchecked") or []
    more = f"; not checked: {'; '.join(map(str, unchecked))}" if unchecked else ""
    return Evidence("last outcome", f"{said}{more}", str(receipt.get("finished_at") or ""))

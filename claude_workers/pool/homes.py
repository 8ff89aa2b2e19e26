"""The verbs of homes: init, refresh, reset, remove."""

from __future__ import annotations

import dataclasses
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from claude_workers import files
from claude_workers.errors import BadInput, NotFound, WorkerBusy, WorkersError
from claude_workers.home import archive, parked, presence, provision, tasks
from claude_workers.home import golden as goldens
from claude_workers.home.home import Home, find
from claude_workers.names import shown, worker_id
from claude_workers.pool import leave
from claude_workers.pool.dispatch import describe
from claude_workers.runner.finish import finish
from claude_workers.runner.rescue import rescue
from claude_workers.runner.run import MADE_FOR, Run
from claude_workers.workspace import rescues

if TYPE_CHECKING:
    from collections.abc import Sequence

    from claude_workers.model import Receipt
    from claude_workers.paths import Layout

# GitHub's labels have 50 characters, `worker:` among them.
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9 ._/-]{0,41}[A-Za-z0-9])?")


def init(
    layout: Layout,
    workers: Sequence[str],
    credential_set: str | None = None,
    label: str | None = None,
    golden: str | None = None,
) -> list[Home]:
    """Make homes, with the snapshot `golden` where one is named; all of them, or none when any id is bad or exists.

    A `label` is for one worker alone.
    """
    snapshot = goldens.find(layout, golden) if golden else None
    wanted = list(dict.fromkeys(worker_id(one) for one in workers))
    if label is not None and not _LABEL.fullmatch(label):
        raise BadInput(f"{shown(label)} is no label", "use 1 to 43 letters, digits, blanks and any of . _ / -")
    if label is not None and len(wanted) > 1:
        raise BadInput("one label for several workers would not tell them apart", "init them one by one")
    for worker in wanted:
        if os.path.lexists(layout.root / worker):
            raise WorkerBusy(f"worker {worker} exists already", f"claude-workers refresh {worker}, or remove it first")
    made: list[Home] = []
    try:
        for worker in wanted:
            made.append(provision.create(layout, worker, credential_set, label))
            if snapshot:
                goldens.apply(made[-1], snapshot)
    except BaseException:
        for home in made:
            files.remove_tree(home.path)
        raise
    return made


def refresh(layout: Layout, worker: str) -> list[str]:
    """Render a home's templates and credentials again; WorkerBusy while its agent may be reading them."""
    home = find(layout, worker)
    with presence.alone(home):
        state = tasks.state(home)
        if state.name == "busy":
            raise WorkerBusy(
                f"worker {worker} is busy with {describe(state.task) if state.task else 'a task'}",
                f"claude-workers watch {worker}, then refresh",
            )
        return provision.refresh(home)


def reset(layout: Layout, worker: str, *, discard: bool = False) -> Receipt | None:
    """Free a worker: archive a task that stopped, crashed or waits, its work rescued first.

    With `discard`, work that cannot be rescued is given up, and a task file that cannot be read is
    moved aside. Returns the receipt; None when there was nothing, or nothing to believe.
    """
    home = find(layout, worker)
    with presence.alone(home):
        state = tasks.state(home)
        if state.name == "idle":
            state = _given_up(home)
        if state.name == "busy":
            raise WorkerBusy(f"worker {worker} is busy", f"claude-workers stop {worker} first")
        if state.task is None or state.name == "unknown":
            _set_aside(home, state, discard=discard)
            return None
        return _archive(home, state, discard=discard)


def _given_up(home: Home) -> tasks.State:
    """Take the first task that waits for an answer up again, to be archived; NotFound when there is none."""
    waiting = next(parked.every(home), None)
    if waiting is None:
        raise NotFound(f"worker {home.worker} is idle: there is nothing to reset", "claude-workers status")
    reason = f"given up by a person; it had asked: {parked.question(waiting)}"
    parked.take_up(home, dataclasses.replace(waiting, state="stopped", wait_for=None, reason=reason))
    return tasks.state(home)


def _set_aside(home: Home, state: tasks.State, *, discard: bool) -> None:
    if not discard:
        raise WorkersError(
            f"worker {home.worker} is unknown: {state.reason}",
            f"mend {home.task_file}, or reset --discard to move it aside",
        )
    number = 1
    while (aside := home.path / f"task.json.unreadable-{number}").exists():
        number += 1
    os.rename(home.task_file, aside)


def _archive(home: Home, state: tasks.State, *, discard: bool) -> Receipt:
    try:
        return leave.archive_left(home, state)
    except WorkersError:
        if not discard or state.task is None:
            raise
    run = Run(home, state.task)
    run.note("unfinished work was discarded by a person")
    run.observe(outcome="stopped" if state.name == "stopped" else "crashed", reason=state.reason)
    return finish(run)


def remove(layout: Layout, worker: str, *, discard: bool = False) -> None:
    """Delete a home; refused while a task is current or work in it is neither published nor rescued."""
    home = find(layout, worker)
    with presence.alone(home):
        state = tasks.state(home)
        if state.name == "busy":
            raise WorkerBusy(f"worker {worker} is busy", f"claude-workers stop {worker} first")
        if state.name != "idle" and not discard:
            raise WorkerBusy(
                f"worker {worker} has a task ({state.name})",
                f"claude-workers restart {worker}, or reset {worker}, which keeps its work",
            )
        if not discard and any(parked.every(home)):
            raise WorkerBusy(f"worker {worker} has a task that waits for an answer", "answer it, or add --discard")
        if state.task is not None:
            _archive(home, state, discard=discard)
        elif not discard:
            _refuse_unrescued(home)
        files.remove_tree(home.path)


def _refuse_unrescued(home: Home) -> None:
    """Raise WorkersError for a clone whose work is not in our repository, carried there now once more."""
    for folder in (one for owner in _folders(home.path / "github") for one in _folders(owner)):
        unkept = _unkept(home, Path(folder.path))
        if unkept:
            raise WorkersError(
                f"{folder.path} holds work that was neither published nor rescued: {unkept}",
                f"look at it, or claude-workers remove {home.worker} --discard to give it up",
            )


def _unkept(home: Home, clone: Path) -> str:
    """Return why a clone's work is not kept; "" when it is."""
    made_for = files.read_inside(home.path, MADE_FOR)
    task = archive.find(home, made_for) if made_for else None
    if ".kept-" in clone.name:
        return "it was moved aside because it could not be rescued"
    if task is None or clone != home.clone(task.repository):
        return "no ended task is known that it was made for"
    files.make_private(home.run(task.task_id))
    run = Run(home, task)
    unsaved = rescue(run)
    kept = None if unsaved else rescues.last(run.store, run.kept)
    left = ", ".join(kept.left_out[:5]) if kept else ""
    return unsaved or (f"too large or a repository of its own: {left}" if left else "")


def _folders(parent: os.PathLike[str]) -> list[os.DirEntry[str]]:
    if not os.path.isdir(parent):
        return []
    with os.scandir(parent) as entries:
        return [one for one in entries if one.is_dir(follow_symlinks=False)]

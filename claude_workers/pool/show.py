"""Showing one task whole: its receipt, what its agent was asked, the end of its log, what it changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_workers import files, git
from claude_workers.errors import BadInput, NotFound, WorkersError
from claude_workers.home import archive, tasks
from claude_workers.home.home import every
from claude_workers.model import LogEvent, Receipt, Record, Task
from claude_workers.pool import logs
from claude_workers.workspace import rescues, store

if TYPE_CHECKING:
    from claude_workers.home.home import Home
    from claude_workers.paths import Layout

_PROMPT = 4 << 20


@dataclass(frozen=True)
class Shown(Record):
    """One task: `receipt` is None while it has not ended; `diff` is git's --stat of what it changed.

    What is not kept any more, or cannot be read, is empty and named in `missing`.
    """

    task: Task
    state: str
    reason: str
    receipt: Receipt | None
    prompt: str
    log: list[LogEvent]
    diff: str
    missing: list[str]


def show(layout: Layout, wanted: str, last: int = 15) -> Shown:
    """Return the task of a worker, the current one or its latest, or that of a task's id or its beginning.

    With the `last` events of its log. NotFound, BadInput when several tasks begin so.
    """
    home, task = _find(layout, wanted.lower())
    missing: list[str] = []
    current = tasks.state(home)
    mine = current.task is not None and current.task.task_id == task.task_id
    receipt = None if mine else archive.receipt(home, task.task_id) or _archived(home, task)
    return Shown(
        task=task,
        state=current.name if mine else "ended",
        reason=current.reason if mine else "",
        receipt=receipt,
        prompt=_prompt(home, task, missing),
        log=_log(home, task, last, missing),
        diff=_diff(home, task, receipt, missing),
        missing=missing,
    )


def _find(layout: Layout, wanted: str) -> tuple[Home, Task]:
    if not wanted:
        raise BadInput("say which task", "name a worker, or the beginning of a task's id")
    homes = {home.worker: home for home in every(layout)}
    if wanted in homes:
        home = homes[wanted]
        task = tasks.state(home).task or archive.task(archive.latest(home))
        if task is None:
            raise NotFound(f"worker {wanted} has had no task yet", f"claude-workers dispatch {wanted} REPO ISSUE")
        return home, task
    known = {}
    for home in homes.values():
        current = tasks.state(home).task
        for task in (current, *map(archive.task, archive.every(home))):
            if task and task.task_id.startswith(wanted):
                known[task.task_id] = (home, task)
    if not known:
        raise NotFound(f"there is no task {wanted[:60]}", "claude-workers history")
    if len(known) > 1:
        raise BadInput(f"several tasks begin with {wanted[:60]}", "write more of the id")
    return next(iter(known.values()))


def _archived(home: Home, task: Task) -> Receipt | None:
    kept = next((one for one in archive.every(home) if one.get("task_id") == task.task_id), {})
    try:
        return Receipt.believed(kept["receipt"])
    except (KeyError, TypeError, AttributeError):
        return None


def _prompt(home: Home, task: Task, missing: list[str]) -> str:
    try:
        text = files.read_inside(home.path, f"runs/{task.task_id}/prompt.md", _PROMPT)
    except ValueError as error:
        text = None
        missing.append(f"prompt: {error}")
    if text is None:
        missing.append("prompt: its records were deleted, or it had not begun")
    return text or task.prompt


def _log(home: Home, task: Task, last: int, missing: list[str]) -> list[LogEvent]:
    try:
        found = [one for one in logs.events(home, since=f"{task.task_id}:0") if one.kind]
    except WorkersError as error:
        missing.append(f"log: {error.message}")
        return []
    return found[max(0, len(found) - last) :]


def _diff(home: Home, task: Task, receipt: Receipt | None, missing: list[str]) -> str:
    """Return what was changed between where the work began and the receipt's head, or what was last rescued."""
    place = store.path(home.layout, task.repository)
    seen = tasks.progress(home, task.task_id)
    try:
        kept = rescues.last(place, f"{home.worker}/{task.task_id}") if place.is_dir() else None
        base = (receipt.base if receipt else "") or seen.base
        head = (receipt.head if receipt else "") or (kept.state if kept else "")
        if not base or not head:
            missing.append("diff: nothing of its work is kept")
            return ""
        return git.text("diff", "--stat", "--no-ext-diff", base, head, at=place)
    except WorkersError as error:
        missing.append(f"diff: {error.message}")
        return ""

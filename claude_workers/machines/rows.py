"""Rows of machines: a worker's status, history and log as its machine carried them out, against what its engine says.

What a stopped machine said while it was up is believed, but for one thing: that somebody works in it.
"""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING

from claude_workers import clock
from claude_workers.errors import NotFound
from claude_workers.machines import words
from claude_workers.model import LogEvent, Receipt, Task, WorkerStatus
from claude_workers.pool.history import Chapter
from claude_workers.pool.show import Shown

if TYPE_CHECKING:
    from claude_workers.machines.machine import Machine

_STOPPED = "its machine is stopped"
# From then on (seconds) a passing state is called stuck: https://fly.io/docs/machines/machine-states/
_STUCK = {"starting": 300.0, "stopping": 300.0, "restarting": 300.0, "destroying": 300.0, "updating": 600.0,
          "replacing": 600.0}  # fmt: skip


def pending(machine: Machine) -> bool:
    """Tell whether a machine was started on a task and has not answered yet."""
    answered = words.unpacked(machine.said.get(words.ANSWER, "")).get("id")
    return bool(machine.said.get(words.TASK)) and answered != machine.said.get(words.ASKED)


def row(machine: Machine, host: str, digest: str = "") -> WorkerStatus:
    """Return a worker's row; `digest` is that of the image which machines are to have, "" for any."""
    told = words.unpacked(machine.said.get(words.ROW, ""))
    known = WorkerStatus.from_json({**told, "worker": machine.worker, "host": host, "state": told.get("state", "")})
    state, reason = _judged(machine, known)
    changed = dataclasses.replace(known, state=state, reason=reason or known.reason)
    if state == "busy":
        changed = dataclasses.replace(changed, elapsed_s=_elapsed(known), phase=known.phase or "starting")
    else:
        changed = dataclasses.replace(changed, phase=None)
    if not known.state and state in {"busy", "crashed"}:
        changed = dataclasses.replace(changed, task_id=machine.said[words.TASK])
    if digest and machine.digest and machine.digest != digest:
        older = "its machine has an older image"
        changed = dataclasses.replace(changed, reason=f"{changed.reason}; {older}" if changed.reason else older)
    return changed


def _judged(machine: Machine, known: WorkerStatus) -> tuple[str, str]:
    """Return the state that engine and machine together say, and why where they differ."""
    on_task = bool(machine.said.get(words.TASK))
    if machine.state == "created" or (machine.down and not known.state and not on_task):
        broken = bool(machine.said.get(words.ROW))
        return (
            "unknown",
            "what its machine told cannot be read: ask why" if broken else "its home was not made: init again",
        )
    if machine.down:
        return _left(machine, known)
    if machine.state in {"failed", "unreachable", "launch_failed"}:
        return "unknown", f"its machine is {machine.state}"
    since = clock.seconds_since(machine.at) if machine.at and machine.state in _STUCK else None
    if since is not None and since > _STUCK[machine.state]:
        return "unknown", f"its machine is {machine.state} for {clock.spoken(since)}: stuck"
    if known.state:
        return known.state, ""
    return "busy" if on_task else "unknown", f"its machine is {machine.state}, and has not told more yet"


def _left(machine: Machine, known: WorkerStatus) -> tuple[str, str]:
    """Return how a worker stands whose machine is stopped."""
    ended = f"ended ({machine.ended})" if machine.ended else "is stopped"
    if known.state == "busy":
        return "crashed", f"its machine {ended}, and the task had not"
    if not known.state:
        return "crashed", f"its machine {ended} before it told of its task"
    return known.state, ""


def _elapsed(known: WorkerStatus) -> float | None:
    return clock.seconds_since(known.started_at) if known.started_at else None


def chapters(machine: Machine, since: float | None) -> list[Chapter]:
    """Return what a worker did, as its machine told last; of the last `since` seconds."""
    found = words.unpacked(machine.said.get(words.PAST, "")).get("chapters", [])
    begin = clock.from_epoch(time.time() - since) if since is not None else ""
    return [one for one in map(Chapter.from_json, found) if one.at >= begin]


def tail(machine: Machine, since: str | None) -> list[LogEvent]:
    """Return the end of a task's log, as its machine told last, from a cursor on."""
    found = [LogEvent.from_json(one) for one in words.unpacked(machine.said.get(words.TAIL, "")).get("events", [])]
    task, _, seen = (since or "").rpartition(":")
    return [
        one for one in found if not (task and one.cursor.startswith(f"{task}:") and _offset(one.cursor) <= int(seen))
    ]


def _offset(cursor: str) -> int:
    return int(cursor.rpartition(":")[2])


def last_task(machine: Machine) -> tuple[Task, Receipt | None]:
    """Return a worker's latest task and its receipt; NotFound when there is none."""
    data = words.unpacked(machine.said.get(words.RECEIPT, "")).get("task") or {}
    if not data.get("task_id"):
        raise NotFound(f"worker {machine.worker} has had no task yet", "claude-workers dispatch gives it one")
    receipt = data.get("receipt")
    return Task.from_json(data), Receipt.from_json(receipt) if isinstance(receipt, dict) else None


def shown(machine: Machine, last: int) -> Shown:
    """Return a worker's latest task as far as it is known without its machine."""
    task, receipt = last_task(machine)
    missing = [f"{one}: {_STOPPED}" for one in ("the whole prompt", "the diff")]
    return Shown(task, "ended", "", receipt, task.prompt, tail(machine, None)[-last:], "", missing)

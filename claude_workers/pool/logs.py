"""Logs: a task's stream as events, from a cursor, to the last whole line, followed to the end."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from claude_workers.agent import stream
from claude_workers.errors import BadInput, NotFound
from claude_workers.home import archive, tasks
from claude_workers.model import LogEvent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from claude_workers.home.home import Home

_POLL = 0.2


def latest(home: Home) -> str:
    """Return the current task's id, else the last one's; NotFound when there never was one."""
    state = tasks.state(home)
    if state.task:
        return state.task.task_id
    last = archive.latest(home)
    if not last or not isinstance(last.get("task_id"), str):
        raise NotFound(f"worker {home.worker} has no log yet", f"claude-workers dispatch {home.worker} REPO ISSUE")
    return str(last["task_id"])


def parse_cursor(text: str) -> tuple[str, int]:
    """Return task id and byte offset of a cursor; BadInput when it is none."""
    task_id, _, offset = text.rpartition(":")
    if not task_id or not offset.isdigit() or "/" in task_id or task_id.startswith("."):
        raise BadInput(f"{text[:60]!r} is not a cursor", "use one that logs --json printed")
    return task_id, int(offset)


def events(home: Home, *, since: str | None = None, follow: bool = False) -> Iterator[LogEvent]:
    """Yield a task's events from a cursor on; with `follow`, until the task has ended.

    Only whole lines are given, each once; the cursor of an event is the place right after it.
    """
    task_id, offset = parse_cursor(since) if since else (latest(home), 0)
    path = home.run(task_id) / "stream.jsonl"
    if not path.exists() and not home.run(task_id).is_dir():
        raise NotFound(f"worker {home.worker} has no log of task {task_id[:40]}", "see its completed/ folder")
    while True:
        # Asked before reading: what was written until it ended is then surely read.
        ended = not follow or not _goes_on(home, task_id)
        for line in _lines(path, offset):
            offset += len(line)
            yield from _rendered(line, f"{task_id}:{offset}")
        if ended:
            return
        time.sleep(_POLL)


def _goes_on(home: Home, task_id: str) -> bool:
    state = tasks.state(home)
    return state.name == "busy" and state.task is not None and state.task.task_id == task_id


def _lines(path: os.PathLike[str], offset: int) -> Iterator[bytes]:
    if not os.path.exists(path):
        return
    with open(path, "rb") as handle:
        handle.seek(offset)
        for line in handle:
            if not line.endswith(b"\n"):
                return
            yield line


def _rendered(line: bytes, cursor: str) -> Iterator[LogEvent]:
    raw = line.decode("utf-8", "replace").rstrip("\n")
    event = stream.parse(line) or stream.ours(line)
    shown = stream.rendered(event) if event else []
    at = str(event.get("at") or event.get("timestamp") or "") if event else ""
    for kind, text in shown or [("", "")]:
        yield LogEvent(cursor, kind, text, at, raw)
        raw = ""

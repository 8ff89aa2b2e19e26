"""The archive: finished tasks under `completed/`, each with its receipt, overwritten by nothing."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from claude_workers import files
from claude_workers.home import events
from claude_workers.model import Receipt, Task
from claude_workers.names import plain_word

if TYPE_CHECKING:
    from claude_workers.home.home import Home
    from claude_workers.model import Json

_RECENT = 20
_STEM = 150  # a file's name may have 255 bytes


def receipt(home: Home, task_id: str) -> Receipt | None:
    """Return a finished task's receipt; None while there is none."""
    try:
        data = files.read_json(home.run(task_id) / "receipt.json")
        return Receipt.believed(data) if data else None
    except (ValueError, TypeError):
        return None


def keep(home: Home, task: Task, receipt: Receipt) -> None:
    """Keep a finished task under completed/, overwriting nothing, and free the worker."""
    owner_repo = f"{plain_word(task.repository.owner)}-{plain_word(task.repository.short)}"
    stem = f"{owner_repo[:_STEM]}-{task.issue or task.task_id}"
    text = files.to_text({**task.to_json(), "state": "ended", "receipt": receipt.to_json()})
    files.own_folder(home.completed)
    number = 0
    while not _archived(home, task, name := f"{stem}.{number}.json" if number else f"{stem}.json"):
        if files.create_exclusive(home.completed / name, text):
            break
        number += 1
    told = f"{receipt.outcome}: {receipt.reason}" if receipt.reason else receipt.outcome
    # Before the worker is free, so that who sees it idle sees why; once, also after a crash in between.
    if not any((one.kind, one.task_id) == ("ended", task.task_id) for one in events.read(home, _RECENT)):
        events.append(home, "ended", told, task.task_id)
    home.task_file.unlink(missing_ok=True)


def _archived(home: Home, task: Task, name: str) -> bool:
    try:
        data = files.read_json(home.completed / name)
    except ValueError:
        return False
    return data is not None and data.get("task_id") == task.task_id


def every(home: Home) -> list[Json]:
    """Return every archived task that can be read, each with its receipt."""
    found = []
    for path in sorted(home.completed.glob("*.json")) if home.completed.is_dir() else []:
        try:
            data = files.read_json(path)
        except ValueError:
            continue
        if data:
            found.append(data)
    return found


def latest(home: Home) -> dict[str, object] | None:
    """Return the archived task that ended last; None when there is none."""
    newest: tuple[float, str] | None = None
    if home.completed.is_dir():
        for path in home.completed.glob("*.json"):
            with contextlib.suppress(FileNotFoundError):  # forgotten in between
                age = (path.lstat().st_mtime, path.name)
                newest = age if newest is None or age > newest else newest
    try:
        return files.read_json(home.completed / newest[1]) if newest else None
    except ValueError:
        return None


def find(home: Home, task_id: str) -> Task | None:
    """Return an archived task by its id; None when there is none."""
    found = (task(data) for data in every(home) if data.get("task_id") == task_id)
    return next((one for one in found if one), None)


def task(data: Json | None) -> Task | None:
    """Return the task of an archived file; None when it holds none."""
    try:
        return Task.from_json({name: value for name, value in data.items() if name != "receipt"}) if data else None
    except TypeError:
        return None

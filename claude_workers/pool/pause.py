"""Pausing: nothing new is dispatched on this machine until a person says so; what runs goes on."""

from __future__ import annotations

import getpass
from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_workers import clock, files
from claude_workers.errors import Busy, NotFound
from claude_workers.model import Record

if TYPE_CHECKING:
    from claude_workers.paths import Layout


@dataclass(frozen=True)
class Pause(Record):
    """Since when, by whom and why."""

    at: str
    by: str
    reason: str = ""


def pause(layout: Layout, reason: str = "") -> Pause:
    """Let nothing new be dispatched; the pause that stands already when there is one."""
    files.make_private(layout.root)
    made = Pause(clock.now(), getpass.getuser(), reason)
    files.create_exclusive(layout.paused, files.to_text(made.to_json()))
    return standing(layout) or made


def resume(layout: Layout) -> Pause:
    """End the pause and return it; NotFound when there is none."""
    found = standing(layout)
    if found is None:
        raise NotFound("nothing is paused", "claude-workers status")
    layout.paused.unlink(missing_ok=True)
    return found


def standing(layout: Layout) -> Pause | None:
    """Return the pause that stands; None when there is none. One that cannot be read is a pause all the same."""
    try:
        data = files.read_json(layout.paused)
        return None if data is None else Pause.believed(data)
    except (ValueError, TypeError):
        return Pause("", "", f"{layout.paused} cannot be read")


def check(layout: Layout) -> None:
    """Raise Busy while dispatching is paused."""
    found = standing(layout)
    if found:
        why = f": {found.reason}" if found.reason else ""
        raise Busy(f"dispatching was paused at {found.at} by {found.by}{why}", "claude-workers resume")

"""Pausing: nothing new is dispatched on this machine until a person says so; what runs goes on."""

from __future__ import annotations

import getpass
from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_workers import clock, files
from claude_workers.errors import BadInput, Busy, NotFound, WorkersError
from claude_workers.lock import is_free
from claude_workers.model import Record

if TYPE_CHECKING:
    from claude_workers.paths import Layout


_LONGEST = 500


@dataclass(frozen=True)
class Pause(Record):
    """Since when, by whom and why."""

    at: str
    by: str
    reason: str = ""

    @property
    def told(self) -> str:
        """The pause in words; of one that cannot be read only that is known."""
        since = f"was paused at {self.at} by {self.by}" if self.at else "is paused"
        return f"{since}{f': {self.reason}' if self.reason else ''}"


def pause(layout: Layout, reason: str = "") -> Pause:
    """Let nothing new be dispatched; the pause that stands already when there is one."""
    if len(reason) > _LONGEST:
        raise BadInput(f"the reason is longer than {_LONGEST} characters", "shorten it")
    files.make_private(layout.root)
    made = Pause(clock.now(), getpass.getuser(), reason)
    files.create_exclusive(layout.paused, files.to_text(made.to_json()))
    return standing(layout) or made


def resume(layout: Layout) -> Pause:
    """End the pause and return it; NotFound when there is none."""
    found = standing(layout)
    if found is None:
        raise NotFound("nothing is paused", "claude-workers status")
    try:
        layout.paused.unlink(missing_ok=True)
    except OSError as error:
        raise WorkersError(f"{layout.paused} cannot be removed: {error.strerror}", "remove it by hand") from error
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
        raise Busy(f"dispatching {found.told}", "claude-workers resume")
    check_update(layout)


def check_update(layout: Layout) -> None:
    """Raise Busy while the tool is being updated: what starts then would be of both versions."""
    if not is_free(layout.update_lock):
        raise Busy("an update is under way", "dispatch when it has ended")

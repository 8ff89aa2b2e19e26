"""The controls of a running loop: how many may work, and whether it is to end, told by one process to another."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_workers import clock, files
from claude_workers.errors import NotFound
from claude_workers.lock import is_free, locked
from claude_workers.model import Record

if TYPE_CHECKING:
    from claude_workers.paths import Layout

_WAIT = 10.0


@dataclass(frozen=True)
class Controls(Record):
    """What a loop is told while it runs; `scale` None: as many as there are workers."""

    since: str = ""
    scale: int | None = None
    drain: bool = False


def begin(layout: Layout) -> None:
    """Note that a loop begins, with nothing told to it yet."""
    _write(layout, Controls(clock.now()))


def read(layout: Layout) -> Controls:
    """Return what the loop was told; nothing where that cannot be read."""
    try:
        return Controls.believed(files.read_json(layout.loop) or {})
    except (ValueError, TypeError):
        return Controls()


def running(layout: Layout) -> bool:
    """Tell whether a loop runs."""
    return not is_free(layout.work_lock)


def tell(layout: Layout, *, scale: int | None = None, drain: bool = False) -> Controls:
    """Tell the loop that runs; NotFound when none does."""
    with locked(layout.locks / "work-controls", _WAIT, "another command tells the loop something"):
        if not running(layout):
            raise NotFound("no loop runs here", "claude-workers work")
        before = read(layout)
        told = dataclasses.replace(before, scale=before.scale if scale is None else scale, drain=before.drain or drain)
        _write(layout, told)
        return told


def _write(layout: Layout, controls: Controls) -> None:
    files.write_atomic(layout.loop, files.to_text(controls.to_json()))

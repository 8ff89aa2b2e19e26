"""The sender: takes notices from the spool to every place that wants them, again and again until they have them."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from typing import TYPE_CHECKING

from claude_workers import config, files, paths
from claude_workers.errors import Busy, WorkersError
from claude_workers.lock import locked
from claude_workers.notices import spool
from claude_workers.notices.places import deliver
from claude_workers.notices.spool import Notice

if TYPE_CHECKING:
    from pathlib import Path

    from claude_workers.paths import Layout

# Seconds before the second try, the third ...; after the last the notice is given up.
WAITS = (5.0, 30.0, 120.0, 600.0, 3600.0)
_KEPT = 7 * 86400.0
_TICK = 1.0


def main(root: str) -> None:
    """Send everything that waits, then end; at once where another sender is at work."""
    layout = paths.layout(root)
    while spool.waiting(layout):
        try:
            with locked(layout.locks / "notices", 0.0, "another sender is at work"):
                _send_all(layout)
        except Busy:
            return
    _forget(layout)


def _send_all(layout: Layout) -> None:
    while found := spool.waiting(layout):
        for path in found:
            with contextlib.suppress(FileNotFoundError):
                _send(layout, path)
        left = [one for one in map(_read, spool.waiting(layout)) if one]
        if left:  # not longer than a moment: a new one waits for no old one's server
            time.sleep(max(0.0, min(_TICK, min(one.due for one in left) - time.time())))


def _read(path: Path) -> Notice | None:
    try:
        data = files.read_json(path)
        return Notice.from_json(data) if data else None
    except (ValueError, TypeError):
        path.unlink(missing_ok=True)
        return None


def _send(layout: Layout, path: Path) -> None:
    notice = _read(path)
    if notice is None or notice.due > time.time():
        return
    faults = []
    for place in config.load().notify:
        if place in notice.sent:
            continue
        try:
            deliver(place, notice)
        except (WorkersError, OSError, ValueError) as error:
            faults.append(f"{place.partition(':')[0]}: {type(error).__name__}")
        else:
            notice = dataclasses.replace(notice, sent=[*notice.sent, place])
            files.write_atomic(path, files.to_text(notice.to_json()))
    tries = notice.tries + 1
    if faults and tries <= len(WAITS):
        later = dataclasses.replace(notice, tries=tries, due=time.time() + WAITS[tries - 1])
        files.write_atomic(path, files.to_text(later.to_json()))
    else:
        if faults:
            line = f"{notice.at} {notice.kind} {notice.subject}: {'; '.join(faults)}"
            files.append_line(layout.notices / "failed.log", line)
        path.rename(path.with_suffix(".sent"))


def _forget(layout: Layout) -> None:
    """Delete what was sent a week ago."""
    for path in layout.notices.glob("*.sent"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > _KEPT:
                path.unlink()

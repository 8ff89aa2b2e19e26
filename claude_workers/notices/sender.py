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
        if left:
            time.sleep(min(WAITS[min(one.tries, len(WAITS)) - 1] if one.tries else 0.0 for one in left))


def _read(path: Path) -> Notice | None:
    try:
        data = files.read_json(path)
        return Notice.from_json(data) if data else None
    except (ValueError, TypeError):
        path.unlink(missing_ok=True)
        return None


def _send(layout: Layout, path: Path) -> None:
    notice = _read(path)
    if notice is None:
        return
    sent, faults = list(notice.sent), []
    for place in config.load().notify:
        if place in sent:
            continue
        try:
            deliver(place, notice)
        except (WorkersError, OSError, ValueError) as error:
            faults.append(f"{place.partition(':')[0]}: {type(error).__name__}")
        else:
            sent.append(place)
    tried = dataclasses.replace(notice, sent=sent, tries=notice.tries + 1)
    files.write_atomic(path, files.to_text(tried.to_json()))
    if not faults or tried.tries > len(WAITS):
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

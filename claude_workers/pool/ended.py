"""What ended tasks leave in a home: their records, and the clones that were made for them."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from claude_workers import files, git
from claude_workers.home import tasks
from claude_workers.pool.garbage import Thing, Verdict, clones, extent, folders, is_over, remove
from claude_workers.runner.rescue import UNSAVED
from claude_workers.runner.run import MADE_FOR
from claude_workers.workspace import rescues, store, upstream

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from claude_workers.home.home import Home
    from claude_workers.model import Receipt, Repository
    from claude_workers.pool.garbage import Extent, Ground

_MOVED_ASIDE = ".kept-"


def things(ground: Ground, home: Home) -> Iterator[Thing]:
    """Yield a home's clones and then its records: those tell of the clones."""
    locks = (ground.layout.worker_lock(home.worker),)
    for one in clones(home):
        name = f"{home.worker} {one.parent.name}/{one.name}"
        yield Thing("clone", name, one, locks, partial(_clone, ground, home, one), partial(_drop, home, one))
    for one in folders(home.path / "runs"):
        name = f"{home.worker} {one.name}"
        yield Thing("run", name, one, locks, partial(_run, ground, home, one), partial(files.remove_tree, one))


def _run(ground: Ground, home: Home, folder: Path) -> Verdict | None:
    known = ground.ended[home.worker].get(folder.name)
    if not is_over(home, folder.name):
        return None
    if known is None:
        return Verdict("unknown, left alone: no archived task has this id", extent(folder).bytes, kept=True)
    ago = ground.long_ago(known[1].finished_at)
    if not ago or ground.clone_stays(home, folder.name):
        return None
    return Verdict(f"its task ended {ago} ago", extent(folder).bytes)


def _clone(ground: Ground, home: Home, folder: Path) -> Verdict | None:
    if tasks.state(home).name != "idle":
        return None
    known = ground.ended[home.worker].get(files.read_inside(home.path, MADE_FOR) or "")
    if _MOVED_ASIDE in folder.name:
        left = "its work could not be rescued when it was moved aside"
    elif known is None or home.clone(known[0]) != folder:
        left = "it cannot be told which ended task it was made for"
    else:
        ago = ground.long_ago(known[1].finished_at)
        if not ago:
            return None
        left = _unsafe(home, *known)
        if not left:
            return Verdict(f"its task ended {ago} ago, and the store has all its work", extent(folder).bytes)
    return Verdict(f"left alone: {left}", extent(folder).bytes, kept=True)


def _unsafe(home: Home, repository: Repository, receipt: Receipt) -> str:
    """Return why an ended task's clone may hold what our store has not; "" when it cannot."""
    notes = [*tasks.progress(home, receipt.task_id).notes, *receipt.notes]
    if any(str(note).startswith(UNSAVED) for note in notes):
        return "its work could not be carried into the store"
    place, clone = store.path(home.layout, repository), home.clone(repository)
    carried = rescues.last(place, f"{home.worker}/{receipt.task_id}")
    if carried is None or (receipt.head and upstream.resolve(place, receipt.head) is None):
        return "its work is not in the store"
    if carried.left_out:
        return "files in it were too large to be carried, or repositories of their own"
    if not _untouched(extent(clone), git.text("log", "-1", "--format=%ct", carried.state, at=place), receipt):
        return "something in it was changed since its work was carried, or cannot be read"
    return ""


def _untouched(seen: Extent, carried_at: str, receipt: Receipt) -> bool:
    """Tell whether nothing below a clone changed since its task ended, nor since its work was last carried.

    Those differ where a person gave up what could not be carried. Git's times are whole seconds, rounded down.
    """
    ended = datetime.fromisoformat(receipt.finished_at).timestamp()
    return seen.whole and seen.newest <= min(ended, int(carried_at) + 1)


def _drop(home: Home, clone: Path) -> None:
    remove(clone)
    (home.path / MADE_FOR).unlink(missing_ok=True)

"""Conflicts ahead: files that two live branches of one repository both touch."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from claude_workers.git import GitFailed
from claude_workers.home import tasks
from claude_workers.home.home import every
from claude_workers.model import Overlap, Repository
from claude_workers.tickets.tickets import Tickets
from claude_workers.workspace import upstream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from claude_workers.paths import Layout

Branch = tuple[str, str, list[str]]


def at_work(layout: Layout) -> list[Overlap]:
    """Return what tasks under way both touch, as their runners have seen it: nothing is asked of git."""
    return _overlaps(list(_current(layout)))


def ahead(layout: Layout) -> list[Overlap]:
    """Return what tasks under way and changes of tickets that wait to be merged both touch."""
    live = list(_current(layout))
    named = {(repo, branch) for repo, branch, _ in live}
    return _overlaps([*live, *(one for one in _proposed(layout) if one[:2] not in named)])


def _current(layout: Layout) -> Iterator[Branch]:
    for home in every(layout):
        task = tasks.state(home).task
        if task:
            seen = tasks.progress(home, task.task_id)
            yield task.repository.url, task.branch, seen.files_changed or seen.touched


def _proposed(layout: Layout) -> Iterator[Branch]:
    for change in Tickets(layout.tickets).open_changes() if layout.tickets.exists() else ():
        mirror = upstream.bare(layout, Repository(change.repo, change.repo, change.repo))
        try:
            tip = upstream.tip(mirror, change.base) or change.head
            start = upstream.fork_point(mirror, tip, change.head)
            yield change.repo, change.branch, upstream.changed_files(mirror, start, change.head)
        except GitFailed:
            continue  # our copy has not seen it: nothing can be said


def _overlaps(live: list[Branch]) -> list[Overlap]:
    touched: dict[tuple[str, str], list[str]] = defaultdict(list)
    for repo, branch, names in live:
        for name in names:
            touched[repo, name].append(branch)
    return [Overlap(repo, name, branches) for (repo, name), branches in sorted(touched.items()) if len(branches) > 1]

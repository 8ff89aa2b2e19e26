"""Orphans: issues that a worker of this root holds on a forge without being at them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from claude_workers.errors import WorkersError
from claude_workers.forge.choose import forge_of, known
from claude_workers.home import parked, tasks
from claude_workers.home.home import Home
from claude_workers.model import Fault, Orphan

if TYPE_CHECKING:
    from claude_workers.model import Claim, Repository
    from claude_workers.paths import Layout

_AT_ONCE = 8


def orphans(layout: Layout) -> tuple[list[Orphan], list[Fault]]:
    """Return the orphans of every repository this root has history with, and what could not be asked.

    One conditional request a repository; a failure is no reason to say nothing of the others.
    """
    try:
        repositories = known(layout)
    except WorkersError as error:
        return [], [Fault("local", error.code, error.message)]
    if not repositories:
        return [], []
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        answers = list(pool.map(lambda one: _of(layout, one), repositories))
    return [one for found, _ in answers for one in found], [one for _, faults in answers for one in faults]


def _of(layout: Layout, repository: Repository) -> tuple[list[Orphan], list[Fault]]:
    try:
        claims = forge_of(layout, repository).claims()
    except WorkersError as error:
        return [], [Fault(repository.name, error.code, error.message)]
    left = [(one, state) for one in claims if (state := _state(layout, one))]
    return [Orphan(one.repo, one.issue, one.worker, state, one.task_id, one.since) for one, state in left], []


def _state(layout: Layout, claim: Claim) -> str:
    """Return the state of a claim's worker when it is not at the issue; "" when it is, or nobody can tell."""
    home = Home(layout, claim.worker)
    if not home.path.is_dir():
        return "gone"
    state = tasks.state(home)
    if parked.find(home, claim.task_id):
        return ""
    if state.task and state.task.task_id == claim.task_id:
        return "crashed" if state.name == "crashed" else ""
    return "" if state.name == "unknown" else "idle" if state.task is None else "elsewhere"

"""History: what ended tasks came to, and what of all that needs a person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from claude_workers import clock, config
from claude_workers.home import archive, tasks
from claude_workers.home.home import every, find
from claude_workers.model import Record
from claude_workers.runner.rescue import ASIDE, UNSAVED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from claude_workers.home.home import Home
    from claude_workers.paths import Layout

_NEEDS = {
    "verify_failed": "it did not pass its check: look at show",
    "failed": "it failed: look at show, dispatch it again",
    "deferred": "the agent asks or gave it back: look at its reason",
    "no_change": "nothing was changed: was it asked for clearly?",
    "stopped": "it was given up",
    "crashed": "it was given up after a crash",
}
_WAITING = {"credentials": "give it a credential, then recover", "host": "look at why, then recover"}


@dataclass(frozen=True)
class Chapter(Record):
    """One task: how it ended, or for one that has not, its worker's state; `needs` is what a person must do.

    `cost_usd` is a list price, which a subscription does not pay (`pays`: key, token or login).
    """

    at: str
    worker: str
    task_id: str
    repo: str
    issue: int | None
    outcome: str
    change: str
    cost_usd: float
    pays: str
    attempts: int
    duration_s: float
    reason: str
    needs: str


def history(layout: Layout, workers: Sequence[str] = (), since: float | None = None) -> list[Chapter]:
    """Return what ended in the last `since` seconds and what still waits for a person, oldest first.

    No workers: all. NotFound for one that does not exist; an archived file that cannot be read is left out.
    """
    homes = [find(layout, one) for one in workers] if workers else every(layout)
    begin = clock.in_seconds(-since) if since is not None else ""
    found = [one for home in homes for one in (*_ended(home), *_halted(home)) if one.at >= begin]
    return sorted(found, key=lambda one: one.at)


def repositories(layout: Layout) -> list[str]:
    """Return the repositories that tasks of this root are or were in, as a person would name them."""
    found = set()
    for home in every(layout):
        current = tasks.state(home).task
        for task in (current, *map(archive.task, archive.every(home))):
            if task and isinstance(task.repo.get("url"), str):
                found.add(str(task.repo.get("path") or task.repository.name))
    return sorted(found)


def _ended(home: Home) -> Iterator[Chapter]:
    for data in archive.every(home):
        task, receipt = archive.task(data), data.get("receipt")
        if task and isinstance(receipt, dict):
            yield _chapter(home, receipt, str(task.options.get("pays") or ""))


def _chapter(home: Home, receipt: dict[str, Any], pays: str) -> Chapter:
    issue, notes = receipt.get("issue"), receipt.get("notes") or []
    outcome = str(receipt.get("outcome") or "")
    lost = any(str(note).startswith((UNSAVED, ASIDE)) for note in notes)
    return Chapter(
        at=str(receipt.get("finished_at") or ""),
        worker=home.worker,
        task_id=str(receipt.get("task_id") or ""),
        repo=str(receipt.get("repo") or ""),
        issue=issue if isinstance(issue, int) else None,
        outcome=outcome,
        change=str(receipt.get("pull_request") or ""),
        cost_usd=_number(receipt.get("cost_usd")),
        pays=pays,
        attempts=int(_number(receipt.get("attempts"))),
        duration_s=_number(receipt.get("duration_s")),
        reason=str(receipt.get("reason") or ""),
        needs="work could not be rescued: show tells where it is" if lost else _NEEDS.get(outcome, ""),
    )


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _halted(home: Home) -> Iterator[Chapter]:
    """Yield the current task where only a person, or a person's `recover`, brings it further."""
    state = tasks.state(home)
    task = state.task
    again = task is None or task.attempt < config.load(task.repository.name).max_attempts
    needs = {
        "crashed": "claude-workers recover" if again else f"claude-workers restart {home.worker}, or reset it",
        "stopped": f"claude-workers restart {home.worker}, or reset it",
        "unknown": f"claude-workers why {home.worker}",
        "waiting": _WAITING.get((task.wait_for if task else "") or "", ""),
    }.get(state.name, "")
    if not needs:
        return
    seen = tasks.progress(home, task.task_id) if task else None
    yield Chapter(
        at=task.updated_at if task else clock.now(),
        worker=home.worker,
        task_id=task.task_id if task else "",
        repo=task.repository.name if task else "",
        issue=task.issue if task else None,
        outcome=state.name,
        change="",
        cost_usd=seen.cost_usd if seen else 0.0,
        pays=str(task.options.get("pays") or "") if task else "",
        attempts=task.attempt if task else 0,
        duration_s=clock.seconds_since(task.dispatched_at) or 0.0 if task else 0.0,
        reason=state.reason,
        needs=needs,
    )

"""Retrying: what is waited for, how long, and what is kept of the tries before."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from claude_workers import clock, limits
from claude_workers.limits import Limit
from claude_workers.runner.rescue import rescue, unlock
from claude_workers.runner.run import Parked

if TYPE_CHECKING:
    from claude_workers.agent.ending import Ending
    from claude_workers.config import Settings
    from claude_workers.runner.run import Run

# An endpoint that does not say when its limit is lifted is asked again after so long.
_UNSAID = 900.0
_LONGEST = 8 * 86400.0  # the longest are weekly
_KEPT = 50


def delay(settings: Settings, number: int) -> float:
    """Return the seconds before try `number` + 1: doubled each time, capped, and up to half of it left to chance.

    Chance, so that many workers that one fault stopped do not come back in one moment.
    """
    longest = min(settings.backoff_limit, settings.backoff * 2.0 ** min(number - 1, 40))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311  nothing secret


def again(run: Run, ending: Ending) -> None:
    """Begin the next attempt, after the work was rescued and a wait."""
    _remember(run, ending)
    unsaved = rescue(run)
    if unsaved:
        run.say(f"the work could not be rescued before the next attempt: {unsaved}")
    unlock(run)
    number = run.task.attempt
    run.save(reason=f"attempt {number + 1} begins soon, again after {ending.kind}: {ending.reason}")
    wait(run, number, ending)
    run.save(attempt=number + 1, reason="")
    run.say(f"attempt {run.task.attempt} of {run.settings.max_attempts}")


def wait(run: Run, number: int, ending: Ending) -> None:
    """Wait in the runner: it is short, and nobody else need wake the task."""
    seconds = delay(run.settings, number)
    told = f"waiting {clock.spoken(seconds)} after {ending.kind}: {ending.reason}"
    run.say(told)
    run.observe(activity=told)
    time.sleep(seconds)


def _remember(run: Run, ending: Ending) -> None:
    tried = {"attempt": run.task.attempt, "at": clock.now(), "kind": ending.kind, "reason": ending.reason}
    run.observe(tries=[*run.progress.tries, tried][-_KEPT:])


def later(run: Run, kind: str) -> str | None:
    """Return when a task that waits for something outside is to be woken; None: when a person has mended it."""
    return None if kind == "authentication" else clock.in_seconds(run.settings.backoff_limit)


def limited(run: Run, ending: Ending) -> Parked:
    """Keep a limit for all who pay with the same credential, and return the waiting for its end."""
    # The moment is the agent's word: one that is past, or further away than any limit, is none.
    until = min(ending.until or "", clock.in_seconds(_LONGEST))
    until = until if until > clock.now() else clock.in_seconds(_UNSAID)
    limit = Limit(until, ending.reason, run.task.worker)
    limits.note(run.home.layout, run.secrets, run.pays, limit)
    return Parked("limit", ending.reason, until)


def check_limit(run: Run) -> None:
    """Raise Parked while a limit stands that another worker met with the same credential."""
    found = limits.standing(run.home.layout, run.task.worker, run.secrets, run.pays)
    if found:
        raise Parked("limit", f"{found.reason} (met by worker {found.worker})", found.until)

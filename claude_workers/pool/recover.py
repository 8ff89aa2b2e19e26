"""Recovering: every task of this machine that died or waits goes on, and what dead runs left is cleared away."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING

from claude_workers import clock, config, spending
from claude_workers.errors import Busy, WorkersError
from claude_workers.home import events, tasks
from claude_workers.home.home import every, find
from claude_workers.home.parked import ANSWER
from claude_workers.lock import locked
from claude_workers.model import Recovered
from claude_workers.notices import spool
from claude_workers.pool import answers, floors, leave, preflight
from claude_workers.pool.dispatch import continue_task, wait
from claude_workers.pool.issues import release
from claude_workers.pool.leftovers import clear, clear_unmade
from claude_workers.pool.orphans import orphans
from claude_workers.runner.retry import delay

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from claude_workers.config import Settings
    from claude_workers.home.home import Home
    from claude_workers.home.tasks import State
    from claude_workers.model import Orphan, Task
    from claude_workers.paths import Layout

_AT_HAND = 1.0
_CLAIMS_EVERY = 20
# What has no known end is tried again by ourselves after so many seconds.
_PATIENCE = {"credentials": 900.0, "host": 60.0}


def recover(
    layout: Layout, workers: Sequence[str] = (), *, automatic: bool = False, claims: bool = True
) -> Iterator[Recovered]:
    """Resume what crashed, wake what need not wait any longer, clear leftovers, release stale claims.

    Yields what was done, and what could not be; done twice, the second time does nothing. `automatic`:
    nobody asked for it just now, so a backoff since the last attempt is kept.
    """
    preflight.check_outside_sandbox()
    homes = [find(layout, one) for one in workers] if workers else every(layout)
    for home in homes:
        yield from _worker(home, automatic=automatic)
    if not workers:
        yield from clear_unmade(layout)
    if spool.waiting(layout):
        spool.start(layout)  # whoever was to send it was ended, or its machine was
    if claims and not workers:
        yield from _claims(layout)


def watch(layout: Layout, interval: float) -> Iterator[Recovered]:
    """Recover again and again, an `interval` of seconds apart; Busy when another process does so already."""
    with locked(layout.recover_lock, 0.0, "another `recover --watch` looks after this root"):
        told: set[Recovered] = set()
        for number in itertools.count():
            # Claims cost a request for each repository; tasks cost nothing to look at.
            for one in recover(layout, automatic=True, claims=number % _CLAIMS_EVERY == 0):
                if one not in told:
                    yield one
                if one.did in {"given-up", "failed"}:
                    told.add(one)
            time.sleep(interval)


def _worker(home: Home, *, automatic: bool) -> Iterator[Recovered]:
    """Look at one worker; one that another command holds is in good hands.

    Whoever is told may act on it at once: the worker is held no longer by then.
    """
    done: list[Recovered] = []
    try:
        with locked(home.layout.worker_lock(home.worker), _AT_HAND, "held"):
            state = tasks.state(home)
            if state.task and state.task.wait_for == ANSWER:
                done.extend(answers.wake(home))
            elif state.task and state.name in {"crashed", "waiting"}:
                done.extend(_go_on(home, state, state.task, automatic=automatic))
            elif state.name == "idle":
                done.extend(answers.wake(home))
            done.extend(clear(home))
    except Busy:
        pass
    except (WorkersError, OSError) as error:
        done.append(Recovered(home.worker, "failed", str(error)))
    yield from done


def _go_on(home: Home, state: State, task: Task, *, automatic: bool) -> Iterator[Recovered]:
    settings = config.load(task.repository.name)
    if state.name == "crashed" and task.attempt >= settings.max_attempts:
        said = f"{state.reason}; its {task.attempt} attempts are used up: restart {home.worker}, or reset it"
        yield Recovered(home.worker, "given-up", said, task.task_id)
        return
    short = floors.wait(home, settings, task.repository, str(task.options.get("pays") or ""))
    raised = task.wait_for == "limit" and task.reason.startswith(spending.PREFIX) and short is None
    if not raised and not _due(state, task, settings, automatic=automatic):
        return
    if short:
        if state.name == "crashed":
            leave.end_leftovers(home, task)
            wait(home, task, short, spent=1)
            yield Recovered(home.worker, "waits", f"{short.wait_for}: {short.reason}", task.task_id)
        return
    try:
        again = resume(home, task, settings)
    except WorkersError as error:
        yield Recovered(home.worker, "failed", str(error), task.task_id)
        return
    events.append(home, "recover", f"found {state.name}: {state.reason}", task.task_id)
    did = "resumed" if state.name == "crashed" else "woken"
    yield Recovered(home.worker, did, f"attempt {again.attempt}, after {state.name}: {state.reason}", task.task_id)


def resume(home: Home, task: Task, settings: Settings) -> Task:
    """Let a task go on whose runner is gone; the caller holds the worker's lock. Raises what forbids it."""
    preflight.still(home, task, settings)
    leave.end_leftovers(home, task)
    pays = preflight.login(home, settings)
    return continue_task(home, tasks.save(home, task, options={**task.options, "pays": pays}))


def _due(state: State, task: Task, settings: Settings, *, automatic: bool) -> bool:
    """Tell whether a task's time has come."""
    if task.wait_until and state.name == "waiting":
        return task.wait_until <= clock.now()
    if not automatic:
        return True
    least = delay(settings, task.attempt) if state.name == "crashed" else _PATIENCE.get(task.wait_for or "", 0.0)
    return (clock.seconds_since(task.updated_at) or 0.0) >= least


def _claims(layout: Layout) -> Iterator[Recovered]:
    """Release the claims of workers that are not at them, each judged again while nobody can dispatch."""
    left, faults = orphans(layout)
    for fault in faults:
        yield Recovered("", "failed", f"the claims on {fault.host} could not be asked for: {fault.message}")
    for one in left:
        if one.state == "crashed":
            continue
        try:
            with locked(layout.worker_lock(one.worker), _AT_HAND, "held"):
                yield from _release(layout, one)
        except Busy:
            continue
        except WorkersError as error:
            yield Recovered(one.worker, "failed", f"{one.repo}#{one.issue} could not be released: {error}", one.task_id)


def _release(layout: Layout, orphan: Orphan) -> Iterator[Recovered]:
    again = [one for one in orphans(layout)[0] if (one.repo, one.issue, one.task_id) == _key(orphan)]
    if again:
        release(layout, orphan.repo, orphan.issue, force=False)
        said = f"the claim on {orphan.repo}#{orphan.issue}: the worker is {orphan.state}"
        yield Recovered(orphan.worker, "released", said, orphan.task_id)


def _key(orphan: Orphan) -> tuple[str, int, str]:
    return orphan.repo, orphan.issue, orphan.task_id

"""The loop: issues claimed, dispatched, verified and published by idle workers, one after another, until it is told."""

from __future__ import annotations

import functools
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_workers.errors import Busy, IssueTaken, NoCredentials, Refused, Unreachable, WorkerBusy, WorkersError
from claude_workers.home import archive, tasks
from claude_workers.home.home import every, find
from claude_workers.lock import is_free, locked
from claude_workers.model import Worked
from claude_workers.pool import controls, pause, preflight, proposing, recover, reviews
from claude_workers.pool.dispatch import describe, dispatch
from claude_workers.pool.preflight import Order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from claude_workers.home.tasks import State
    from claude_workers.model import Receipt, Task
    from claude_workers.paths import Layout
    from claude_workers.pool.sources import Source

_RECOVER_EVERY = 15.0
_TROUBLE, _PASSED = 60.0, 600.0
_PROPOSE_EVERY = 3600.0
_AT_WORK = frozenset({"busy", "waiting", "unknown"})


@dataclass(frozen=True)
class Wishes:
    """What a loop is to do: by which workers (none named: all of them), and when it is over.

    `once`: after what is waiting now has been given out and has ended. `until_empty`: when nothing waits and
    nobody is at work. `most`: after so many tasks.
    """

    workers: tuple[str, ...] = ()
    once: bool = False
    until_empty: bool = False
    most: int | None = None


class Loop:
    """One loop over a root; what it knows is on disk, so that the next one adopts what runs."""

    def __init__(self, layout: Layout, sources: Sequence[Source], wishes: Wishes) -> None:
        self._layout = layout
        self._sources = sources
        self._wishes = wishes
        self._running: dict[str, Task] = {}
        self._passed: set[str] = set()
        self._later: dict[str, float] = {}
        self._said: set[str] = set()
        self._hopeless: set[str] = set()
        self._started = 0
        self._turns = 0
        self._recovered = -_RECOVER_EVERY
        for one in wishes.workers:
            find(layout, one)

    def run(self, interval: float, ready: Callable[[], None] | None = None) -> Iterator[Worked]:
        """Work until it is over, `interval` seconds between two looks; Busy while another loop has this root.

        `ready` is called once the loop has it.
        """
        preflight.check_outside_sandbox()
        with locked(self._layout.work_lock, 0.0, "another loop works on this root: work --scale, --drain"):
            controls.begin(self._layout)
            if ready:
                ready()
            while True:
                yield from self._turn()
                if self._is_over():
                    yield from self._followed(self._states())
                    return
                time.sleep(interval)

    def _turn(self) -> Iterator[Worked]:
        self._turns += 1
        yield from self._recover()
        states = self._states()
        yield from self._followed(states)
        if self._may_start():
            idle = [worker for worker, state in states.items() if state.name == "idle"]
            at_work = sum(state.name in _AT_WORK for state in states.values())
            yield from self._give(idle, self._room(len(states), at_work))

    def _states(self) -> dict[str, State]:
        chosen = set(self._wishes.workers)
        homes = [home for home in every(self._layout) if not chosen or home.worker in chosen]
        return {home.worker: tasks.state(home) for home in homes}

    def _recover(self) -> Iterator[Worked]:
        """Bring back what crashed or waits, unless `recover --watch` does."""
        crashed = any(self._is_unfinished(state) for state in self._states().values())
        due = time.monotonic() - self._recovered >= _RECOVER_EVERY
        if not (due or crashed) or not is_free(self._layout.recover_lock):
            return
        self._recovered = time.monotonic()
        claims = self._turns == 1
        for one in recover.recover(self._layout, self._wishes.workers, automatic=True, claims=claims):
            self._hopeless |= {one.task_id} if one.did in {"failed", "given-up"} else set()
            if one.did not in {"failed", "given-up"} or self._is_new(f"{one.worker} {one.said}"):
                yield Worked(one.did, one.worker, one.said, one.task_id)

    def _is_unfinished(self, state: State) -> bool:
        """Tell whether a task has crashed that will be resumed: within its attempts."""
        return state.name == "crashed" and state.task is not None and state.task.task_id not in self._hopeless

    def _followed(self, states: dict[str, State]) -> Iterator[Worked]:
        """Tell of what has ended since the last look, and of what was at work already when the loop came."""
        for worker, task in list(self._running.items()):
            state = states.get(worker)
            if state and state.task and state.task.task_id == task.task_id:
                continue
            del self._running[worker]
            receipt = archive.receipt(find(self._layout, worker), task.task_id) if state else None
            if receipt:
                yield _ended(task, receipt)
            for source in self._sources:
                source.forget()
        for worker, state in states.items():
            if state.task and state.name in _AT_WORK and worker not in self._running:
                self._running[worker] = state.task
                yield Worked("adopted", worker, describe(state.task), state.task.task_id)

    def _may_start(self) -> bool:
        if controls.read(self._layout).drain or pause.standing(self._layout):
            return False
        return not (self._wishes.once and self._turns > 1)

    def _room(self, workers: int, at_work: int) -> int:
        scale, most = controls.read(self._layout).scale, self._wishes.most
        room = (workers if scale is None else min(scale, workers)) - at_work
        return room if most is None else min(room, most - self._started)

    def _give(self, idle: list[str], room: int) -> Iterator[Worked]:
        """Give out what waits, at most as much as there is room: reviews first, others may wait for them."""
        faults: list[Worked] = []
        offered: list[tuple[str, Callable[[], Task | None]]] = [
            (_review(one), functools.partial(reviews.attend, self._layout, one)) for one in self._reviewed()
        ]
        offered += [
            (f"{repo}#{number}", functools.partial(self._dispatched, idle, repo, number))
            for repo, number in self._waiting(faults)
        ]
        yield from faults
        if not offered and not self._running and not self._wishes.until_empty:
            offered += self._proposed(idle)
        for what, verb in offered:
            if room <= 0 or not idle:
                return
            if not self._is_due(what):
                continue
            made = self._tried(what, verb)
            if isinstance(made, Worked):
                yield made
            elif made:
                room -= 1
                self._started += 1
                self._running[made.worker] = made
                idle[:] = [one for one in idle if one != made.worker]
                subject = describe(made) if what.endswith(f"#{made.issue}") else what
                yield Worked("took", made.worker, subject, made.task_id)

    def _proposed(self, idle: list[str]) -> list[tuple[str, Callable[[], Task | None]]]:
        """Let one worker propose what to do next; the same repository not again before an hour has passed."""
        found = [repo for source in self._sources for repo in source.repositories()]
        wanted = proposing.order(self._layout, idle[0], [one for one in found if self._is_due(one)]) if idle else None
        if wanted is None:
            return []
        self._later[wanted.repo] = time.monotonic() + _PROPOSE_EVERY
        return [(f"proposals for {wanted.repo}", lambda: dispatch(self._layout, wanted).task)]

    def _is_due(self, what: str) -> bool:
        return self._later.get(what, 0.0) <= time.monotonic()

    def _dispatched(self, idle: list[str], repo: str, number: int) -> Task | None:
        """Dispatch to the first worker that can; None when the issue is another's, or nobody is idle.

        What one worker lacks, a login or its settings, another may have.
        """
        refused: WorkersError | None = None
        for worker in list(idle):
            try:
                return dispatch(self._layout, Order(worker, repo, number)).task
            except WorkerBusy:
                idle.remove(worker)
            except IssueTaken:
                return None
            except Refused as error:
                refused = error
        if refused:
            raise refused
        return None

    def _tried(self, what: str, verb: Callable[[], Task | None]) -> Task | Worked | None:
        """Do something whose failure ends nothing: what will pass is tried again soon, what may not is passed over."""
        try:
            return verb()
        except (Busy, Unreachable, NoCredentials) as error:
            self._later[what] = time.monotonic() + _TROUBLE
            kind, said = "waits", str(error)
        except WorkersError as error:
            self._passed.add(what)
            self._later[what] = time.monotonic() + _PASSED
            kind, said = "passed", str(error)
        return Worked(kind, "", f"{what}: {said}") if self._is_new(f"{what}: {said}") else None

    def _is_new(self, said: str) -> bool:
        new = said not in self._said
        self._said.add(said)
        return new

    def _reviewed(self) -> list[int]:
        return reviews.waiting(self._layout) if self._layout.tickets.exists() else []

    def _waiting(self, faults: list[Worked]) -> list[tuple[str, int]]:
        """Return what may be taken; what cannot be asked is added to `faults`, once."""
        found: list[tuple[str, int]] = []
        for source in self._sources:
            try:
                found += source.waiting()
            except WorkersError as error:
                if self._is_new(str(error)):
                    faults.append(Worked("waits", "", str(error)))
        return found

    def _is_over(self) -> bool:
        # Of a worker without a task that can be believed nothing will come.
        at_work = (one for one in self._states().values() if one.task)
        if any(one.name in _AT_WORK or self._is_unfinished(one) for one in at_work):
            return False
        wishes = self._wishes
        if controls.read(self._layout).drain or wishes.once or self._started >= (wishes.most or math.inf):
            return True
        if not wishes.until_empty:
            return False
        left = [f"{repo}#{number}" for repo, number in self._waiting([])]
        left += [_review(one) for one in self._reviewed()]
        return not any(one not in self._passed for one in left)


def _review(number: int) -> str:
    return f"the review of ticket {number}"


def _ended(task: Task, receipt: Receipt) -> Worked:
    said = f"{describe(task)}: {receipt.outcome}"
    said += f", merged at {receipt.merged[:12]}" if receipt.merged else ""
    said += f": {receipt.reason}" if receipt.reason else ""
    return Worked("ended", receipt.worker, said, task.task_id, receipt.outcome, succeeded=receipt.succeeded)

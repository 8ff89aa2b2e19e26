"""Looking: the verbs of a fleet that change nothing."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from claude_workers import paths
from claude_workers.errors import NotFinished, NotFound, Unreachable, WorkersError, by_code, elsewhere
from claude_workers.hosts.line import check
from claude_workers.hosts.reach import GRACE, LOCAL, Reach, gather
from claude_workers.model import Fault, Overlap, Receipt

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Sequence

    from claude_workers.hosts.there import There
    from claude_workers.model import (
        LogEvent,
        Orphan,
        Rescue,
        WorkerStatus,
    )  # fmt: skip
    from claude_workers.paths import Layout
    from claude_workers.pool.history import Chapter
    from claude_workers.pool.pause import Pause
    from claude_workers.pool.rescues import Shown as RescueShown
    from claude_workers.pool.show import Shown
    from claude_workers.pool.todos import Listed
    from claude_workers.pool.watch import Lost
    from claude_workers.pool.why import Why
    from claude_workers.spending import Total, Use

# Verbs are imported by the methods that call them: `status` is asked all day and needs few of them.
# ruff: noqa: PLC0415


class Looking:
    """The workers of this machine, looked at. Cheap to make, safe in threads, no I/O until a verb is called."""

    def __init__(
        self, root: str | os.PathLike[str] | None = None, *, on: str | None = None, local: bool = False
    ) -> None:
        self.layout = paths.layout(root)
        self._reach = Reach(on, local=local)

    @property
    def _here(self) -> Layout:
        """The layout of this machine, for what can be asked of it alone; Elsewhere when another one is meant."""
        there = self._reach.default
        if there:
            raise elsewhere(there.host.name)
        return self.layout

    def _named(self, wanted: str) -> tuple[There | None, str]:
        """Return the host of `[HOST/]ID|TASK`, None for this machine, and what it names there."""
        host, slash, task = wanted.rpartition("/")
        return self._reach.host(host) if slash else self._reach.default, task

    def status(self, workers: Sequence[str] = ()) -> list[WorkerStatus]:
        """Return a row for each worker asked for, or for all of every host; `survey` tells who did not answer."""
        rows, faults = self.survey(workers)
        if faults and self._named_ones(workers):
            raise _unanswered(faults[0])
        return rows

    def _named_ones(self, workers: Sequence[str]) -> bool:
        """Tell whether a call names whom it asks: then one who does not answer is an error."""
        return bool(workers) or not self._reach.many

    def survey(self, workers: Sequence[str] = ()) -> tuple[list[WorkerStatus], list[Fault]]:
        """Return the rows, those of this machine first, and of each host that did not answer why.

        Raises that when nobody answers whom the call names.
        """
        from claude_workers.pool.status import status

        groups = self._reach.by_host(workers) if workers else self._reach.all()
        rows = [row for there, ids in groups if there is None for row in status(self.layout, ids)]
        jobs = {there.host.name: partial(there.status, ids) for there, ids in groups if there}
        answers = dict(gather(jobs, grace=GRACE)) if jobs else {}
        faults = []
        for name in jobs:
            answer = answers[name]
            if isinstance(answer, WorkersError) and workers and not isinstance(answer, Unreachable):
                raise answer  # it answered, that what was named is not there
            if isinstance(answer, WorkersError):
                faults.append(Fault(name, answer.code, answer.message))
            else:
                rows += answer
        if faults and not rows and self._named_ones(workers):
            raise _unanswered(faults[0])
        return rows, faults

    def orphans(self) -> tuple[list[Orphan], list[Fault]]:
        """Return the issues held by workers that are not at them, and what could not be asked."""
        from claude_workers.model import Orphan
        from claude_workers.pool.orphans import orphans

        there = self._reach.default
        if there is None:
            return orphans(self.layout)
        answer = there.ask("status")
        left = [there.addressed(Orphan.from_json(one)) for one in answer["orphans"]]
        return left, [Fault.from_json(one) for one in answer["errors"]]

    def watch(
        self,
        workers: Sequence[str] = (),
        *,
        any: bool = False,
        timeout: float | None = None,
    ) -> list[Receipt]:
        """Wait for tasks to end (`any`: for the first) and return their receipts.

        NotFinished when `timeout` seconds ran out; `watch.Lost` for a worker that is crashed,
        stopped, waiting or unknown and so will not end by itself.
        """
        from claude_workers.pool.watch import Lost

        found = self.wait(workers, any=any, timeout=timeout)
        for one in found:
            if isinstance(one, Lost):
                raise one
        return [one for one in found if isinstance(one, Receipt)]

    def wait(
        self,
        workers: Sequence[str] = (),
        *,
        any: bool = False,
        timeout: float | None = None,
        tick: Callable[[], None] | None = None,
    ) -> list[Receipt | Lost]:
        """Wait as `watch` does, returning what was lost beside the receipts; `tick` runs between looks."""
        from claude_workers.pool.watch import Lost, Unseen, watch

        groups = self._reach.by_host(workers) if workers else self._reach.all()
        if all(there is None for there, _ in groups):
            chosen = [one for _, ids in groups for one in ids]
            return watch(self.layout, chosen, first=any, timeout=timeout, tick=tick)
        jobs: dict[str, Callable[[], list[Receipt | Lost]]] = {}
        for there, ids in groups:
            watching = partial(there.watch, ids) if there else partial(watch, self.layout, ids)
            jobs[there.host.name if there else LOCAL] = partial(watching, first=any, timeout=timeout)
        found: list[Receipt | Lost] = []
        for _, answer in gather(jobs, None, tick):
            if isinstance(answer, NotFinished):
                raise answer
            if isinstance(answer, NotFound) and not workers:
                continue  # nobody there has a task
            if isinstance(answer, WorkersError):
                kind = Unseen if isinstance(answer, Unreachable) else Lost
                found.append(kind(answer.message, answer.remedy))
            else:
                found += answer
            if any and found:
                break
        return found

    def logs(self, worker: str, *, since: str | None = None, follow: bool = False) -> Iterator[LogEvent]:
        """Yield what a task's log shows people, from a cursor on; with `follow`, until it has ended."""
        return (event for event in self.events(worker, since=since, follow=follow) if event.kind)

    def events(self, worker: str, *, since: str | None = None, follow: bool = False) -> Iterator[LogEvent]:
        """Yield every line of a task's log, also those that show nothing."""
        from claude_workers.home.home import find
        from claude_workers.pool import logs

        there, worker = self._reach.at(worker)
        if there:
            return there.events(worker, since=since, follow=follow)
        return logs.events(find(self.layout, worker), since=since, follow=follow)

    @property
    def paused(self) -> Pause | None:
        """The pause that stands, None when there is none."""
        from claude_workers.pool import pause

        there = self._reach.default
        if there:
            found = there.ask("status", "--no-forge")["paused"]
            return pause.Pause.from_json(found) if found else None
        return pause.standing(self.layout)

    def overlaps(self) -> list[Overlap]:
        """Return the files that several tasks under way touch, as far as their runners have seen it."""
        from claude_workers.pool import overlaps

        there = self._reach.default
        if there:
            found = there.ask("status", "--no-forge").get("overlaps", [])
            return [Overlap.from_json(one) for one in found]
        return overlaps.at_work(self.layout)

    def todos(self, worker: str | None = None) -> list[Listed]:
        """Return the task list that a worker's agent keeps, or those of all who have a task."""
        from claude_workers.pool.todos import Listed, todos

        there, named = self._reach.at(worker) if worker else (self._reach.default, None)
        if there:
            return [*map(there.addressed, there.records(Listed, "todos", "todos", *([named] if named else [])))]
        return todos(self.layout, named)

    def history(self, workers: Sequence[str] = (), *, since: float | None = None) -> list[Chapter]:
        """Return what ended in the last `since` seconds, and what waits for a person, oldest first."""
        from claude_workers.pool.history import Chapter, history

        found: list[Chapter] = []
        for there, ids in self._reach.by_host(workers):
            if there:
                words = [*ids, *(["--since", f"{since}s"] if since is not None else [])]
                found += map(there.addressed, there.records(Chapter, "history", "history", *words))
            else:
                found += history(self.layout, ids, since)
        return sorted(found, key=lambda one: one.at)

    def show(self, wanted: str, *, last: int = 15) -> Shown:
        """Return one task whole: a worker's latest, or by the beginning of its id."""
        from claude_workers.pool.show import Shown, show

        there, task = self._named(wanted)
        if there:
            return there.record(Shown, "", "show", task, "--lines", str(last))
        return show(self.layout, task, last)

    def why(self, worker: str, *, last: int = 20, forge: bool = False) -> Why:
        """Return a worker's state with all its evidence and the `last` events of its log."""
        from claude_workers.pool.why import Why, why

        there, worker = self._reach.at(worker)
        if there:
            return there.record(Why, "", "why", worker, "--last", str(last), *(["--forge"] if forge else []))
        return why(self.layout, worker, last=last, ask_forge=forge)

    def rescues(self, worker: str | None = None) -> list[Rescue]:
        """Return what is kept of tasks' work, the latest last."""
        from claude_workers.model import Rescue
        from claude_workers.pool import rescues

        there, named = self._reach.at(worker) if worker else (self._reach.default, None)
        if there:
            words = ["list", *([named] if named else [])]
            return [*map(there.addressed, there.records(Rescue, "rescues", "rescue", *words))]
        return rescues.every_rescue(self.layout, named)

    def rescue(self, task: str) -> RescueShown:
        """Return closely what is kept of a task, or of a worker's latest."""
        from claude_workers.pool import rescues

        there, task = self._named(task)
        return there.record(rescues.Shown, "", "rescue", "show", task) if there else rescues.show(self.layout, task)

    def budget(self, by: str = "") -> tuple[list[Total], list[Use]]:
        """Return what was spent this day, week and month, and how much of each budget is used.

        `by`: "worker", "repo" or "credentials" splits what was spent; "" does not.
        """
        from claude_workers import spending

        there = self._reach.default
        if there:
            answer = there.ask("budget", *(["--by", by] if by else []))
            spent = [spending.Total.from_json(one) for one in answer["spent"]]
            return spent, [spending.Use.from_json(one) for one in answer["budgets"]]
        return spending.totals(self.layout, by), spending.uses(self.layout, spending.every_budget())


def _unanswered(fault: Fault) -> WorkersError:
    return by_code(fault.code)(fault.message, check(fault.host))

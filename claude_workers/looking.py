"""Looking: the verbs of a fleet that change nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_workers import names, paths
from claude_workers.errors import NotFound
from claude_workers.model import Receipt

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Sequence

    from claude_workers.model import (
        Fault,
        LogEvent,
        Orphan,
        Rescue,
        WorkerStatus,
    )  # fmt: skip
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

    def __init__(self, root: str | os.PathLike[str] | None = None) -> None:
        self.layout = paths.layout(root)

    def _local(self, address: str) -> str:
        host, worker = names.address(address)
        if host not in {None, "local"}:
            raise NotFound(f"there is no host {host}", "workers of this machine are named by their id alone")
        return worker

    def status(self, workers: Sequence[str] = ()) -> list[WorkerStatus]:
        """Return a row for each worker asked for, or for all."""
        from claude_workers.pool.status import status

        return status(self.layout, [self._local(one) for one in workers])

    def orphans(self) -> tuple[list[Orphan], list[Fault]]:
        """Return the issues held by workers that are not at them, and what could not be asked."""
        from claude_workers.pool.orphans import orphans

        return orphans(self.layout)

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
        chosen = [self._local(one) for one in workers]
        from claude_workers.pool.watch import watch

        return watch(self.layout, chosen, first=any, timeout=timeout, tick=tick)

    def logs(self, worker: str, *, since: str | None = None, follow: bool = False) -> Iterator[LogEvent]:
        """Yield what a task's log shows people, from a cursor on; with `follow`, until it has ended."""
        return (event for event in self.events(worker, since=since, follow=follow) if event.kind)

    def events(self, worker: str, *, since: str | None = None, follow: bool = False) -> Iterator[LogEvent]:
        """Yield every line of a task's log, also those that show nothing."""
        from claude_workers.home.home import find
        from claude_workers.pool import logs

        return logs.events(find(self.layout, self._local(worker)), since=since, follow=follow)

    @property
    def paused(self) -> Pause | None:
        """The pause that stands, None when there is none."""
        from claude_workers.pool import pause

        return pause.standing(self.layout)

    def todos(self, worker: str | None = None) -> list[Listed]:
        """Return the task list that a worker's agent keeps, or those of all who have a task."""
        from claude_workers.pool.todos import todos

        return todos(self.layout, self._local(worker) if worker else None)

    def history(self, workers: Sequence[str] = (), *, since: float | None = None) -> list[Chapter]:
        """Return what ended in the last `since` seconds, and what waits for a person, oldest first."""
        from claude_workers.pool.history import history

        return history(self.layout, [self._local(one) for one in workers], since)

    def show(self, wanted: str, *, last: int = 15) -> Shown:
        """Return one task whole: a worker's latest, or by the beginning of its id."""
        from claude_workers.pool.show import show

        return show(self.layout, wanted.removeprefix("local/"), last)

    def why(self, worker: str, *, last: int = 20, forge: bool = False) -> Why:
        """Return a worker's state with all its evidence and the `last` events of its log."""
        from claude_workers.pool.why import why

        return why(self.layout, self._local(worker), last=last, ask_forge=forge)

    def rescues(self, worker: str | None = None) -> list[Rescue]:
        """Return what is kept of tasks' work, the latest last."""
        from claude_workers.pool import rescues

        return rescues.every_rescue(self.layout, self._local(worker) if worker else None)

    def rescue(self, task: str) -> RescueShown:
        """Return closely what is kept of a task, or of a worker's latest."""
        from claude_workers.pool import rescues

        return rescues.show(self.layout, task)

    def budget(self, by: str = "") -> tuple[list[Total], list[Use]]:
        """Return what was spent this day, week and month, and how much of each budget is used.

        `by`: "worker", "repo" or "credentials" splits what was spent; "" does not.
        """
        from claude_workers import spending

        return spending.totals(self.layout, by), spending.uses(self.layout, spending.every_budget())

"""The fleet: every worker a caller can reach, asked by address `[HOST/]ID`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_workers import names, paths
from claude_workers.errors import NotFound
from claude_workers.model import Receipt

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from typing import Any

    from claude_workers.home.home import Home
    from claude_workers.model import (
        Assigned,
        Claim,
        Fault,
        Followed,
        LogEvent,
        Message,
        Orphan,
        Recovered,
        Rescue,
        Task,
        WorkerStatus,
    )  # fmt: skip
    from claude_workers.pool.dispatch import Dispatched
    from claude_workers.pool.gc import Garbage
    from claude_workers.pool.rescues import Shown
    from claude_workers.pool.watch import Lost
    from claude_workers.pool.why import Why
    from claude_workers.spending import Total, Use

# Verbs are imported by the methods that call them: `status` is asked all day and needs few of them.
# ruff: noqa: PLC0415


class Fleet:
    """The workers of this machine. Cheap to make, safe in threads, no I/O until a verb is called.

    `root` is the folder that holds the homes; unset: CLAUDE_WORKERS_ROOT, else ~/workers.
    """

    def __init__(self, root: str | os.PathLike[str] | None = None) -> None:
        self.layout = paths.layout(root)

    def _local(self, address: str) -> str:
        host, worker = names.address(address)
        if host not in {None, "local"}:
            raise NotFound(f"there is no host {host}", "workers of this machine are named by their id alone")
        return worker

    def init(self, *workers: str) -> list[Home]:
        """Make homes for workers, all or none."""
        from claude_workers.pool import homes

        return homes.init(self.layout, [self._local(one) for one in workers])

    def dispatch(self, worker: str, repo: str, issue: int | None = None, prompt: str = "", **wishes: Any) -> Task:  # noqa: ANN401
        """Give a worker a task and return it once its runner lives; see `order`."""
        return self.order(worker, repo, issue, prompt, **wishes).task

    def order(self, worker: str, repo: str, issue: int | None, prompt: str, **wishes: Any) -> Dispatched:  # noqa: ANN401
        """Dispatch, telling also whether the task is new; see `pool.dispatch.dispatch`.

        `wishes` are the further fields of `Order`: expect, base, model, isolation, budget_usd,
        time_limit (seconds), max_turns, prompt_template, task_id, trust_author.
        """
        from claude_workers.pool.dispatch import dispatch
        from claude_workers.pool.preflight import Order

        return dispatch(self.layout, Order(self._local(worker), repo, issue, prompt, **wishes))

    def status(self, workers: Sequence[str] = ()) -> list[WorkerStatus]:
        """Return a row for each worker asked for, or for all."""
        from claude_workers.pool.status import status

        return status(self.layout, [self._local(one) for one in workers])

    def orphans(self) -> tuple[list[Orphan], list[Fault]]:
        """Return the issues held by workers that are not at them, and what could not be asked."""
        from claude_workers.pool.orphans import orphans

        return orphans(self.layout)

    def assign(
        self,
        repo: str,
        issues: Sequence[int] = (),
        *,
        label: str | None = None,
        **wishes: Any,  # noqa: ANN401
    ) -> Iterator[Assigned]:
        """Give issues, or those waiting under a label, to idle workers; yield what became of each."""
        from claude_workers.pool import issues as giving

        return giving.assign(self.layout, repo, issues, label=label, wishes=wishes)

    def release(self, repo: str, issue: int, *, force: bool = False) -> Claim | None:
        """Take an issue's claim and its workers' labels away; return the claim there was."""
        from claude_workers.pool import issues as giving

        return giving.release(self.layout, repo, issue, force=force)

    def follow(self, repo: str, number: int, *, interval: float = 60.0) -> Iterator[Followed]:
        """Follow a published change, a look each `interval` seconds, until merged, closed or capped."""
        from claude_workers.pool.follow import follow

        return follow(self.layout, repo, number, interval=interval)

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

    def tell(self, worker: str, text: str, *, interrupt: bool = False) -> Message:
        """Tell the agent of a worker's task something; `interrupt` stops what it is doing first."""
        return self.telling(worker, text, interrupt=interrupt)[0]

    def telling(self, worker: str, text: str, *, interrupt: bool = False) -> tuple[Message, str]:
        """Tell as `tell` does, saying also when the agent will have it."""
        from claude_workers.pool.tell import tell

        return tell(self.layout, self._local(worker), text, interrupt=interrupt)

    def stop(self, worker: str) -> Task:
        """Stop a worker's task; its whole tree has ended when this returns."""
        from claude_workers.pool import control

        return control.stop(self.layout, self._local(worker))

    def restart(self, worker: str) -> Task:
        """Continue a stopped, crashed or waiting task in the same session and branch."""
        from claude_workers.pool import control

        return control.restart(self.layout, self._local(worker))

    def recover(self, workers: Sequence[str] = ()) -> Iterator[Recovered]:
        """Resume what crashed, wake what need not wait, release stale claims; yield what was done."""
        from claude_workers.pool import recover

        return recover.recover(self.layout, [self._local(one) for one in workers])

    def recovering(self, interval: float = 15.0) -> Iterator[Recovered]:
        """Recover again and again, `interval` seconds apart, for as long as the caller listens."""
        from claude_workers.pool import recover

        return recover.watch(self.layout, interval)

    def why(self, worker: str, *, last: int = 20, forge: bool = False) -> Why:
        """Return a worker's state with all its evidence and the `last` events of its log."""
        from claude_workers.pool.why import why

        return why(self.layout, self._local(worker), last=last, ask_forge=forge)

    def rescues(self, worker: str | None = None) -> list[Rescue]:
        """Return what is kept of tasks' work, the latest last."""
        from claude_workers.pool import rescues

        return rescues.every_rescue(self.layout, self._local(worker) if worker else None)

    def rescue(self, task: str) -> Shown:
        """Return closely what is kept of a task, or of a worker's latest."""
        from claude_workers.pool import rescues

        return rescues.show(self.layout, task)

    def restore(self, task: str, target: str | None = None) -> Path:
        """Put a task's kept work into a new folder and return it."""
        from claude_workers.pool import rescues

        return rescues.restore(self.layout, task, target)

    def gc(self, keep: float | None = None, *, delete: bool = False) -> list[Garbage]:
        """Return what tasks left that ended over `keep` seconds ago (unset: as configured); `delete` deletes it."""
        from claude_workers import config
        from claude_workers.pool import gc

        age = config.load().keep if keep is None else keep
        return gc.collect(self.layout, age) if delete else gc.plan(self.layout, age)

    def budget(self) -> tuple[list[Total], list[Use]]:
        """Return what was spent this day, week and month, and how much of each budget is used."""
        from claude_workers import spending

        return spending.totals(self.layout), spending.uses(self.layout, spending.every_budget())

    def reset(self, worker: str, *, discard: bool = False) -> Receipt | None:
        """Free a worker whose task will not go on; its work is kept first."""
        from claude_workers.pool import homes

        return homes.reset(self.layout, self._local(worker), discard=discard)

    def refresh(self, worker: str) -> list[str]:
        """Render a home's templates and credentials again; return what changed."""
        from claude_workers.pool import homes

        return homes.refresh(self.layout, self._local(worker))

    def remove(self, worker: str, *, discard: bool = False) -> None:
        """Delete a home; refused while it holds work that is kept nowhere else."""
        from claude_workers.pool import homes

        homes.remove(self.layout, self._local(worker), discard=discard)

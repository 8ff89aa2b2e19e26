"""Giving: the verbs of a fleet that put workers to work, and take issues back from them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from claude_workers import names
from claude_workers.errors import BadInput
from claude_workers.looking import Looking

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from claude_workers.model import Assigned, Claim, Followed, Task
    from claude_workers.pool.dispatch import Dispatched

# Verbs are imported by the methods that call them: `status` is asked all day and needs few of them.
# ruff: noqa: PLC0415


class Giving(Looking):
    """The workers of a fleet, and what they are given to do."""

    def dispatch(self, worker: str, repo: str, issue: int | None = None, prompt: str = "", **wishes: Any) -> Task:  # noqa: ANN401
        """Give a worker a task and return it once its runner lives; see `order`."""
        return self.order(worker, repo, issue, prompt, **wishes).task

    def order(self, worker: str, repo: str, issue: int | None, prompt: str, **wishes: Any) -> Dispatched:  # noqa: ANN401
        """Dispatch, telling also whether the task is new; see `pool.dispatch.dispatch`.

        Worker `[HOST/]any` is an idle one of any host: of the one that had the issue before, else of the
        emptiest; this machine's only when it is named, or there are no hosts.

        `wishes` are the further fields of `Order`: expect, base, model, isolation, budget_usd,
        time_limit (seconds), max_turns, prompt_template, task_id, trust_author; and of a host that has a
        machine for each worker, the `size` of it, else what `kind` of task it is (see `machines.sizes`).
        """
        from claude_workers.pool.dispatch import Dispatched, dispatch
        from claude_workers.pool.preflight import Order

        anywhere, host = names.anywhere(worker)
        if anywhere:
            from claude_workers.placing import Places

            matters = issue is not None or wishes.get("task_id") is not None
            places = Places(self.layout, self._reach.placeable(host), past=matters)
            give = partial(self.order, repo=repo, issue=issue, prompt=prompt, **wishes)
            return places.give(repo, issue, wishes.get("task_id"), give)
        there, worker = self._reach.at(worker)
        if there:
            return Dispatched(*there.dispatch(worker, repo, issue, prompt, **wishes))
        if wishes.pop("size", None):
            raise BadInput("this machine has one size: its own", "leave --size away")
        wishes.pop("kind", None)  # it is only for choosing a size
        return dispatch(self.layout, Order(worker, repo, issue, prompt, **wishes))

    def assign(
        self,
        repo: str,
        issues: Sequence[int] = (),
        *,
        label: str | None = None,
        **wishes: Any,  # noqa: ANN401
    ) -> Iterator[Assigned]:
        """Give issues, or those waiting under a label, to idle workers; yield what became of each.

        Of every host where there are hosts, placed as `dispatch` places `any`.
        """
        from claude_workers.pool import issues as giving

        machines = self._reach.placeable()
        if machines == [None]:
            return giving.assign(self.layout, repo, issues, label=label, wishes=wishes)
        there = self._reach.default
        if there:
            return iter(there.assign(repo, issues, label, wishes))
        from claude_workers import placing

        wanted = list(issues) or giving.waiting(self.layout, repo, label or "")
        places = placing.Places(self.layout, machines, past=True)
        return placing.assign(places, repo, wanted, lambda worker, one: self.order(worker, repo, one, "", **wishes))

    def release(self, repo: str, issue: int, *, force: bool = False) -> Claim | None:
        """Take an issue's claim and its workers' labels away; return the claim there was."""
        from claude_workers.model import Claim
        from claude_workers.pool import issues as giving

        there = self._reach.default
        if there:
            held = there.ask("release", repo, str(issue), *(["--force"] if force else []))["claim"]
            return Claim.from_json(held) if held else None
        return giving.release(self.layout, repo, issue, force=force)

    def follow(self, repo: str, number: int, *, interval: float = 60.0) -> Iterator[Followed]:
        """Follow a published change, a look each `interval` seconds, until merged, closed or capped."""
        from claude_workers.pool.follow import follow

        return follow(self._here, repo, number, interval=interval)

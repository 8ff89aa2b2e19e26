"""The purse: what a task has cost so far, booked as it works, and the budgets that end it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from claude_workers import clock, credentials, spending
from claude_workers.agent.ending import Ending
from claude_workers.home import events
from claude_workers.spending import Spent, Use

if TYPE_CHECKING:
    from claude_workers.runner.run import Run

_EVERY = 10.0
_ESTIMATED = "the cost of a turn that did not come to its end is estimated from its tokens"
_UNKNOWN = "the cost of a turn that did not come to its end is not known"


class Purse:
    """Watches one turn's spending; what an attempt before left unbooked is booked first."""

    def __init__(self, run: Run) -> None:
        self._run = run
        named = run.secrets.get(credentials.SET) or run.settings.credential_set
        self._set = spending.set_name(named)
        self._budgets = spending.budgets(run.repository.name, named)
        self._looked = time.monotonic()
        self._alerted: set[str] = set()
        self.settle()

    def allowance(self) -> float | None:
        """Return the USD that this turn may cost at most; None for no limit."""
        task = self._run.settings.budget_usd
        left = [] if task is None else [task - self._run.progress.cost_usd]
        left += [one.budget.limit - one.used for one in self._uses() if one.budget.unit == "usd"]
        return max(min(left), 0.01) if left else None

    def look(self) -> Ending | None:
        """Return why the turn must end now, looking every few seconds; None while it may go on."""
        if time.monotonic() - self._looked < _EVERY:
            return None
        self._looked = time.monotonic()
        self.book()
        return self.verdict()

    def verdict(self) -> Ending | None:
        """Return which budget is used up: the task's own ends it, that of a span makes it wait."""
        seen, settings = self._run.progress, self._run.settings
        cost = seen.cost_usd + self._uncosted()
        if settings.budget_usd is not None and cost >= settings.budget_usd:
            return Ending("budget", f"budget_usd of {settings.budget_usd:g} is used up: {cost:.2f}")
        if settings.budget_tokens is not None and seen.tokens >= settings.budget_tokens:
            return Ending("budget", f"budget_tokens of {settings.budget_tokens} is used up: {seen.tokens}")
        self._alert_own(cost)
        for use in self._uses():
            if use.share >= 1:
                return Ending("spent", f"{use.budget.shown} is used up: {use.amount}", use.until)
            if use.share >= Use.ALERT:
                self._alert(use.budget.shown, f"{use.budget.shown}: {use.amount} are used ({use.share:.0%})")
        return None

    def _alert_own(self, cost: float) -> None:
        settings, seen = self._run.settings, self._run.progress
        for name, used, limit in (
            ("budget_usd", cost, settings.budget_usd),
            ("budget_tokens", float(seen.tokens), settings.budget_tokens),
            ("time_limit", seen.worked_s, settings.time_limit),
        ):
            if limit and used >= Use.ALERT * limit:
                self._alert(name, f"{name}: {used / limit:.0%} of {limit:g} are used")

    def _alert(self, key: str, text: str) -> None:
        if key not in self._alerted:
            self._alerted.add(key)
            told = [note for note in self._run.progress.notes if note.startswith(f"{key}:")]
            if not told:
                self.alert(text)

    def alert(self, text: str) -> None:
        """Say something of a budget where people look: in the log, the receipt and the event log."""
        self._run.note(text)
        events.append(self._run.home, "budget", text, self._run.task.task_id)

    def _uses(self) -> list[Use]:
        return spending.uses(self._run.home.layout, self._budgets, self._unbooked())

    def _uncosted(self) -> float:
        """Return an estimate of what the tokens cost that no result has told the price of yet."""
        seen = self._run.progress
        if not seen.costed_tokens:
            return 0.0
        return seen.cost_usd / seen.costed_tokens * max(0, seen.tokens - seen.costed_tokens)

    def _unbooked(self) -> Spent:
        run, seen = self._run, self._run.progress
        return Spent(
            clock.now(), run.task.worker, run.task.task_id, run.repository.name, self._set,
            usd=max(0.0, seen.cost_usd + self._uncosted() - seen.booked_usd),
            tokens=max(0, seen.tokens - seen.booked_tokens),
            seconds=max(0.0, seen.worked_s - seen.booked_s),
            pays=run.pays,
        )  # fmt: skip

    def settle(self) -> None:
        """Take what a turn cost that gave no result as its estimate, and book what is not booked."""
        seen = self._run.progress
        if seen.tokens > seen.costed_tokens:
            unchecked = [one for one in seen.unchecked if one not in {_ESTIMATED, _UNKNOWN}]
            if seen.costed_tokens:
                cost = seen.cost_usd + self._uncosted()
                self._run.observe(cost_usd=cost, costed_tokens=seen.tokens, unchecked=[*unchecked, _ESTIMATED])
            else:
                self._run.observe(unchecked=[*unchecked, _UNKNOWN])  # until a later turn tells a price
        self.book(all_of_it=True)

    def book(self, *, all_of_it: bool = False) -> None:
        """Book tokens and time as they go, and money when a result has told it."""
        spent, seen = self._unbooked(), self._run.progress
        usd = spent.usd if all_of_it else 0.0
        if not (usd or spent.tokens or spent.seconds >= 1):
            return
        spending.book(self._run.home.layout, Spent.from_json({**spent.to_json(), "usd": usd}))
        self._run.observe(
            booked_usd=seen.booked_usd + usd,
            booked_tokens=seen.booked_tokens + spent.tokens,
            booked_s=seen.booked_s + spent.seconds,
        )

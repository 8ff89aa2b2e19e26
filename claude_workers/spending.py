"""Spending: what tasks cost, booked as it is seen, and the budgets that spans of time have."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar

from claude_workers import clock, config, files, toml
from claude_workers.errors import WorkersError
from claude_workers.model import Record

if TYPE_CHECKING:
    from collections.abc import Iterable

    from claude_workers.paths import Layout

# How every budget's name begins, and with it the reason of a task that waits for one.
PREFIX = "budget_"
SPANS = ("day", "week", "month")
_DEFAULT = "default"
_MOST = 1e15
GROUPS = ("worker", "repo", "credentials")
_SUBSCRIPTIONS = frozenset({"token", "login"})


@dataclass(frozen=True)
class Spent(Record):
    """What one task cost since it was last booked: list prices in USD, tokens, seconds of work."""

    at: str
    worker: str
    task_id: str
    repo: str
    credentials: str
    usd: float = 0.0
    tokens: int = 0
    seconds: float = 0.0
    pays: str = ""


@dataclass(frozen=True)
class Budget(Record):
    """What a span of time may cost: of everything, one repository or one credential set."""

    scope: str
    name: str
    unit: str
    span: str
    limit: float

    @property
    def key(self) -> str:
        """The setting that says so."""
        return f"{PREFIX}{self.unit}_{self.span}"

    @property
    def shown(self) -> str:
        """The budget in words."""
        return f"{self.key} of {self.scope} {self.name}" if self.name else self.key

    def covers(self, spent: Spent) -> bool:
        """Tell whether something counts against it."""
        named = {"repository": spent.repo, "credentials": spent.credentials}.get(self.scope, self.name)
        return named == self.name


@dataclass(frozen=True)
class Use(Record):
    """How much of a budget is used, and when its span ends (ISO 8601 UTC)."""

    budget: Budget
    used: float
    until: str

    ALERT: ClassVar[float] = 0.8

    @property
    def share(self) -> float:
        """The part that is used; 1 and more: all of it."""
        return self.used / self.budget.limit if self.budget.limit else 1.0

    @property
    def amount(self) -> str:
        """How much of how much, in words."""
        if self.budget.unit == "time":
            return f"{clock.spoken(self.used)} of {clock.spoken(self.budget.limit)}"
        return f"{self.used:.2f} of {self.budget.limit:.2f}" if self.budget.unit == "usd" else self._tokens()

    def _tokens(self) -> str:
        return f"{self.used:.0f} of {self.budget.limit:.0f}"


@dataclass(frozen=True)
class Total(Record):
    """What was spent in this day, week or month: list prices in USD, tokens, seconds of work.

    `of` is a worker, repository or credential set by name, "" for all. `unbilled` is the part of `usd`
    that a subscription does not pay: its tasks have a list price, but no bill.
    """

    span: str
    of: str
    usd: float
    tokens: int
    seconds: float
    unbilled: float = 0.0


def book(layout: Layout, spent: Spent) -> None:
    """Append what was spent to the month's file, in one write: several runners book at once."""
    files.make_private(layout.spending)
    path = layout.spending / f"{spent.at[:7]}.jsonl"
    # A line of its own, whatever a crash left before it; blank ones mean nothing.
    line = f"\n{json.dumps(spent.to_json())}\n".encode()
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, files.PRIVATE_FILE)
        try:
            os.write(handle, line)
        finally:
            os.close(handle)
    except OSError as error:
        raise files.cannot_write(path, error) from error


def booked(layout: Layout, since: str) -> list[Spent]:
    """Return what was booked since a moment; a line that a crash cut is left out."""
    found = []
    for path in sorted(layout.spending.glob("*.jsonl")):
        if path.stem >= since[:7]:
            try:
                lines = (files.read_inside(layout.spending, path.name) or "").split("\n")
            except ValueError as error:
                raise WorkersError(f"{path}: {error}", "move it away: what it held counts no more") from error
            found += [one for line in lines if (one := _parsed(line)) and one.at >= since]
    return found


def _parsed(line: str) -> Spent | None:
    """Return what a line says was spent; None for one that says nothing of the kind."""
    try:
        one = Spent.believed(json.loads(line))
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None
    return one if all(_is_amount(number) for number in (one.usd, one.tokens, one.seconds)) else None


def _is_amount(value: float) -> bool:
    return 0 <= value < _MOST


def budgets(repository: str, credential_set: str | None) -> list[Budget]:
    """Return the budgets that a task of a repository counts against."""
    named = credential_set or _DEFAULT
    settings = config.load()
    everything = {key: getattr(settings, key) for key in config.SPAN_KEYS}
    return [
        *_of("all", "", everything),
        *_of("repository", repository, config.spans("repos", repository)),
        *_of("credentials", named, config.spans("credentials", named)),
    ]


def _of(scope: str, name: str, values: dict[str, object]) -> list[Budget]:
    found = []
    for key, limit in sorted(values.items()):
        if isinstance(limit, int | float):
            _, unit, span = key.split("_")
            found.append(Budget(scope, name, unit, span, float(limit)))
    return found


def set_name(credential_set: str | None) -> str:
    """Return the name under which a credential set's spending is booked."""
    return credential_set or _DEFAULT


def uses(layout: Layout, wanted: Iterable[Budget], more: Spent | None = None) -> list[Use]:
    """Return how much of each budget is used, with what is spent and not yet booked."""
    listed = list(wanted)
    if not listed:
        return []
    spans = {span: _bounds(span) for span in {one.span for one in listed}}
    known = [*booked(layout, min(begin for begin, _ in spans.values())), *([more] if more else [])]
    found = []
    for one in listed:
        begin, until = spans[one.span]
        unit = {"usd": "usd", "tokens": "tokens", "time": "seconds"}[one.unit]
        used = sum(float(getattr(spent, unit)) for spent in known if spent.at >= begin and one.covers(spent))
        found.append(Use(one, used, until))
    return found


def every_budget() -> list[Budget]:
    """Return all budgets that are configured, whatever they are of."""
    data = toml.read(config.file())
    settings = config.load()
    found = _of("all", "", {key: getattr(settings, key) for key in config.SPAN_KEYS})
    for table, scope in (("repos", "repository"), ("credentials", "credentials")):
        names = data.get(table, {})
        for name in names if isinstance(names, dict) else ():
            found += _of(scope, name, config.spans(table, name))
    return found


def totals(layout: Layout, by: str = "") -> list[Total]:
    """Return what was spent in this day, week and month, in all or for each worker, repo or credentials."""
    found = []
    for span in SPANS:
        known = booked(layout, _bounds(span)[0])
        names = sorted({str(getattr(one, by)) for one in known}) if by else [""]
        found += [_sum(span, name, [one for one in known if not by or getattr(one, by) == name]) for name in names]
    return found


def _sum(span: str, name: str, known: list[Spent]) -> Total:
    unbilled = sum(one.usd for one in known if one.pays in _SUBSCRIPTIONS)
    tokens, seconds = sum(one.tokens for one in known), sum(one.seconds for one in known)
    return Total(span, name, sum(one.usd for one in known), tokens, seconds, unbilled)


def _bounds(span: str) -> tuple[str, str]:
    """Return the begin and the end of this day, week (from Monday) or month, by this machine's own clock."""
    # Naive, and made local one by one: the clock may be changed between the two.
    today = datetime.now().replace(hour=0, minute=0, second=0, microsecond=0)  # noqa: DTZ005
    if span == "month":
        begin = today.replace(day=1)
        end = (begin + timedelta(days=32)).replace(day=1)
    else:
        begin = today - timedelta(days=today.weekday() if span == "week" else 0)
        end = begin + timedelta(days=7 if span == "week" else 1)
    return clock.to_iso(begin.astimezone()), clock.to_iso(end.astimezone())

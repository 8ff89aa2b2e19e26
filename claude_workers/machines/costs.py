"""What machines cost: the terms of a host, and what was spent of its budgets, as the machines themselves told."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_workers import clock
from claude_workers.machines import words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from claude_workers.machines.machine import Machine
    from claude_workers.machines.sizes import Size

# From this part of a budget on people are told.
ALERT = 0.8


@dataclass(frozen=True)
class Terms:
    """What a host's table says: the sizes and the usual one, budgets (US dollars; None: no limit), most machines."""

    sizes: Mapping[str, Size]
    usual: str
    daily: float | None = None
    weekly: float | None = None
    most: int | None = None


def spent(machines: Sequence[Machine], days: int) -> float:
    """Return what machines that are there cost in the last `days`, today included, in US dollars."""
    since = clock.from_epoch(time.time() - (days - 1) * 86400)[:10]
    told = [words.unpacked(one.said.get(words.SPENT, "")) for one in machines]
    return sum(float(usd) for days_of_one in told for day, usd in days_of_one.items() if day >= since)


def uses(machines: Sequence[Machine], terms: Terms) -> list[tuple[str, float, float | None]]:
    """Return what was spent this day and this week, and what may be."""
    spans = (("day", 1, terms.daily), ("week", 7, terms.weekly))
    return [(name, spent(machines, days), most) for name, days, most in spans]


def left(machines: Sequence[Machine], terms: Terms) -> float | None:
    """Return what may still be spent, None where there is no limit."""
    return min((most - used for _, used, most in uses(machines, terms) if most is not None), default=None)

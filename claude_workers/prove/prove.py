"""Proving: every escape tried inside, every trick shown to work outside, and the verdicts told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_workers.errors import Refused
from claude_workers.model import Record
from claude_workers.prove.bench import SIGN, Bench, bench
from claude_workers.prove.escapes import OWN_NAMESPACE, SCRIPTS
from claude_workers.prove.traps import REAL_TRAPS, TRAPS, Trap, is_real

if TYPE_CHECKING:
    from collections.abc import Iterator

    from claude_workers.paths import Layout

HELD, ESCAPED, NOT_SHOWN = "held", "ESCAPED", "not shown"


@dataclass(frozen=True)
class Proof(Record):
    """One escape's verdict: held, ESCAPED, or not shown when the trick fails without an enclosure, too."""

    number: int
    title: str
    verdict: str
    note: str = ""


def prove(layout: Layout, isolation: str) -> Iterator[Proof]:
    """Try all escapes at a level that encloses; Refused for one that does not claim to."""
    if isolation not in {"enclosure", "double"}:
        raise Refused(f"level {isolation} does not enclose: there is nothing to prove", "see docs/security.md")
    with bench(layout, isolation) as made:
        yield from _scripts(made)
        real = is_real(made)
        for number, trap in enumerate([*TRAPS, *REAL_TRAPS], len(SCRIPTS) + 1):
            if trap in REAL_TRAPS and not real:
                yield Proof(number, trap.title, NOT_SHOWN, "its control needs Claude Code, which is not here")
            else:
                yield _trap(made, number, trap)


def _scripts(made: Bench) -> Iterator[Proof]:
    for number, (title, script) in enumerate(SCRIPTS, 1):
        if title == OWN_NAMESPACE and made.run.task.isolation == "double":
            yield Proof(number, title, NOT_SHOWN, "level double leaves it to the sandbox inside")
            continue
        escaped = SIGN in made.inside(script)
        shown = SIGN in made.outside(script)
        yield _proof(number, title, escaped=escaped, shown=shown)


def _trap(made: Bench, number: int, trap: Trap) -> Proof:
    made.inside(trap.script)
    escaped = trap.ours(made)
    return _proof(number, trap.title, escaped=escaped, shown=trap.naive(made))


def _proof(number: int, title: str, *, escaped: bool, shown: bool) -> Proof:
    if escaped:
        return Proof(number, title, ESCAPED)
    if shown:
        return Proof(number, title, HELD)
    return Proof(number, title, NOT_SHOWN, "here the trick fails without the enclosure, too")

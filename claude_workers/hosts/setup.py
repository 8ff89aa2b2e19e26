"""Setting a machine up: the steps taken one after the other, each seen to have worked."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from claude_workers import __version__
from claude_workers.hosts import facts, line, wheel
from claude_workers.hosts.steps import STEPS, Step, Wish

if TYPE_CHECKING:
    from collections.abc import Iterator

    from claude_workers.hosts.line import Shell

_INSTALL = Path(__file__).with_name("install.sh")
# A script says this often (seconds) that it lives, whatever it waits for.
_PULSE = 5
_LIMIT = 60.0
_ALIVE = f"(while sleep {_PULSE} >/dev/null 2>&1; do echo; done) & pulse=$!\n"


def plan(shell: Shell, host: str, name: str = "", *, linger: bool = False) -> list[Step]:
    """Return what is there and what would be done; nothing is changed."""
    found, wish = facts.ask(shell, host), Wish(wheel.build().digest, __version__, name, linger)
    return [step(found, wish) for step in STEPS]


def carry_out(
    shell: Shell, host: str, name: str = "", *, linger: bool = False, root: str | None = None
) -> Iterator[Step]:
    """Do what is wanted, in order; yield each step as it was found, or when it begins and as it came out.

    The first that fails is the last. `name` is what the machine is to call itself, `root` where its homes
    are (None: where it says).
    """
    made = wheel.build()
    wish = Wish(made.digest, __version__, name, linger)
    found = facts.ask(shell, host)
    for step in STEPS:
        before = step(found, wish)
        if before.state != "wanted":
            yield before
            continue
        yield dataclasses.replace(before, state="doing")
        installing = before.what == "program"
        script = _install(made, found, root) if installing else before.script
        said = _run(shell, host, script, made.content if installing else b"")
        found = facts.ask(shell, host)
        yield _came_out(before, step(found, wish), said)
        if said:
            return


def _install(made: wheel.Wheel, found: facts.Facts, root: str | None) -> str:
    """Return the script that installs a wheel from its standard input."""
    given = {"DIGEST": made.digest, "WHEEL": made.name, "ROOT": root or "", "PYTHON": found.python, "LINK": found.link}
    words = " ".join(f"{name}={shlex.quote(value)}" for name, value in given.items())
    return f"{words}\n{_INSTALL.read_text(encoding='utf-8')}"


def _run(shell: Shell, host: str, script: str, stdin: bytes) -> str:
    """Run a step's script; return why it failed, "" when it did not."""
    # In a shell of its own, whose end, however it comes, is the end of the signs of life, too.
    wrapped = f"{_ALIVE}sh -c {shlex.quote(script)}; status=$?; kill $pulse; exit $status"
    output = line.run(shell, ["sh", "-c", wrapped], host, stdin=stdin, limit=_LIMIT)
    for _ in output:
        pass  # signs of life
    assert output.ended is not None
    if output.ended.status == 0:
        return ""
    said = output.ended.stderr.strip().splitlines() or [f"exit {output.ended.status}"]
    return next((one for one in said if "No space left" in one), said[-1])


def _came_out(before: Step, after: Step, failed: str) -> Step:
    if failed:
        return dataclasses.replace(
            before, state="failed", said=f"{before.said}; {failed}", remedy="mend that, run it again"
        )
    if after.state == "wanted":
        return dataclasses.replace(after, state="failed", said=f"done, and yet: {after.said}")
    return dataclasses.replace(after, state="done" if after.state == "there" else after.state)

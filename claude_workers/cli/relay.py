"""The relay: a call that another machine is to answer whole, run there word for word, its output printed here."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from claude_workers.hosts.line import Dropped
from claude_workers.hosts.reach import Reach

if TYPE_CHECKING:
    from collections.abc import Sequence


def relay(host: str, argv: Sequence[str]) -> int:
    """Run a call on a host and return its exit status. Standard input goes along where `-` asks for it."""
    there = Reach().host(host)
    assert there is not None
    words = without_host(argv)
    stdin = sys.stdin.buffer.read() if "-" in words else b""
    output = there.relay(*words, stdin=stdin)
    try:
        for line in output:
            sys.stdout.write(line)
            sys.stdout.flush()
    except Dropped as error:
        raise error.unsure() from error
    ended = output.ended
    assert ended is not None
    for said in ended.stderr.splitlines():
        print(there.told(said), file=sys.stderr)
    return ended.status


def without_host(argv: Sequence[str]) -> list[str]:
    """Return a call's words without those that name the host."""
    words: list[str] = []
    rest = list(argv)
    while rest:
        one = rest.pop(0)
        if one == "--":
            return [*words, one, *rest]
        if one == "--on":
            del rest[:1]
        elif not one.startswith("--on="):
            words.append(one)
    return words

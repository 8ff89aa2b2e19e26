"""A process tree: who belongs to it, how much it works, and its certain end."""

from __future__ import annotations

import signal
import time

from claude_workers.process.identity import Identity, Liveness, boot_id, probe, send
from claude_workers.process.table import Stat, everybody, marked

_POLL = 0.02


def members(leader: Identity, marker: str = "") -> list[Stat]:
    """Return the leader and its descendants; with `marker`, also whoever carries it.

    `marker` is `NAME=value` in a process's initial environment: a child that left its session
    and was given to init still carries it. Nobody is returned where the kernel shows nothing.
    """
    try:
        stats = everybody()
        carriers = marked(marker) if marker else []
    except OSError:
        return []
    found = stats.get(leader.pid)
    same = found is not None and found.start == leader.start and leader.boot == boot_id()
    mine = {leader.pid} if same else set()
    mine |= {pid for pid in carriers if pid in stats}
    grown = True
    while grown:
        children = {pid for pid, stat in stats.items() if stat.parent in mine} - mine
        mine |= children
        grown = bool(children)
    return [stats[pid] for pid in sorted(mine)]


def wait_gone(processes: list[Identity], timeout: float) -> list[Identity]:
    """Wait until none of them lives; return those still not proved dead after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        left = [one for one in processes if not probe(one).dead]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(_POLL)


def end_tree(leader: Identity, *, grace: float = 3.0, marker: str = "") -> list[Identity]:
    """End a whole tree: ask, wait `grace` seconds, kill; return who could not be ended.

    Only members of the tree are signalled, each by its full identity.
    """
    identities = [Identity(one.pid, one.start, boot_id()) for one in members(leader, marker)]
    for one in identities:
        send(one, signal.SIGTERM)
    wait_gone(identities, grace)
    for _ in range(5):
        # A killed parent may have forked in between: look again until nobody is left.
        late = [Identity(one.pid, one.start, boot_id()) for one in members(leader, marker)]
        identities = list({*identities, *late})
        for one in identities:
            send(one, signal.SIGKILL)
        left = wait_gone(identities, 2.0)
        newcomers = [one for one in members(leader, marker) if not one.dead]
        if not left and not newcomers:
            # One that cannot be judged was not signalled, and has not been seen to end.
            return [leader] if probe(leader).liveness is Liveness.UNKNOWN else []
    return left or [Identity(one.pid, one.start, boot_id()) for one in newcomers]

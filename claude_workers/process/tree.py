"""A process tree: who belongs to it, how much it works, and its certain end."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from claude_workers.process.identity import Identity, Liveness, Stat, boot_id, probe, read_stat, send

_POLL = 0.02


def _all_stats() -> dict[int, Stat]:
    found = {}
    for name in os.listdir("/proc") if os.path.isdir("/proc") else []:
        if name.isdigit():
            try:
                stat = read_stat(int(name))
            except (OSError, ValueError, IndexError):
                continue
            if stat:
                found[stat.pid] = stat
    return found


def members(leader: Identity, marker: str = "") -> list[Stat]:
    """Return the leader and its descendants; with `marker`, also whoever carries it.

    `marker` is `NAME=value` in a process's initial environment: a child that left its session
    and was given to init still carries it.
    """
    stats = _all_stats()
    found = stats.get(leader.pid)
    same = found is not None and found.start == leader.start and leader.boot == boot_id()
    mine = {leader.pid} if same else set()
    if marker:
        mine |= {pid for pid in marked(marker) if pid in stats}
    grown = True
    while grown:
        children = {pid for pid, stat in stats.items() if stat.parent in mine} - mine
        mine |= children
        grown = bool(children)
    return [stats[pid] for pid in sorted(mine)]


def marked(marker: str) -> list[int]:
    """Return the pids of those that carry a mark in their initial environment."""
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()] if os.path.isdir("/proc") else []
    return sorted(pid for pid in pids if _carries(pid, marker))


def _carries(pid: int, marker: str) -> bool:
    try:
        return marker.encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False


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

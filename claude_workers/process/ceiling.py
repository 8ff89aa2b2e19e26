"""A memory ceiling: what one agent and all it starts may hold together, kept by the kernel where it can."""

from __future__ import annotations

import re
import time
from pathlib import Path

from claude_workers.process import cgroup
from claude_workers.process.identity import Identity
from claude_workers.process.tree import members

_NAME = re.compile(r"[a-z0-9-]{1,100}")
_MIB = 1 << 20
_POLL, _TRIES_TO_REMOVE = 0.02, 50
# The shell says what the system answered, then we what follows; 125 as timeout(1) and env(1) use it.
_ENTER = (
    'echo $$ > "$0/cgroup.procs" || '
    '{ echo "memory_limit: $0 cannot be entered, and nothing is started without it" >&2; exit 125; }; exec "$@"'
)


class Ceiling:
    """A limit on the memory of a process tree, kept by the kernel where a cgroup can be had, else by looking.

    `limit` in bytes, None for none. While it lasts, `name` is this run's alone on the whole machine.
    """

    def __init__(self, name: str, limit: int | None) -> None:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} cannot name a cgroup")
        self._limit = limit
        self._group = None if limit is None else cgroup.make(f"claude-workers-{name}", limit)
        self._why = ""
        self._closed = False

    @property
    def prefix(self) -> list[str]:
        """What to put before a program's argv: it enters the cgroup, then becomes the program.

        Pid and open files stay, the environment gains PWD. Where the cgroup cannot be entered it
        says so and exits 125: nothing runs without the limit.
        """
        return ["/bin/sh", "-c", _ENTER, str(self._group.inner)] if self._group else []

    @property
    def kind(self) -> str:
        """Who keeps the limit: "cgroup"; "watched", whoever asks `breached` every few seconds; "" for no limit."""
        if self._limit is None:
            return ""
        return "cgroup" if self._group else "watched"

    def breached(self, leader: Identity | None) -> str:
        """Tell why the limit counts as broken, "" when nothing shows that it is; once told, it stays.

        `leader` leads the tree, for where it is watched.
        """
        if self._limit is None or self._why or self._closed:
            return self._why
        over = f"over memory_limit of {self._limit / _MIB:.0f} MiB"
        if self._killed():
            self._why = f"{over} (killed by the kernel)"
        elif leader and not self._group:
            used = _in_use(leader, self._limit)
            self._why = f"{over}: {used / _MIB:.0f} MiB in use" if used > self._limit else ""
        return self._why

    def _killed(self) -> bool:
        try:
            return self._group is not None and self._group.killed()
        except OSError:
            # The cgroup or its controller was taken away, and the limit with it: from now on we look.
            self._group = None
            return False

    def close(self) -> None:
        """Remove the cgroup after its tree ended; one that stays busy for a second is left to the next run."""
        self.breached(None)
        self._closed = True
        for _ in range(_TRIES_TO_REMOVE):
            if self._group is None or cgroup.removed(self._group.folder):
                return
            time.sleep(_POLL)


def _in_use(leader: Identity, limit: int) -> int:
    """Return how many bytes a tree holds, swap included; pages that are shared count once, where it matters."""
    rough, exact = ("status", "VmRSS:", "VmSwap:"), ("smaps_rollup", "Pss:", "SwapPss:")
    pids = [one.pid for one in members(leader)]
    # Cheap, and hardly ever too little; the exact look walks through every page a process has.
    used = sum(_held(pid, *rough) for pid in pids)
    return used if used <= limit else sum(_held(pid, *exact) or _held(pid, *rough) for pid in pids)


def _held(pid: int, file: str, *fields: str) -> int:
    """Return the sum of some fields in bytes; 0 when the process is gone or the file not ours to read."""
    try:
        # Bytes, for a text's lines also end at characters that a program may have in its name.
        lines = Path(f"/proc/{pid}/{file}").read_bytes().split(b"\n")
    except OSError:
        return 0
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith(tuple(map(str.encode, fields))))

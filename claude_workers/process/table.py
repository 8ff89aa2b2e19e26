"""The process table: what the kernel tells of processes now, from /proc or, where there is none, from ps(1).

Field numbers of /proc: proc(5), `stat`. Of macOS's ps(1) the keywords, and of its sysctl(3) the name,
are those of their manual pages; neither was run on macOS.
"""

from __future__ import annotations

import calendar
import functools
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

_STATE, _PARENT, _USER_TICKS, _SYSTEM_TICKS, _THREADS, _START = 0, 1, 11, 12, 17, 19
_DEAD_STATES = frozenset("ZXx")
_KEYWORDS = "pid=,ppid=,state=,time=,lstart="
_LIMIT = 10.0
_TICKS = 100
_TIME = re.compile(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)(?:\.(\d\d))?")


@dataclass(frozen=True)
class Stat:
    """What the kernel tells of a process right now; `cpu` in clock ticks, children excluded.

    `start` only ever compares with itself: clock ticks since boot by /proc, seconds of 1970 by ps.
    """

    pid: int
    state: str
    parent: int
    start: int
    cpu: int
    threads: int = 1

    @property
    def dead(self) -> bool:
        """Whether it is a zombie through and through: its first thread may end before the others do."""
        return self.state in _DEAD_STATES and self.threads <= 1


def boot() -> str:
    """Return what distinguishes this boot of the machine from every other; "" when unknown.

    On Linux `<boot>/<pid namespace>-<time namespace>`: in a container beside ours the same pid is another
    process, and where clocks begin elsewhere the same process has another start.
    """
    if not _has_proc():
        try:
            return _printed("sysctl", "-n", "kern.bootsessionuuid").strip()
        except OSError:
            return ""
    try:
        text = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        names = [f"/proc/self/ns/{name}" for name in ("pid", "time")]
        return f"{text}/{'-'.join(str(os.stat(name).st_ino) for name in names if os.path.exists(name))}"
    except OSError:
        return ""


def read_stat(pid: int) -> Stat | None:
    """Return a process's kernel record; None when there is no such process.

    Raises OSError when the kernel will not say.
    """
    if not _has_proc():
        found = _by_ps("-p", str(pid)) if pid > 0 else []
        if not found:
            _check_hidden(pid)
        return found[0] if found else None
    if not _shows(os.getpid()):
        raise OSError("/proc is not mounted, or is another pid namespace's")
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        _check_hidden(pid)
        return None
    # The name in parentheses may hold spaces and parentheses of its own.
    fields = text.rpartition(")")[2].split()
    cpu = int(fields[_USER_TICKS]) + int(fields[_SYSTEM_TICKS])
    return Stat(pid, fields[_STATE], int(fields[_PARENT]), int(fields[_START]), cpu, int(fields[_THREADS]))


def everybody() -> dict[int, Stat]:
    """Return every process that the kernel shows to us, by pid; OSError when it shows nothing."""
    if not _has_proc():
        return {stat.pid: stat for stat in _by_ps("-A")}
    found = {}
    for pid in _pids():
        try:
            stat = read_stat(pid)
        except (OSError, ValueError, IndexError):
            continue
        if stat:
            found[pid] = stat
    return found


def marked(marker: str) -> list[int]:
    """Return the pids of those that carry a mark, `NAME=value`, in their initial environment.

    OSError when the kernel shows nothing. macOS hides what its own programs have, /bin/sh among them.
    """
    if _has_proc():
        return sorted(pid for pid in _pids() if _carries(pid, marker))
    lines = _printed("ps", "-A", "-E", "-ww", "-o", "pid=,command=").splitlines()
    return sorted(int(line.split(None, 1)[0]) for line in lines if marker in line.split())


@functools.cache
def _has_proc() -> bool:
    return sys.platform == "linux"


@functools.cache
def _shows(me: int) -> bool:
    """Tell whether /proc is there and lists the processes of our own pid namespace."""
    try:
        return os.readlink("/proc/self") == str(me)
    except OSError:
        return False


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _carries(pid: int, marker: str) -> bool:
    try:
        return marker.encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False


def _check_hidden(pid: int) -> None:
    """Raise OSError for a process that is not shown to us, as another user's by hidepid."""
    try:
        if pid <= 0:
            return  # to kill(2) such a pid is a group, or everybody
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return
    except PermissionError:
        pass
    # Where there is a /proc, it may have come between the two looks.
    if not _has_proc() or not os.path.exists(f"/proc/{pid}"):
        raise OSError("the kernel does not show it")


def _by_ps(*which: str) -> list[Stat]:
    found = []
    for line in _printed("ps", *which, "-o", _KEYWORDS).splitlines():
        pid, parent, state, spent, *started = line.split()
        spans = _TIME.fullmatch(spent)
        if spans is None:
            raise OSError(f"ps says what cannot be understood: {line[:100]!r}")
        days, hours, minutes, seconds, hundredths = (int(one or 0) for one in spans.groups())
        cpu = (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * _TICKS + hundredths
        start = calendar.timegm(time.strptime(" ".join(started), "%a %b %d %H:%M:%S %Y"))
        found.append(Stat(int(pid), state[0], int(parent), start, cpu))
    return found


def _printed(*argv: str) -> str:
    """Return what a program of the system prints, in nobody's language and time; OSError when it cannot be run."""
    try:
        env = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC0"}
        done = subprocess.run(argv, capture_output=True, text=True, errors="replace", check=False, timeout=_LIMIT,
                              env=env)  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise OSError(f"{argv[0]} does not answer") from error
    if done.returncode != 0 and done.stderr.strip():
        raise OSError(f"{argv[0]}: {done.stderr.strip().splitlines()[-1][:100]}")
    return done.stdout

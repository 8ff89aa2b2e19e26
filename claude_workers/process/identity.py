"""A process's identity: its pid, its start in clock ticks since boot, and the boot it belongs to.

A pid alone is reused; psutil's create_time moves with the clock. Field numbers: proc(5), `stat`.
"""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

_STATE, _PARENT, _USER_TICKS, _SYSTEM_TICKS, _THREADS, _START = 0, 1, 11, 12, 17, 19
_DEAD_STATES = frozenset("ZXx")


class Liveness(Enum):
    """What a probe proved."""

    ALIVE = "alive"
    DEAD = "dead"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Identity:
    """One process that ran or runs: never another one that later got its pid."""

    pid: int
    start: int
    boot: str


@dataclass(frozen=True)
class Stat:
    """What the kernel tells of a process right now; `cpu` in clock ticks, children excluded."""

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


@dataclass(frozen=True)
class Probe:
    """A probe's verdict with the evidence for it."""

    liveness: Liveness
    evidence: str

    @property
    def alive(self) -> bool:
        """Whether life was proved."""
        return self.liveness is Liveness.ALIVE

    @property
    def dead(self) -> bool:
        """Whether death was proved."""
        return self.liveness is Liveness.DEAD


@functools.cache
def boot_id() -> str:
    """Return what distinguishes this boot of the machine from every other; "" when unknown.

    On Linux `<boot>/<pid namespace>-<time namespace>`: in a container beside ours the same pid is another
    process, and where clocks begin elsewhere the same process has another start.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        names = [f"/proc/self/ns/{name}" for name in ("pid", "time")]
        return f"{boot}/{'-'.join(str(os.stat(name).st_ino) for name in names if os.path.exists(name))}"
    except OSError:
        return _from_command("sysctl", "-n", "kern.boottime")


def _from_command(*argv: str) -> str:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def read_stat(pid: int) -> Stat | None:
    """Return a process's kernel record; None when there is no such process.

    Raises OSError when the kernel will not say.
    """
    if sys.platform != "linux":
        return _read_ps(pid)
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


@functools.cache
def _shows(me: int) -> bool:
    """Tell whether /proc is there and lists the processes of our own pid namespace."""
    try:
        return os.readlink("/proc/self") == str(me)
    except OSError:
        return False


def _check_hidden(pid: int) -> None:
    """Raise OSError for a process of another user's that /proc does not show to us (hidepid)."""
    try:
        if pid <= 0:
            return  # to kill(2) such a pid is a group, or everybody
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return
    except PermissionError:
        pass
    if not os.path.exists(f"/proc/{pid}"):
        raise OSError("/proc does not show it")


def _read_ps(pid: int) -> Stat | None:
    """Read the same from ps(1), where there is no /proc (not run on macOS)."""
    line = _from_command("ps", "-o", "state=,ppid=,lstart=", "-p", str(pid))
    words = line.split(None, 2)
    if len(words) < 3:  # noqa: PLR2004
        return None
    start = int("".join(f"{ord(letter):03d}" for letter in words[2] if letter.isalnum())[-15:])
    return Stat(pid, words[0][0], int(words[1]), start, 0)


def identify(pid: int) -> Identity | None:
    """Return the identity of a running process; None when there is none by that pid."""
    stat = read_stat(pid)
    return Identity(pid, stat.start, boot_id()) if stat else None


def current() -> Identity:
    """Return this process's own identity."""
    mine = identify(os.getpid())
    if mine is None:
        raise OSError("the kernel does not list this process")
    return mine


def probe(process: Identity) -> Probe:
    """Tell whether that very process lives: a zombie is dead, a recycled pid somebody else's."""
    boot = boot_id()
    if not boot or not process.boot:
        return Probe(Liveness.UNKNOWN, "the boot it belongs to is not known")
    if boot.partition("/")[0] != process.boot.partition("/")[0]:
        return Probe(Liveness.DEAD, f"pid {process.pid} belongs to an earlier boot")
    if boot != process.boot:
        return Probe(Liveness.UNKNOWN, f"pid {process.pid} belongs to another pid or time namespace")
    try:
        stat = read_stat(process.pid)
    except (OSError, ValueError, IndexError) as error:
        return Probe(Liveness.UNKNOWN, f"pid {process.pid} could not be read: {error}")
    if stat is None:
        return Probe(Liveness.DEAD, f"no process has pid {process.pid}")
    if stat.start != process.start:
        return Probe(Liveness.DEAD, f"pid {process.pid} now belongs to another process")
    if stat.dead:
        return Probe(Liveness.DEAD, f"pid {process.pid} is a zombie")
    return Probe(Liveness.ALIVE, f"pid {process.pid} runs with the recorded start")


def send(process: Identity, number: signal.Signals) -> bool:
    """Signal that very process; return False, having signalled nobody, when it is not alive."""
    try:
        handle = os.pidfd_open(process.pid)
    except (ProcessLookupError, OverflowError):
        return False
    except (AttributeError, OSError):
        return _send_by_pid(process, number)
    try:
        # The handle now pins whoever has the pid; only then is the identity compared.
        if not probe(process).alive:
            return False
        signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)
    return True


def _send_by_pid(process: Identity, number: signal.Signals) -> bool:
    """Signal where the kernel has no pidfd: the window between look and signal is microseconds."""
    if not probe(process).alive:
        return False
    try:
        os.kill(process.pid, number)
    except ProcessLookupError:
        return False
    return True

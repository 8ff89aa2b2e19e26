"""A process's identity: its pid, its start as the kernel tells it, and the boot it belongs to.

A pid alone is reused; psutil's create_time moves with the clock.
"""

from __future__ import annotations

import functools
import os
import signal
from dataclasses import dataclass
from enum import Enum

from claude_workers.process import table


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
    """Return what distinguishes this boot of the machine from every other; "" when unknown."""
    return table.boot()


def identify(pid: int) -> Identity | None:
    """Return the identity of a running process; None when there is none by that pid."""
    stat = table.read_stat(pid)
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
        stat = table.read_stat(process.pid)
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

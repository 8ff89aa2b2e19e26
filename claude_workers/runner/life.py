"""A task's life: prepare, work, verify, publish, finish, each idempotent, progress on disk."""

from __future__ import annotations

import errno
import signal
from typing import TYPE_CHECKING

from claude_workers import clock, files
from claude_workers.errors import Limited, NoCredentials, NoSpace, Refused, Unreachable, WorkersError
from claude_workers.home import tasks
from claude_workers.home.home import find
from claude_workers.lock import locked
from claude_workers.process import spawn
from claude_workers.process.identity import current
from claude_workers.runner import ask, herald
from claude_workers.runner.finish import finish
from claude_workers.runner.merge import begin, ending, merge
from claude_workers.runner.prepare import prepare
from claude_workers.runner.publish import publish
from claude_workers.runner.rescue import UNSAVED, rescue
from claude_workers.runner.run import Asked, Ended, Parked, Run, StopRequested
from claude_workers.runner.verify import verify
from claude_workers.runner.work import work

if TYPE_CHECKING:
    from collections.abc import Callable

    from claude_workers.paths import Layout

_VERBS: dict[str, Callable[[Run], str | None]] = {
    "preparing": prepare,
    "working": work,
    "verifying": verify,
    "publishing": publish,
    "merging": merge,
}
_FIRST = "preparing"
_HANDOVER = 15.0
# A request to stop waits so many seconds for these: they are short, and half of one helps nobody.
_SHORT = frozenset({"publishing"})
_PATIENCE = 4.0
# A machine that goes down gives a process about ten seconds in all.
_LAST_RESCUE = 4.0
# Bytes that are held back so that a runner which meets a full disk can write that it waits.
_RESERVE = 64 << 10


def main(layout: Layout, worker: str, task_id: str) -> None:
    """Carry a worker's current task to its end, wherever an earlier runner left it."""
    report = spawn.become_detached()
    # Held for as long as this process lives: no second runner, whatever anybody believed of the first.
    with locked(layout.runner_lock(worker), _HANDOVER, f"another runner of worker {worker} is alive"):
        _carry(layout, worker, task_id, report)


def _carry(layout: Layout, worker: str, task_id: str, report: int | None) -> None:
    home = find(layout, worker)
    task = tasks.load(home)
    if task is None or task.task_id != task_id:
        raise WorkersError(f"worker {worker} has no task {task_id}", "dispatch it again")
    me = current()
    phase = task.phase if task.phase in _VERBS else _FIRST
    extra = {name: value for name, value in task.extra.items() if name != "dispatcher"}
    tasks.save(
        home, task, pid=me.pid, pid_start=me.start, boot_id=me.boot, state="busy", extra=extra,
        started_at=task.started_at or clock.now(), wait_for=None, wait_until=None, reason="",
    )  # fmt: skip
    files.remove_tree(home.run(task_id) / tasks.STOP_FILE)
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGALRM, _stop)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    spawn.report(report, {"pid": me.pid, "start": me.start, "boot": me.boot})
    taken = tasks.load(home)
    if taken is None:
        raise WorkersError(f"worker {worker} lost its task", "dispatch it again")
    run = Run(home, taken)
    run.rebooted = task.boot_id not in {None, me.boot}
    live(run, phase)


def _stop(_number: int, _frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    raise StopRequested


def _stop_soon(_number: int, _frame: object) -> None:
    """Let what is short come to its end first: every step of it can be repeated, should it not."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.setitimer(signal.ITIMER_REAL, _PATIENCE)


def live(run: Run, phase: str) -> None:
    """Go from phase to phase until the task ends, waits, or is stopped."""
    run.reserve.write_bytes(bytes(_RESERVE))
    try:
        parked = _what_stops(run, phase)
        if parked:
            _park(run, parked)
    except StopRequested:
        _stopped(run)
    finally:
        run.reserve.unlink(missing_ok=True)


def _what_stops(run: Run, phase: str) -> Parked | None:
    """Go on to the task's end; return what it must wait for before that, None when it has come to it."""
    try:
        _to_its_end(run, phase)
    except Asked:
        return _asked(run)
    except Parked as parked:
        return parked
    except Limited as error:
        return Parked("limit", str(error), error.until)
    except NoCredentials as error:
        return Parked("credentials", str(error))
    except (Refused, Unreachable) as error:
        return Parked("host", str(error))
    except NoSpace as error:
        return Parked("disk", error.message)
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        return Parked("disk", f"no space left: {error.filename or 'disk full'}")
    return None


def _asked(run: Run) -> Parked | None:
    """Park the task with its question; where nobody can be asked now, it waits for that."""
    _rescued(run)
    try:
        ask.park(run)
    except (Refused, Unreachable) as error:
        return Parked("host", str(error))
    except NoSpace as error:
        return Parked("disk", error.message)
    return None


def _to_its_end(run: Run, phase: str) -> None:
    try:
        _phases(run, phase)
    except Ended as end:
        _end(run, ending(run, end))
    except (Refused, Unreachable, NoSpace):
        raise  # time or a person will mend it: the task waits
    except WorkersError as error:
        _end(run, ending(run, Ended("failed", str(error))))


def _phases(run: Run, phase: str) -> None:
    if run.progress.outcome:
        raise Ended(run.progress.outcome, run.progress.reason)
    run.save(phase=_FIRST)
    prepare(run)
    # After a crash the clone is ready again; the work goes on where its phase says.
    first = begin(run) if run.task.options.get("merge") and not run.progress.head else "working"
    # A runner that died while it prepared has left that phase, but the work had come further.
    following: str | None = (run.progress.reached or first) if phase == _FIRST else phase
    while following:
        run.observe(reached=following)
        run.save(phase=following)
        if signal.getsignal(signal.SIGTERM) is not signal.SIG_IGN:
            signal.signal(signal.SIGTERM, _stop_soon if following in _SHORT else _stop)
        following = _VERBS[following](run)


def _end(run: Run, end: Ended) -> None:
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_IGN:
        signal.signal(signal.SIGTERM, _stop_soon)
    if end.outcome != "pull_request" and not run.progress.outcome:
        _rescued(run)
    run.observe(outcome=end.outcome, reason=end.reason)
    finish(run)


def _rescued(run: Run) -> None:
    unsaved = rescue(run)
    if unsaved:
        run.note(f"{UNSAVED}: {unsaved}")


def _park(run: Run, parked: Parked) -> None:
    if parked.wait_for == "disk":
        run.reserve.unlink(missing_ok=True)  # else not even this could be written
    else:
        _rescued(run)
        run.say(f"waiting for {parked.wait_for}: {parked.reason}")
    if parked.wait_for in {"limit", "credentials"}:
        herald.tell(run, "limit", f"waits for {parked.wait_for}: {parked.reason}")
    run.save(state="waiting", wait_for=parked.wait_for, wait_until=parked.until, reason=parked.reason)


def _stopped(run: Run) -> None:
    """Leave the task as it is, its work kept: stopped by a person, or waiting for the machine's return."""
    asked = (run.folder / tasks.STOP_FILE).exists()
    unsaved = rescue(run, None if asked else _LAST_RESCUE)
    reason = "stopped by a person" if asked else "host stopping"
    if unsaved:
        reason += f"; the work could not be rescued: {unsaved}"
    run.say(reason)
    if asked:
        run.save(state="stopped", reason=reason)
    else:
        run.save(state="waiting", wait_for="host", reason=reason)

"""Rescuing: a clone's work carried into our repository, while an agent works and whenever it is left."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_workers.errors import WorkersError
from claude_workers.runner import inside
from claude_workers.runner.execute import Scripts
from claude_workers.workspace import clone, rescues, upstream

if TYPE_CHECKING:
    from claude_workers.runner.run import Run
    from claude_workers.workspace.clone import Carried

# How a note begins that says what was not rescued: nothing may then be deleted.
UNSAVED = "what the clone holds could not be carried into our repository"
# How a note begins of a clone that was kept beside the new one for that reason.
ASIDE = "an earlier clone could not be rescued"
_JOIN = 1.0
# A push to another server, while the agent works and while somebody waits for the task to halt.
_PUSH_LIMIT = 600.0
_LAST_PUSH = 6.0


def collect(run: Run, scripts: Scripts | None = None) -> Carried:
    """Carry all that the clone holds into our repository."""
    scripts = scripts or _scripts(run)
    return clone.carry(scripts, run.cargo(), scripts.cancelled.is_set)


def _scripts(run: Run, limit: float | None = None) -> Scripts:
    return Scripts(inside.carry_enclosure(run), limit=limit)


def unlock(run: Run) -> None:
    """Remove the locks that a killed agent's git left: the next one could not commit."""
    clone.unlock(Scripts(inside.making_enclosure(run, run.clone)), run.clone)


def rescue(run: Run, limit: float | None = None) -> str:
    """Carry the clone's state before the task is left, in `limit` seconds; return "" or why it could not be done."""
    if not run.owns_clone():
        return ""  # it was not made yet: nothing of this task's can be in it
    try:
        carried = collect(run, _scripts(run, limit))
    except (WorkersError, OSError, ValueError) as error:
        return run.publishable(_said(error))
    if carried.left_out:
        named = ", ".join(carried.left_out[:10])
        run.note(f"too large, unreadable or a repository of its own, so left in the clone alone: {named}")
    _touched(run, carried)
    if limit is None:
        _told(run, _pushed(run, carried.tip, _LAST_PUSH))
    return ""


def _touched(run: Run, carried: Carried) -> None:
    """Take in which files the work touches so far: others may touch them, too."""
    run.observe(touched=upstream.changed_files(run.store, run.progress.start, carried.state))


def _said(error: Exception) -> str:
    return error.message if isinstance(error, WorkersError) else str(error)


@dataclass(frozen=True)
class _Pushed:
    """What came of a push to `rescue_remote`: the commit that is there now, or a fault."""

    tip: str = ""
    fault: str = ""


def _pushed(run: Run, tip: str, limit: float) -> _Pushed:
    """Push commits, and nothing that was not committed, to `rescue_remote`, where one is chosen."""
    where = run.settings.rescue_remote
    if not where or tip in {run.progress.start, run.progress.rescued}:
        return _Pushed()
    try:
        origin = run.origin
        address, access = (origin.url, origin.access) if where == "origin" else (where, None)
        rescues.push(run.store, f"{tip}:refs/heads/{rescues.PUSHED}{run.kept}", address, access, limit)
    except (WorkersError, OSError) as error:
        return _Pushed(fault=_said(error))
    return _Pushed(tip)


def _told(run: Run, pushed: _Pushed) -> None:
    """Note what came of a push; its failure stops nothing."""
    if pushed.fault:
        run.note(f"the rescued commits could not be pushed to rescue_remote: {pushed.fault}")
    elif pushed.tip:
        run.observe(rescued=pushed.tip)


class Periodic:
    """Rescues now and then while an agent works, in a thread beside the reading of its stream."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._last = time.monotonic()
        self._thread: threading.Thread | None = None
        self._scripts: Scripts | None = None
        self._fault = ""
        self._pushed = _Pushed()
        self._carried: Carried | None = None

    def tick(self) -> None:
        """Begin a rescue when it is time, and tell what came of the last one."""
        if self._thread and self._thread.is_alive():
            return
        self._tell()
        if time.monotonic() - self._last >= self._run.settings.rescue_every:
            self._last = time.monotonic()
            self._scripts = _scripts(self._run)
            self._thread = threading.Thread(target=self._carry, args=(self._scripts,), daemon=True)
            self._thread.start()

    def _tell(self) -> None:
        if self._fault:
            self._run.say(f"the work could not be rescued this time: {self._fault}")
        _told(self._run, self._pushed)
        if self._carried:
            _touched(self._run, self._carried)
        self._fault, self._pushed, self._carried = "", _Pushed(), None

    def _carry(self, scripts: Scripts) -> None:
        try:
            carried = collect(self._run, scripts)
        except (WorkersError, OSError, ValueError) as error:
            self._fault = _said(error)
        else:
            self._carried = carried
            self._pushed = _pushed(self._run, carried.tip, _PUSH_LIMIT)

    def close(self) -> None:
        """Call a rescue under way off: what follows the agent's turn carries everything again."""
        if self._scripts:
            self._scripts.cancelled.set()
        if self._thread:
            self._thread.join(_JOIN)

"""Rescuing: a clone's work carried into our repository, while an agent works and whenever it is left."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from claude_workers.errors import WorkersError
from claude_workers.runner import inside
from claude_workers.runner.execute import Scripts
from claude_workers.workspace import clone, rescues

if TYPE_CHECKING:
    from claude_workers.runner.run import Run
    from claude_workers.workspace.clone import Carried

# How a note begins that says what was not rescued: nothing may then be deleted.
UNSAVED = "what the clone holds could not be carried into our repository"
_JOIN = 1.0


def collect(run: Run, scripts: Scripts | None = None) -> Carried:
    """Carry all that the clone holds into our repository."""
    return clone.carry(scripts or _scripts(run), run.cargo())


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
        return run.publishable(error.message if isinstance(error, WorkersError) else str(error))
    _tell(run, carried)
    if limit is None:
        _push(run, carried)
    return ""


def _tell(run: Run, carried: Carried) -> None:
    if carried.left_out:
        named = ", ".join(carried.left_out[:10])
        run.note(f"too large to be rescued (rescue_file_limit, rescue_limit), left in the clone alone: {named}")


def _push(run: Run, carried: Carried) -> None:
    """Push the commits to `rescue_remote`, where one is chosen; a failure is told and stops nothing."""
    where = run.settings.rescue_remote
    if not where or carried.tip in {run.progress.start, run.progress.rescued}:
        return
    try:
        origin = run.origin
        address, access = (origin.url, origin.access) if where == "origin" else (where, None)
        rescues.push(run.store, carried.tip, address, f"{rescues.PUSHED}{run.kept}", access)
    except WorkersError as error:
        run.note(f"the rescued commits could not be pushed to rescue_remote: {error.message}")
    else:
        run.observe(rescued=carried.tip)


class Periodic:
    """Rescues now and then while an agent works, in a thread beside the reading of its stream."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._last = time.monotonic()
        self._thread: threading.Thread | None = None
        self._scripts: Scripts | None = None
        self._said = ""

    def tick(self) -> None:
        """Begin a rescue when it is time, and tell of one that failed."""
        if self._thread and self._thread.is_alive():
            return
        if self._said:
            self._run.say(f"the work could not be rescued this time: {self._said}")
            self._said = ""
        if time.monotonic() - self._last >= self._run.settings.rescue_every:
            self._last = time.monotonic()
            self._scripts = _scripts(self._run)
            self._thread = threading.Thread(target=self._carry, args=(self._scripts,), daemon=True)
            self._thread.start()

    def _carry(self, scripts: Scripts) -> None:
        try:
            collect(self._run, scripts)
        except (WorkersError, OSError, ValueError) as error:
            self._said = error.message if isinstance(error, WorkersError) else str(error)

    def close(self) -> None:
        """End a rescue under way: what follows the agent's turn carries everything again."""
        if self._scripts:
            self._scripts.cancel()
        if self._thread:
            self._thread.join(_JOIN)

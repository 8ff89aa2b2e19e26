"""The watch over one turn of an agent: its time and silence, its budgets and memory, the rescue of its work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_workers import transcript
from claude_workers.agent.ending import Ending
from claude_workers.agent.watchdog import Watchdog
from claude_workers.runner.rescue import Periodic

if TYPE_CHECKING:
    from claude_workers.process.ceiling import Ceiling
    from claude_workers.process.identity import Identity
    from claude_workers.runner.purse import Purse
    from claude_workers.runner.run import Run

_TELL = 10.0
_WEIGH = 2.0


class Watch:
    """All that looks after a turn from outside: its time and silence, budgets and memory, the rescue of its work."""

    def __init__(self, run: Run, purse: Purse, ceiling: Ceiling) -> None:
        path = transcript.path(run.home.claude, run.clone, run.task.session_id)
        self._run = run
        self._purse = purse
        self._ceiling = ceiling
        self._weighed = 0.0
        self._worked = run.progress.worked_s
        self._dog = Watchdog(run.settings, worked=self._worked, transcript=path)
        self._rescues = Periodic(run)
        self._told = 0.0

    def heard(self) -> None:
        """Note a byte on the stream."""
        self._dog.heard()

    def verdict(self, leader: Identity | None) -> Ending | None:
        """Return why the agent must be ended now; None while it may go on."""
        self._rescues.tick()
        if self._dog.elapsed - self._told > _TELL:
            self._told = self._dog.elapsed
            self._run.observe(now=False, worked_s=self._worked + self._told)
            transcript.persist(self._run.home.claude, self._run.clone, self._run.task.session_id)
        return self._dog.verdict(leader) or self._purse.look() or self._weigh(leader)

    def _weigh(self, leader: Identity | None) -> Ending | None:
        """Look at the memory, where no kernel does, every few seconds."""
        if self._ceiling.kind != "watched" or self._dog.elapsed - self._weighed < _WEIGH:
            return None
        self._weighed = self._dog.elapsed
        return self.over(leader)

    def over(self, leader: Identity | None = None) -> Ending | None:
        """Return that the turn met its memory_limit; None when nothing shows that it did."""
        why = self._ceiling.breached(leader)
        return Ending("memory", why) if why else None

    def close(self) -> None:
        """Stop looking, and tell of a limit on memory that was met."""
        self._rescues.close()
        over = self.over()
        if over:
            self._run.note(over.reason)
        self._run.observe(worked_s=self._worked + self._dog.elapsed)

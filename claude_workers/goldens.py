"""Golden homes of a fleet: snapshots on the machine that has the worker."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from claude_workers.errors import elsewhere
from claude_workers.home import golden
from claude_workers.home.golden import Golden
from claude_workers.pool import goldens

if TYPE_CHECKING:
    from claude_workers.hosts.reach import Reach
    from claude_workers.model import Json
    from claude_workers.paths import Layout


class Goldens:
    """Snapshots of homes, without credentials; each stays on its worker's host, or here where that is one disk each."""

    def __init__(self, layout: Layout, reach: Reach) -> None:
        self._layout, self._reach = layout, reach

    def save(self, worker: str, name: str) -> Golden:
        """Take a snapshot of an idle home; Refused when a file in it holds a token, Busy for a name that is taken."""
        there, worker = self._reach.at(worker)
        if there is None:
            return goldens.save(self._layout, worker, name)
        made = there.record(Golden, "golden", "golden", "save", worker, name)
        if there.host.kind != "ssh":  # that disk is one worker's alone: others have it from here
            golden.unpack(self._layout, base64.b64decode(there.ask("golden", "pack", name, worker)["content"]))
        return made

    def every(self) -> list[Golden]:
        """Return the snapshots of this machine, by name."""
        return golden.every(self._here)

    def apply(self, name: str, worker: str) -> Golden:
        """Put a snapshot into an idle home."""
        there, worker = self._reach.at(worker)
        if there is None:
            return goldens.apply(self._layout, name, worker)
        if there.host.kind != "ssh":
            there.ask("golden", "unpack", worker, stdin=base64.b64encode(golden.packed(self._layout, name)))
        return there.record(Golden, "golden", "golden", "apply", name, worker)

    def diff(self, name: str, worker: str) -> list[Json]:
        """Return in which paths a home is not as a snapshot: {path, what: added, changed or missing}."""
        there, worker = self._reach.at(worker)
        if there:
            return [*there.ask("golden", "diff", name, worker)["differences"]]
        return goldens.diff(self._layout, name, worker)

    def remove(self, name: str) -> None:
        """Delete a snapshot of this machine."""
        golden.remove(self._here, name)

    @property
    def _here(self) -> Layout:
        there = self._reach.default
        if there:
            raise elsewhere(there.host.name)
        return self._layout

"""The outbox: where a machine leaves what is to be known of it when it is stopped.

On Fly that is the machine's own metadata: it comes with the very list that tells the machine's state, it
outlives a stop and an update, and a machine may write its own by the socket that Fly puts into it, for
which no token has to be inside. A container has a folder of its host's.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from claude_workers import files
from claude_workers.errors import WorkersError
from claude_workers.machines.words import GIVEN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from claude_workers.fly.api import Fly

# Fly puts it into every machine; only root may use it, and no enclosure shows it.
SOCKET = "/.fly/api"
FOLDER = f"{GIVEN}/outbox"


class Outbox(Protocol):
    """Where short texts are left, each under its name."""

    def put(self, told: Mapping[str, str]) -> None:
        """Leave texts; BadInput when they are refused, another WorkersError or OSError when they could not be."""


class Metadata:
    """The machine's own metadata on Fly."""

    def __init__(self, fly: Fly, machine: str) -> None:
        self._fly, self._machine = fly, machine

    def put(self, told: Mapping[str, str]) -> None:
        """Leave texts; see `Outbox`."""
        self._fly.set_metadata(self._machine, told)


class Folder:
    """A folder that the container's host reads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, told: Mapping[str, str]) -> None:
        """Leave texts; see `Outbox`."""
        for name, text in told.items():
            files.write_atomic(self._folder / name, text)


def choose() -> Outbox:
    """Return this machine's outbox; WorkersError when it has none."""
    machine = os.environ.get("FLY_MACHINE_ID")
    if machine and os.environ.get("FLY_APP_NAME"):
        from claude_workers.fly.api import Fly  # noqa: PLC0415  only on Fly

        return Metadata(Fly(os.environ["FLY_APP_NAME"], socket=SOCKET), machine)
    if Path(FOLDER).is_dir():
        return Folder(Path(FOLDER))
    raise WorkersError("this is no machine of a host", "claude-workers dispatch HOST/ID starts one")

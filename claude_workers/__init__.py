"""claude-workers: several autonomous Claude Code agents, each in a home and an enclosure of its own."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from claude_workers.errors import (
        BadInput,
        Busy,
        IssueTaken,
        Limited,
        NoCredentials,
        NotFinished,
        NotFound,
        Refused,
        Unreachable,
        WorkerBusy,
        WorkersError,
    )
    from claude_workers.fleet import Fleet
    from claude_workers.model import LogEvent, Receipt, Task, WorkerStatus

_HOMES = {
    "Fleet": "fleet",
    **dict.fromkeys(("LogEvent", "Receipt", "Task", "WorkerStatus"), "model"),
    **dict.fromkeys(
        ("BadInput", "Busy", "IssueTaken", "Limited", "NoCredentials", "NotFinished", "NotFound", "Refused",
         "Unreachable", "WorkerBusy", "WorkersError"),
        "errors",
    ),
}  # fmt: skip

__all__ = [
    "BadInput",
    "Busy",
    "Fleet",
    "IssueTaken",
    "Limited",
    "LogEvent",
    "NoCredentials",
    "NotFinished",
    "NotFound",
    "Receipt",
    "Refused",
    "Task",
    "Unreachable",
    "WorkerBusy",
    "WorkerStatus",
    "WorkersError",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Import a public name when it is first asked for: the command line's speed is Python's imports."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"claude_workers.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]

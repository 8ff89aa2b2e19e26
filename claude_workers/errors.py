"""The error tree: every failure a caller can meet, with its code, exit status and remedy.

WorkersError                1  failed
├── BadInput                2  usage
├── NotFound                3  not_found
├── NoSpace                 1  disk
├── Busy                    4  busy
│   ├── WorkerBusy          4  worker_busy
│   └── IssueTaken          4  issue_taken
├── Unreachable             5  unreachable
│   └── Limited             5  limited
├── Refused                 6  refused
│   └── NoCredentials       6  credentials
└── NotFinished             7  not_finished
"""

from __future__ import annotations

from typing import ClassVar


class WorkersError(Exception):
    """A failure told in one line, with the step that mends it."""

    code: ClassVar[str] = "failed"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message, remedy)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}; {self.remedy}" if self.remedy else self.message


class BadInput(WorkersError):
    """The call's words, or a file the user wrote, cannot be understood."""

    code = "usage"
    exit_code = 2


class Elsewhere(BadInput):
    """Another machine was named for what this one is asked; `host` names it."""

    code = "elsewhere"

    def __init__(self, message: str, remedy: str = "", host: str = "") -> None:
        super().__init__(message, remedy)
        self.host = host


def elsewhere(host: str) -> Elsewhere:
    """Return the error of asking this machine what `host` was named for."""
    return Elsewhere(f"host {host} cannot be asked this from here", f"claude-workers --on {host} VERB can", host)


class NotFound(WorkersError):
    """The worker, task, issue, repository or host that was named does not exist."""

    code = "not_found"
    exit_code = 3


class NoSpace(WorkersError):
    """A disk is full."""

    code = "disk"


class Busy(WorkersError):
    """What was asked for is in use."""

    code = "busy"
    exit_code = 4


class WorkerBusy(Busy):
    """The worker has a task that is still under way or waiting."""

    code = "worker_busy"


class IssueTaken(Busy):
    """Another worker holds the issue's claim."""

    code = "issue_taken"


class Unreachable(WorkersError):
    """A host or forge did not answer."""

    code = "unreachable"
    exit_code = 5


class Limited(Unreachable):
    """A forge wants to be asked less; `until` is when it answers again, ISO 8601 UTC."""

    code = "limited"

    def __init__(self, message: str, remedy: str = "", until: str | None = None) -> None:
        super().__init__(message, remedy)
        self.until = until


class Refused(WorkersError):
    """Isolation, trust, credentials or ownership forbid what was asked."""

    code = "refused"
    exit_code = 6


class NoCredentials(Refused):
    """A login, key or token that is needed is absent, or was not accepted."""

    code = "credentials"


class NotFinished(WorkersError):
    """The time given to wait ran out first."""

    code = "not_finished"
    exit_code = 7


def by_code(code: str) -> type[WorkersError]:
    """Return the class whose code another process printed; WorkersError for one that is not known here."""
    found = {one.code: one for one in _below(WorkersError)}
    return found.get(code, WorkersError)


def _below(kind: type[WorkersError]) -> list[type[WorkersError]]:
    # The subclasses of this module alone: others inherit the code of one of these.
    inner = [one for one in kind.__subclasses__() if one.__module__ == __name__]
    return [kind, *(each for one in inner for each in _below(one))]

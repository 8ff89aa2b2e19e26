"""The states of a ticket: which verb leads from which status to which, and what kind of ticket it is for."""

from __future__ import annotations

from claude_workers.errors import BadInput, WorkersError

STATUSES = ("open", "in_progress", "ready", "done")
TYPES = ("task", "proposal", "question", "verify")

# By verb: the statuses it starts from, and where it leads.
_MOVES: dict[str, tuple[frozenset[str], str]] = {
    "claimed": (frozenset({"open", "in_progress", "ready"}), "in_progress"),
    "unclaimed": (frozenset({"in_progress"}), "open"),
    "completed": (frozenset({"in_progress"}), "ready"),
    "done": (frozenset({"open", "in_progress", "ready"}), "done"),
    "rejected": (frozenset({"open", "in_progress", "ready"}), "open"),
}
# What `update --status` may do; done is reached by mark-done alone, and left by nothing.
_UPDATES = {
    "open": {"in_progress", "ready"},
    "in_progress": {"open", "ready"},
    "ready": {"open", "in_progress"},
}


def after(verb: str, status: str, number: int) -> str:
    """Return the status that a verb leads to; WorkersError where it leads nowhere from this one."""
    starts, end = _MOVES[verb]
    if status not in starts:
        raise WorkersError(f"ticket {number} is {status}: it cannot be {verb}", f"claude-workers ticket show {number}")
    return end


def check_update(status: str, wanted: str, number: int) -> None:
    """Raise BadInput unless a ticket's status may be set so by hand."""
    if wanted == "done":
        raise BadInput("a status cannot be set to done", f"claude-workers ticket mark-done {number}")
    if wanted not in _UPDATES.get(status, ()):
        raise BadInput(f"ticket {number} is {status}: its status cannot become {wanted}", "file another ticket")


def default_type(assigned_to: str | None, *, blocked: bool) -> str:
    """Return what a ticket is when nobody says so: a person's is a question if it waits for others, else a proposal."""
    if assigned_to != "human":
        return "task"
    return "question" if blocked else "proposal"


def check_statuses(names: list[str]) -> list[str]:
    """Return statuses that there are; BadInput for another."""
    for name in names:
        if name not in STATUSES:
            raise BadInput(f"{name[:40]!r} is no status", f"use {', '.join(STATUSES)}")
    return names

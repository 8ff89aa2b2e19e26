"""Telling: a message from a person to the agent of a worker's task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_workers.errors import BadInput, NotFound, WorkersError
from claude_workers.home import inbox, tasks
from claude_workers.home.home import find

if TYPE_CHECKING:
    from claude_workers.home.tasks import State
    from claude_workers.model import Message
    from claude_workers.paths import Layout

_LIMIT = 100_000


def tell(layout: Layout, worker: str, text: str, *, interrupt: bool = False) -> tuple[Message, str]:
    """Put a message into the task's inbox, lasting; return it, and when the agent will have it.

    Raises NotFound when the worker has no task, BadInput for an empty or an endless text.
    """
    if not text.strip():
        raise BadInput("there is nothing to tell", "give the text as a word, or - for standard input")
    if len(text) > _LIMIT:
        raise BadInput(f"the text is longer than {_LIMIT} characters", "put it into a file of the repository")
    home = find(layout, worker)
    state = tasks.state(home)
    if state.task is None:
        if state.name == "unknown":
            raise WorkersError(f"worker {worker} is unknown: {state.reason}", f"claude-workers why {worker}")
        raise NotFound(f"worker {worker} has no task", f"claude-workers dispatch {worker} REPO ISSUE")
    return inbox.put(home, state.task.task_id, text, interrupt=interrupt), _when(state, interrupt=interrupt)


def _when(state: State, *, interrupt: bool) -> str:
    task = state.task
    if task is None or state.name != "busy":
        return f"it is {state.name}: told once it goes on"
    if task.phase == "working":
        return "its agent is interrupted, and told then" if interrupt else "its agent is told between two of its steps"
    return (
        f"it is {task.phase}: told before anything is published"
        if task.phase != "publishing"
        else ("it is publishing: told only if it must go on after that")
    )

"""The herald: tells a person what has just become of a task, without ever holding it up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_workers.errors import WorkersError
from claude_workers.notices import spool
from claude_workers.notices.spool import Notice

if TYPE_CHECKING:
    from claude_workers.runner.run import Run


def tell(run: Run, kind: str, text: str) -> None:
    """Write a notice down, once however often this is done; that it could not be is said in the log alone."""
    task = run.task
    subject = f"{task.repository.name}#{task.issue}" if task.issue else task.repository.name
    try:
        spool.put(run.home.layout, Notice(kind, subject, run.publishable(text), task.worker, task.task_id))
    except (WorkersError, OSError) as error:
        run.say(f"nobody could be notified: {error}")

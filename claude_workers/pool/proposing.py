"""Proposing: where nothing is left to do, one worker reads a repository and files what might be done next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_workers import config
from claude_workers.home import tasks
from claude_workers.home.home import every
from claude_workers.names import plain_word
from claude_workers.pool.preflight import Order
from claude_workers.tickets.queue import Queue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from claude_workers.paths import Layout

_PROMPT = """\
Nothing is left to do for this repository. Read it, change nothing, and propose what would serve it most: a fault to be
mended, a test that is missing, a promise that is not kept, something its users would miss. At most {most} proposals,
fewer where fewer are worth a person's time, each small enough for one change. For each run

    worker-propose "TITLE OF ONE LINE" "What is wrong or missing, where, and what should be done."

Do not propose again what has been filed already:
{filed}

When you have done so, say in a sentence or two what you looked at.
"""
_LISTED = 100


def order(layout: Layout, worker: str, repos: Sequence[str]) -> Order | None:
    """Return what an idle worker may propose on; None where nobody wants that, or one is at it, or enough are open."""
    if any(task.options.get("propose") for home in every(layout) if (task := tasks.state(home).task)):
        return None
    for repo in repos:
        settings = config.load(f"local/{plain_word(repo.rstrip('/').rpartition('/')[2].removesuffix('.git'))}")
        found = Queue(layout.tickets).list(repo, statuses=("open", "in_progress", "ready", "done"))
        open_ = sum(one.type == "proposal" and one.status != "done" for one in found)
        if settings.propose and open_ < settings.proposals:
            filed = "\n".join(f"- {one.title}" for one in found[-_LISTED:]) or "- (nothing yet)"
            prompt = _PROMPT.format(most=settings.proposals - open_, filed=filed)
            return Order(worker, repo, prompt=prompt, expect="answer", propose=True)
    return None

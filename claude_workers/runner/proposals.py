"""Proposals: what an agent left of them in its outbox, filed as tickets for a person, none twice."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from claude_workers import files
from claude_workers.errors import BadInput
from claude_workers.runner import herald
from claude_workers.tickets.tickets import Tickets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from claude_workers.runner.run import Run

_MOST, _BYTES = 50, 64 << 10


def take(run: Run) -> None:
    """File the proposals of an agent that was asked for some; at most as many as may be open."""
    desk = Tickets(run.home.layout.tickets)
    for title, text in itertools.islice(_left(run), _MOST):
        try:
            number = desk.propose(run.repository.url, title, text, f"worker {run.task.worker}", run.settings.proposals)
        except BadInput as error:
            run.note(f"a proposal could not be filed: {error.message}")
            continue
        if number is None:
            run.say(f"not filed, for it is there already or enough are open: {title}")
        else:
            run.say(f"proposed as ticket {number}: {title}")
            herald.tell(run, "proposal", f"#{number} {title}")


def _left(run: Run) -> Iterator[tuple[str, str]]:
    for number in itertools.count(1):
        try:
            said = files.read_inside(run.home.path, f"tmp/outbox/proposal-{number}", _BYTES)
        except ValueError as error:
            run.note(f"a proposal could not be read: {error}")
            return
        if said is None:
            return
        title, _, text = run.publishable(said).strip().partition("\n")
        yield title.strip(), text.strip()

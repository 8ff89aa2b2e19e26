"""Following a published change: what fails and what reviewers want goes back to the agent that made it."""

from __future__ import annotations

import dataclasses
import functools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from claude_workers import config, files
from claude_workers.errors import NotFound
from claude_workers.forge.choose import forge_of
from claude_workers.home import archive, tasks
from claude_workers.home.home import Home, every
from claude_workers.model import Followed, Issue, Task
from claude_workers.names import plain_word
from claude_workers.pool import preflight
from claude_workers.pool.dispatch import dispatch
from claude_workers.pool.preflight import Follows, Order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from claude_workers.model import Repository, Review
    from claude_workers.paths import Layout

ENDED = frozenset({"merged", "closed", "capped"})
_TOLD = 2_000  # characters of a log's end that the prompt itself shows; its file has all


@dataclass(frozen=True)
class _Past:
    """What this root did for a change: the worker, its last task, the rounds taken, what was heard."""

    home: Home
    task: Task
    rounds: int
    heard: frozenset[str]


def follow(
    layout: Layout, repo: str, number: int, *, interval: float, pause: Callable[[float], None] = time.sleep
) -> Iterator[Followed]:
    """Look at a change again and again, each `interval` seconds, until it is merged, closed or capped."""
    while True:
        found = look(layout, repo, number)
        yield found
        if found.state in ENDED:
            return
        pause(interval)


def look(layout: Layout, repo: str, number: int, *, verdict: str | None = None) -> Followed:
    """Look once at a change; dispatch another round to its worker where there is something to mend.

    NotFound when no worker of this root made it. What was heard stands in the tasks themselves: a
    look that is killed and made again hears nothing twice. `verdict`: a review wants this round, however
    many there were.
    """
    repository = preflight.repository_of(layout, repo)
    past = _past(layout, repository, number)
    review = forge_of(layout, repository).review(number, past.heard)
    tell = functools.partial(Followed, number=number, url=review.url, worker=past.home.worker, round=past.rounds)
    state = tasks.state(past.home).name
    most = config.load(repository.name).follow_rounds
    if review.state != "open":
        return tell(state=review.state)
    if state != "idle":
        return tell(state="busy", reason=f"worker {past.home.worker} is {state}")
    if review.pending:
        return tell(state="pending", reason="checks are running")
    if not review.failing and not review.remarks:
        return tell(state="quiet", reason="nothing to mend")
    if past.rounds >= most and not verdict:
        return tell(state="capped", reason=f"{most} rounds are used up: a person is needed")
    task = dispatch(layout, dataclasses.replace(_order(past, repo, review), verdict=verdict)).task
    return tell(state="dispatched", round=past.rounds + 1, task_id=task.task_id, reason=_subject(review))


def _past(layout: Layout, repository: Repository, number: int) -> _Past:
    """Return what this root did for a change; NotFound when that is nothing."""
    for home in every(layout):
        mine = [one for one in archive.every(home) if _is_of(one, repository, number)]
        if mine:
            mine.sort(key=lambda one: str(one.get("dispatched_at")))
            task = Task.from_json({name: value for name, value in mine[-1].items() if name != "receipt"})
            options: list[dict[str, Any]] = [one["options"] for one in mine if isinstance(one.get("options"), dict)]
            rounds = [one for one in options if one.get("follows") == number]
            heard = frozenset(str(key) for one in rounds for key in one.get("heard", ()))
            return _Past(home, task, len(rounds), heard)
    raise NotFound(f"no worker here made change {number} of {repository.name}", "follow it where it was dispatched")


def _is_of(archived: dict[str, Any], repository: Repository, number: int) -> bool:
    if (archived.get("repo") or {}).get("url") != repository.url:
        return False
    made = str((archived.get("receipt") or {}).get("pull_request") or "")
    return made.endswith(f"/{number}") or (archived.get("options") or {}).get("follows") == number


def _order(past: _Past, repo: str, review: Review) -> Order:
    recorded = files.read_json(past.home.run(past.task.task_id) / "issue.json")
    handed = _files(review)
    keys = (*past.heard, *(one.key for one in review.failing), *(one.key for one in review.remarks))
    follows = Follows(
        change=review.change,
        session_id=past.task.session_id,
        issue=Issue.from_json(recorded) if recorded else None,
        heard=tuple(sorted(set(keys))),
        files=handed,
    )
    return Order(
        past.home.worker, repo, past.task.issue, prompt=_prompt(review), expect="either", model=past.task.model,
        base=past.task.base, isolation=past.task.isolation, follows=follows,
    )  # fmt: skip


def _subject(review: Review) -> str:
    counts = ((len(review.failing), "failing check"), (len(review.remarks), "remark"))
    return ", ".join(f"{count} {what}{'s' if count > 1 else ''}" for count, what in counts if count)


def _files(review: Review) -> dict[str, str]:
    """Return the logs of failed checks, each under a name of its own."""
    logs = [one.log or one.summary for one in review.failing]
    names = [f"{number:02}-{plain_word(one.name)[:60]}.log" for number, one in enumerate(review.failing, 1)]
    return {name: log for name, log in zip(names, logs, strict=True) if log.strip()}


def _prompt(review: Review) -> str:
    """Return the assignment of another round: what failed, what reviewers said, where to read more."""
    parts = [
        f"Your change {review.url} was looked at. Mend what is asked for below on the same branch and commit;"
        " where nothing is to be changed, answer."
    ]
    for one in review.failing:
        end = (one.log or one.summary).strip()[-_TOLD:]
        parts.append(f"The check {one.name} failed ({one.conclusion}). The end of its output:\n\n{end or '(none)'}")
    parts += [f"{one.author} wrote{f' at {one.place}' if one.place else ''}:\n\n{one.body}" for one in review.remarks]
    if _files(review):
        parts.append("The whole logs are among the files you are handed.")
    return "\n\n".join(parts)

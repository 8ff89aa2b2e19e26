"""Merging: the verified change put onto its base's tip, verified there once more, and pushed as the base."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_workers.git import GitFailed
from claude_workers.lock import locked
from claude_workers.runner.publish import propose, push_branch
from claude_workers.runner.run import Ended, Run
from claude_workers.runner.verify import verify
from claude_workers.workspace import push, rebase, upstream

if TYPE_CHECKING:
    from collections.abc import Sequence

# One after another on this machine: of two that verify at the same time one would have done it for nothing.
_TURN = 24 * 3600.0
_TRIES = 10
_CONFLICTS = 2
_NAMED = 20
_MOVED = "{base} has moved on to {tip} while you worked. Run `git rebase {tip}` in your clone first.\n\n{rest}"
_CONFLICT = (
    "Your commits and the new ones changed the same lines, in:\n{names}\n"
    "Resolve that so that both do what they were meant to, commit, and finish."
)


def begin(run: Run) -> str:
    """Take up a change that a person wants merged: its branch's tip is the head, which is verified first."""
    head, base = run.progress.start, run.progress.base
    since = upstream.fork_point(run.mirror, base, head)
    run.observe(
        head=head, base=since, pushed=[head], published=head, published_base=since,
        files_changed=upstream.changed_files(run.mirror, since, head),
        pull_request=f"change/{run.task.options['follows']}",
    )  # fmt: skip
    return "merging"


def merge(run: Run) -> str:
    """Bring the change into its base; where that cannot be, it goes back to the agent, and then to a person."""
    place = run.home.layout.locks / f"merge-{run.mirror.name}"
    run.observe(activity="waiting for its turn to merge")
    with locked(place, _TURN, "another task has been merging for a day"):
        run.observe(activity="merging")
        for _ in range(_TRIES):
            following = _try(run)
            if following:
                return following
    raise Ended("failed", f"{run.progress.base_branch} moved {_TRIES} times while this was merged")


def _try(run: Run) -> str | None:
    """Merge onto the tip of this moment; return the phase that follows, None when the tip has moved meanwhile."""
    seen, branch = run.progress, run.progress.base_branch
    origin = run.origin
    upstream.mirror(run.home.layout, origin)
    tip = upstream.tip(run.mirror, branch)
    if tip is None:
        raise Ended("failed", f"{branch} is gone from {run.repository.name}")
    if upstream.descends(run.store, seen.head, tip):
        raise _landed(run, seen.head)
    if not (upstream.descends(run.store, tip, seen.head) and rebase.linear(run.store, tip, seen.head)):
        try:
            head = rebase.rebase(run.store, seen.base, seen.head, tip)
        except rebase.Conflict as conflict:
            return _conflict(run, tip, conflict.files)
        if head == tip:
            raise _landed(run, tip)
        _take(run, head, tip)
    try:
        if not _has_passed(run):
            following = _verified(run, tip)
            if following != "publishing":
                return following
            push_branch(run)
            if run.progress.turns:  # else its proposal says what it has to say already
                propose(run)
        if push.advance(run.store, origin, run.progress.head, upstream.landing(run.repository, branch), tip):
            raise _landed(run, run.progress.head)
    except GitFailed as error:
        raise Ended("failed", f"it could not be pushed: {error.message}") from error
    run.say(f"{branch} has moved on: once more")
    return None


def _has_passed(run: Run) -> bool:
    """Tell whether this very head was published, which only what has passed is; of an older task nobody knows."""
    seen = run.progress
    return seen.published == seen.head and (seen.verification is not None or not run.task.options.get("merge"))


def _take(run: Run, head: str, tip: str) -> None:
    """Go on with the rebased head: its base is the tip, whose gate counts."""
    run.say(f"rebased onto {run.progress.base_branch} at {tip[:12]}: {head[:12]}")
    changed = upstream.changed_files(run.store, tip, head)
    run.observe(files_changed=changed, base=tip, head=head)
    run.reload_settings()


def _verified(run: Run, tip: str) -> str:
    """Verify the rebased head; what the agent is told then begins with the new base."""
    following = verify(run)
    if following == "working":
        _say(run, tip, run.message or "")
    return following


def _conflict(run: Run, tip: str, files: Sequence[str]) -> str:
    branch, count = run.progress.base_branch, run.progress.conflicts + 1
    run.say(f"conflicts with {branch} at {tip[:12]}: {', '.join(files[:_NAMED])}")
    if count > _CONFLICTS:
        raise Ended("failed", f"it conflicts with {branch} in {', '.join(files[:_NAMED])}")
    run.observe(conflicts=count, base=tip)
    run.reload_settings()
    _say(run, tip, _CONFLICT.format(names="\n".join(files[:_NAMED])))
    return "working"


def _say(run: Run, tip: str, rest: str) -> None:
    """Let the agent hear that its base has moved; kept, so that it hears it also after a crash."""
    run.message = _MOVED.format(base=run.progress.base_branch, tip=tip, rest=rest).strip()
    run.observe(told=run.message)


def ending(run: Run, end: Ended) -> Ended:
    """Return how a task really ends: whose change is published already has one for a person to merge."""
    seen = run.progress
    if end.outcome == "pull_request" or not seen.pull_request or not seen.published:
        return end
    changed = upstream.changed_files(run.store, seen.published_base, seen.published)
    run.observe(head=seen.published, base=seen.published_base, files_changed=changed)
    return Ended("pull_request", f"not merged: {end.reason or end.outcome}")


def _landed(run: Run, head: str) -> Ended:
    run.observe(merged=head)
    run.forge.land(run.task.branch, head)
    run.say(f"merged into {run.progress.base_branch} at {head[:12]}")
    return Ended("pull_request")

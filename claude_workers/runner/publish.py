"""Publishing: the verified commit becomes the upstream's branch, with a change to review."""

from __future__ import annotations

from claude_workers import files
from claude_workers.git import GitFailed
from claude_workers.model import Change, Issue
from claude_workers.runner.finish import receipt_text
from claude_workers.runner.run import Ended, Run
from claude_workers.workspace.push import push


def publish(run: Run) -> str:
    """Push the head from our repository and propose the change; each step may be repeated."""
    try:
        push_branch(run)
    except GitFailed as error:
        raise Ended("failed", f"{run.task.branch} could not be pushed: {error.message}") from error
    propose(run)
    if not run.merges:
        raise Ended("pull_request")
    # Who changes what the gate runs could pass it with anything: a person looks at that first.
    if run.progress.gate_changes and not run.task.options.get("merge"):
        raise Ended(
            "pull_request", f"not merged: it changes what the gate runs: {', '.join(run.progress.gate_changes)}"
        )
    return "merging"


def push_branch(run: Run) -> None:
    """Push the head as the task's branch, in place of what this task had pushed before."""
    head, seen = run.progress.head, run.progress
    if head not in seen.pushed:
        run.observe(pushed=[*seen.pushed, head])  # before the push: a runner that is killed meanwhile knows it again
    continued = [seen.start] if seen.start != seen.base else []
    push(run.store, run.origin, head, run.task.branch, {*continued, *run.progress.pushed})
    run.observe(published=head, published_base=seen.base)


def propose(run: Run) -> None:
    """Propose the published head as a change, or bring the change up to date."""
    address = run.forge.propose(_change(run))
    run.observe(pull_request=address)
    run.say(f"published {run.task.branch} at {run.progress.head[:12]} as {address}")


def _change(run: Run) -> Change:
    recorded = files.read_json(run.path("issue.json"))
    issue = Issue.from_json(recorded) if recorded else None
    named = issue.title if issue else (run.task.prompt.strip().splitlines() or ["Change"])[0][:120]
    title = str(run.task.options.get("title") or named)
    fixes = f"Fixes #{issue.number}\n\n" if issue else ""
    unverified = run.progress.verification is None
    return Change(
        number=0,
        issue=run.task.issue,
        repo=run.repository.url,
        branch=run.task.branch,
        base=run.progress.base_branch,
        head=run.progress.head,
        task_id=run.task.task_id,
        worker=run.task.worker,
        title=run.publishable(title),
        body=run.publishable(f"{fixes}{run.progress.answer.strip()}\n\n{receipt_text(run.progress)}"),
        draft=unverified,
    )

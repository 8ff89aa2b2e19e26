"""Publishing: the verified commit becomes the upstream's branch, with a change to review."""

from __future__ import annotations

from claude_workers import files
from claude_workers.git import GitFailed
from claude_workers.model import Change, Issue
from claude_workers.runner.finish import receipt_text
from claude_workers.runner.run import Ended, Run
from claude_workers.workspace.push import push


def publish(run: Run) -> None:
    """Push the head from our repository and propose the change; each step may be repeated."""
    head, branch = run.progress.head, run.task.branch
    continued = run.progress.start if run.progress.start != run.progress.base else None
    try:
        push(run.store, run.origin, head, branch, continued)
    except GitFailed as error:
        raise Ended("failed", f"{branch} could not be pushed: {error.message}") from error
    address = run.forge.propose(_change(run))
    run.observe(pull_request=address)
    run.say(f"published {branch} at {head[:12]} as {address}")
    raise Ended("pull_request")


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

"""The assignment: the issue and the prompt as the agent reads them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from claude_workers import files, paths
from claude_workers.home import templates
from claude_workers.home.home import HANDED
from claude_workers.model import Issue
from claude_workers.workspace import upstream

if TYPE_CHECKING:
    from claude_workers.runner.run import Run

_PAGE = 64 << 10
_GUIDES = ("AGENTS.md", "CLAUDE.md")


def write(run: Run) -> None:
    """Write issue and prompt into the task's records, where the agent may read them."""
    recorded = files.read_json(run.path("issue.json"))
    issue = Issue.from_json(recorded) if recorded else None
    if issue:
        files.write_atomic(run.path("issue.md"), issue_text(run, issue))
    files.write_atomic(run.path("prompt.md"), prompt_text(run, issue))


def prompt_values(run: Run) -> dict[str, str]:
    """Return the variables a prompt template may name."""
    return {
        "repository": run.repository.name,
        "repoName": run.repository.short,
        "issueNumber": str(run.task.issue or ""),
        "branchName": run.task.branch,
        "workBranch": run.task.branch,
        "workerId": run.task.worker,
        "machineId": run.task.worker,
        "prompt": run.task.prompt,
    }


def prompt_text(run: Run, issue: Issue | None) -> str:
    """Return the agent's first message: assignment, instructions, issue and the repository's guides."""
    wanted = str(run.task.options.get("prompt_template") or "") or templates.read("prompt.md")
    values = {**prompt_values(run), "task": _task_text(run, issue)}
    parts = [templates.fill(wanted, values, "prompt template").strip()]
    if issue:
        parts.append(f"The issue (also in {run.path('issue.md')}):\n\n{issue_text(run, issue)}")
        if issue.left_out:
            parts.append(f"{issue.left_out} comments of people without write access were left out.")
    page = _page(run)
    if page:
        parts.append(f"About this project:\n\n{page}")
    if run.path(HANDED).is_dir():
        parts.append(f"You are handed, in {run.path(HANDED)}: {', '.join(sorted(os.listdir(run.path(HANDED))))}")
    if not run.settings.trust_project_settings:
        for name in _GUIDES:
            guide = upstream.show(run.mirror, run.progress.base, name)
            if guide and guide.strip() != f"@{_GUIDES[0]}":
                parts.append(f"The repository's {name}:\n\n{guide.strip()}")
    return "\n\n".join(parts) + "\n"


def _page(run: Run) -> str:
    """Return the operator's page about the project; "" without one."""
    place = paths.project_page(run.repository.name)
    return place.read_text(encoding="utf-8", errors="replace")[:_PAGE].strip() if place.is_file() else ""


def _task_text(run: Run, issue: Issue | None) -> str:
    expect = {
        "change": "Deliver a change as commits on the branch.",
        "answer": "Change nothing. Deliver an answer: your last message.",
        "either": "Deliver what is asked for: a change as commits on the branch, or an answer as your last message.",
    }[run.task.expect]
    subject = f"Your assignment is issue {issue.number}: {issue.title}" if issue else "Your assignment is below."
    return f"{subject}\n{expect}"


def issue_text(run: Run, issue: Issue) -> str:
    """Return an issue with its conversation as a page."""
    labels = ", ".join(issue.labels) or "none"
    head = f"# {issue.title}\n\nRepository: {run.repository.name}\nNumber: {issue.number}\nURL: {issue.url}"
    parts = [f"{head}\nAuthor: {issue.author}\nLabels: {labels}", issue.body.strip() or "(no description)"]
    parts += [f"## {one.author}, {one.created_at}\n\n{one.body.strip()}" for one in issue.comments]
    return "\n\n".join(parts) + "\n"

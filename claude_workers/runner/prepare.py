"""Preparing a task: our mirror, the agent's clone and branch, the issue and the prompt as files."""

from __future__ import annotations

import os

from claude_workers import config, files
from claude_workers.errors import WorkersError
from claude_workers.home import provision, templates
from claude_workers.home.home import HANDED
from claude_workers.model import Issue
from claude_workers.runner import inside
from claude_workers.runner.run import Ended, Run
from claude_workers.workspace import clone, store, submodules, upstream

_GUIDES = ("AGENTS.md", "CLAUDE.md")


def prepare(run: Run) -> str:
    """Make everything ready for the agent; what is ready from an earlier attempt is kept."""
    provision.clean_claude(run.home, login=run.task.options.get("pays") == "login")
    run.observe()
    if not run.progress.start:
        _begin(run)
    run.reload_settings()
    listed = submodules.of(run.mirror, run.progress.base, run.repository, run.settings.submodules)
    run.submodules = submodules.mirrors(run.home.layout, listed)
    _write_inputs(run)
    _clear_temporary(run)
    fresh = not (run.clone / ".git").is_dir() or not run.owns_clone()
    if fresh:
        _make_clone(run)
    provision_commands(run)
    return "working"


def _begin(run: Run) -> None:
    """Fetch the upstream and fix, once and for all attempts, what the work starts from."""
    origin = run.origin
    remote = upstream.look(origin)
    branch = upstream.base_branch(run.repository, remote, run.task.base or run.settings.base)
    upstream.mirror(run.home.layout, origin)
    store.ensure(run.home.layout, run.repository)
    base = upstream.tip(run.mirror, branch)
    if base is None:
        raise Ended("failed", f"{branch} vanished from {run.repository.name} while it was fetched")
    continues = run.task.options.get("continues")
    start = upstream.tip(run.mirror, run.task.branch) if continues else None
    run.observe(base_branch=branch, base=base, start=start or base)
    run.say(f"starting from {branch} at {base[:12]}" + (", continuing the open change" if start else ""))


def _make_clone(run: Run) -> None:
    """Make the clone anew, whole before it takes its place; what another task left there is carried first."""
    making = run.clone.with_name(f"{run.clone.name}.making")
    files.remove_tree(making)
    files.make_private(making)
    beginning = clone.Beginning(run.mirror, run.progress.base_branch, run.task.branch, run.progress.start)
    scripts = inside.Scripts(inside.making_enclosure(run, making))
    clone.create(scripts, making, beginning)
    submodules.checkout(scripts, making, run.submodules)
    if (run.clone / ".git").exists():
        _rescue_leftovers(run)
    files.remove_tree(run.clone)
    os.rename(making, run.clone)
    run.mark_clone()


def _rescue_leftovers(run: Run) -> None:
    try:
        cargo = run.cargo(f"{run.task.worker}/before-{run.task.task_id}")
        clone.carry(inside.Scripts(inside.carry_enclosure(run)), cargo)
    except WorkersError as error:
        # Nothing is deleted that could not be carried: it is moved aside and said.
        aside = run.clone.with_name(f"{run.clone.name}.kept-{run.task.task_id[:8]}")
        os.rename(run.clone, aside)
        run.note(f"an earlier clone could not be rescued ({error.message}) and was kept as {aside.name}")


def _clear_temporary(run: Run) -> None:
    files.remove_tree(run.home.temporary)
    files.own_folder(run.home.temporary)
    files.own_folder(run.home.outbox)


def _write_inputs(run: Run) -> None:
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
        "workerId": run.task.worker,
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
    if run.path(HANDED).is_dir():
        parts.append(f"You are handed, in {run.path(HANDED)}: {', '.join(sorted(os.listdir(run.path(HANDED))))}")
    if not run.settings.trust_project_settings:
        for name in _GUIDES:
            guide = upstream.show(run.mirror, run.progress.base, name)
            if guide and guide.strip() != f"@{_GUIDES[0]}":
                parts.append(f"The repository's {name}:\n\n{guide.strip()}")
    return "\n\n".join(parts) + "\n"


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


def provision_commands(run: Run) -> None:
    """Run post_checkout and setup in the agent's clone; a failure is a warning unless required."""
    settings: config.Settings = run.settings
    for name, wanted in (("post_checkout", settings.post_checkout), ("setup", settings.setup)):
        if not wanted:
            continue
        run.say(f"{name}: {wanted}")
        argv = ["sh", "-c", wanted]
        status, printed, errors = inside.execute(inside.agent_enclosure(run), argv, limit=settings.setup_limit)
        if status == 0:
            continue
        said = (errors + printed).decode("utf-8", "replace").strip().splitlines()
        text = f"{name} failed with exit {status}: {said[-1][:200] if said else 'no output'}"
        if settings.setup_required:
            raise Ended("failed", text)
        run.note(text)

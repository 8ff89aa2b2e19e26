"""Preparing a task: our mirror, the agent's clone and branch, and all that it is given."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from claude_workers import files, transcript
from claude_workers.errors import WorkersError
from claude_workers.home import provision
from claude_workers.runner import assignment, inside
from claude_workers.runner.execute import Bounds, Scripts, execute
from claude_workers.runner.rescue import ASIDE, rescue, unlock
from claude_workers.runner.run import Ended, Run
from claude_workers.workspace import clone, rescues, scripts, store, submodules, upstream

if TYPE_CHECKING:
    from pathlib import Path

    from claude_workers.workspace.clone import Carried


def prepare(run: Run) -> str:
    """Make everything ready for the agent; what is ready from an earlier attempt is kept."""
    transcript.mend(run.home.claude, run.clone, run.task.session_id)
    provision.clean_claude(run.home, login=run.task.options.get("pays") == "login")
    run.observe()
    if not run.progress.start:
        _begin(run)
    run.reload_settings()
    listed = submodules.of(run.mirror, run.progress.base, run.repository, run.settings.submodules)
    run.submodules = submodules.mirrors(run.home.layout, listed)
    assignment.write(run)
    _clear_temporary(run)
    if not _usable(run):
        _make_clone(run)
    if not run.task.options.get("propose"):
        provision_commands(run)
    return "working"


def _usable(run: Run) -> bool:
    """Tell whether the clone is this task's own and git can go on in it; what a crash left there is rescued first."""
    if not run.owns_clone() or not (run.clone / ".git").is_dir():
        return False
    unlock(run)
    unsaved = rescue(run) if run.task.attempt > 1 or run.rebooted else ""
    if not unsaved:
        _settle(run)
        return True
    run.say(f"the work of the attempt before could not be rescued: {unsaved}")
    try:
        Scripts(inside.carry_enclosure(run))(scripts.CHECK, str(run.clone))
    except WorkersError as error:
        run.note(f"the clone was damaged ({error.message})")
        return False
    return True


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
    if upstream.rewritten(run.mirror, branch):
        run.note(f"{branch} has gone another way than what was merged into it: this begins with what was merged")
    continues = run.task.options.get("continues")
    start = upstream.tip(run.mirror, run.task.branch) if continues else None
    run.observe(base_branch=branch, base=base, start=start or base)
    run.say(f"starting from {branch} at {base[:12]}" + (", continuing the open change" if start else ""))


def _settle(run: Run) -> None:
    if run.rebooted:
        inner = Scripts(inside.making_enclosure(run, run.clone), run.clone)
        taken = clone.settle(inner, run.clone, run.progress.start)
        if taken:
            run.note(f"the machine went down before these were on its disk; taken from the last commit: {taken}")


def _make_clone(run: Run) -> None:
    """Make the clone anew, whole before it takes its place; what another task left there is carried first."""
    making = run.clone.with_name(f"{run.clone.name}.making")
    files.remove_tree(making)
    files.make_private(making)
    beginning = clone.Beginning(
        run.mirror, run.progress.base_branch, run.progress.base, run.task.branch, run.progress.start
    )
    inner = Scripts(inside.making_enclosure(run, making))
    clone.create(inner, making, beginning)
    rescued = rescues.last(run.store, run.kept)
    if rescued:
        _resume(run, inner, making, rescued)
    submodules.checkout(inner, making, run.submodules)
    if run.clone.is_dir() and any(run.clone.iterdir()):
        _rescue_leftovers(run)
    files.remove_tree(run.clone)
    # After a power cut git's checkout would leave empty files that look like the agent's own changes.
    files.flush(making)
    os.rename(making, run.clone)
    run.mark_clone()


def _resume(run: Run, inner: Scripts, making: Path, rescued: Carried) -> None:
    """Go on from what was rescued of this very task: its clone was damaged, or is on another disk."""
    bundle = making / ".git" / "rescued.bundle"
    store.give(run.store, run.mirror, rescued.state, bundle)
    clone.resume(inner, making, bundle, run.task.branch, rescued)
    bundle.unlink()
    run.note(f"the clone was made again from what was rescued, at {rescued.tip[:12]}")


def _rescue_leftovers(run: Run) -> None:
    try:
        cargo = run.cargo(f"{run.task.worker}/{rescues.BEFORE}{run.task.task_id}")
        left = clone.carry(Scripts(inside.carry_enclosure(run)), cargo).left_out
        if left:
            raise WorkersError(f"too large or a repository of its own: {', '.join(left[:5])}")
    except WorkersError as error:
        # Nothing is deleted that could not be carried: it is moved aside and said.
        aside = run.clone.with_name(f"{run.clone.name}.kept-{run.task.task_id[:8]}")
        number = 1
        while aside.exists():
            number += 1
            aside = run.clone.with_name(f"{run.clone.name}.kept-{run.task.task_id[:8]}-{number}")
        os.rename(run.clone, aside)
        run.note(f"{ASIDE} ({error.message}) and was kept as {aside.name}")


def _clear_temporary(run: Run) -> None:
    files.remove_tree(run.home.temporary)
    files.own_folder(run.home.temporary)
    files.own_folder(run.home.outbox)


def provision_commands(run: Run) -> None:
    """Run post_checkout and setup in the agent's clone; a failure is a warning unless required."""
    for name, wanted in (("post_checkout", run.settings.post_checkout), ("setup", run.settings.setup)):
        if not wanted:
            continue
        run.say(f"{name}: {wanted}")
        argv = ["sh", "-c", wanted]
        status, printed, errors = execute(inside.agent_enclosure(run), argv, bounds=Bounds(run.settings.setup_limit))
        if status == 0:
            continue
        said = run.publishable((errors + printed).decode("utf-8", "replace")).strip().splitlines()
        text = f"{name} failed with exit {status}: {said[-1][:200] if said else 'no output'}"
        if run.settings.setup_required:
            raise Ended("failed", text)
        run.note(text)

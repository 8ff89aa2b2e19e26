"""Verifying: the gate runs by our hand, in a fresh checkout of the very commit to be published."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from claude_workers import config, files
from claude_workers.errors import WorkersError
from claude_workers.home import inbox
from claude_workers.model import Verification
from claude_workers.runner import inside
from claude_workers.runner.execute import KEPT, Bounds, Scripts, execute
from claude_workers.runner.run import Ended, Run
from claude_workers.text import one_line, plain
from claude_workers.workspace import clone, store, submodules, upstream

if TYPE_CHECKING:
    from claude_workers.enclosure.launch import Enclosure

_TOLD = 6000
_SHOWN = 15
# What a command such as `make test` or `npm test` runs or reads besides what it names.
_GATE_FILES = frozenset({
    "Makefile", "makefile", "GNUmakefile", "justfile", "Rakefile", "package.json", "composer.json", "pyproject.toml",
    "setup.cfg", "setup.py", "tox.ini", "noxfile.py", "pytest.ini", "conftest.py", "Cargo.toml", "build.rs",
    "pom.xml", "build.gradle", "CMakeLists.txt",
})  # fmt: skip
_FEEDBACK = (
    "Your branch did not pass the check that every change must pass before it is published.\n\n"
    "Command: {command}\nExit status: {exit}\nThe end of its output:\n\n{output}\n\n"
    "Mend the cause, not the check, commit, and finish."
)


def verify(run: Run) -> str:
    """Judge the head; a failure goes back to the agent, so often as is configured."""
    head = run.progress.head
    run.observe(gate_changes=_gate_changes(run))
    found = _judge(run, head)
    run.observe(verification=found.to_json() if found else None)
    if found is None:
        run.say("no gate is configured: the change is unverified")
    else:
        run.say(f"verify {head[:12]}: {'passed' if found.passed else 'failed'} ({found.command})")
    if found is None or found.passed:
        return _publishing(run)
    for line in found.output.strip().splitlines()[-_SHOWN:]:
        run.say(f"  {plain(line)[:300]}")
    if run.progress.feedback >= run.settings.verify_retries:
        last = one_line((found.output.strip().splitlines() or ["no output"])[-1], 150)
        raise Ended("verify_failed", f"{found.command}: exit {found.exit}: {last}")
    run.observe(feedback=run.progress.feedback + 1)
    run.message = _FEEDBACK.format(command=found.command, exit=found.exit, output=found.output)
    return "working"


def _publishing(run: Run) -> str:
    """Return what follows a change that may be published: before that the agent hears what it was told meanwhile."""
    if not inbox.waiting(run.home, run.task.task_id):
        return "publishing"
    run.say("the agent was told something meanwhile: it hears that first")
    run.message = ""
    return "working"


def _judge(run: Run, head: str) -> Verification | None:
    """Return the gate's word on a commit; None when no gate is configured."""
    markers = upstream.conflict_markers(run.store, run.progress.base, head)
    if markers:
        text = "conflict markers are left in:\n" + "\n".join(markers[:50])
        return Verification(head, "conflict markers", 1, passed=False, output=text)
    if not run.settings.setup and not run.settings.verify:
        return None
    folder = run.path("checkout") / head[:12]
    files.remove_tree(folder.parent)
    files.make_private(folder)
    try:
        bundle = folder.parent / "head.bundle"
        store.give(run.store, run.mirror, head, bundle)
        enclosure = inside.gate_enclosure(run, folder, bundle)
        scripts = Scripts(enclosure)
        clone.checkout(scripts, folder, run.mirror, bundle, head)
        submodules.checkout(scripts, folder, run.submodules)
        return _commands(run, enclosure, head)
    finally:
        files.remove_tree(folder.parent)


def _commands(run: Run, enclosure: Enclosure, head: str) -> Verification:
    """Run setup and verify in the checkout, their output kept in verify.log."""
    log = run.path("verify.log")
    setup_said = ""
    verdict = Verification(head, "", None, passed=False)
    for name, wanted in (("setup", run.settings.setup), ("verify", run.settings.verify)):
        if not wanted:
            continue
        status, output = _execute(run, enclosure, wanted)
        with open(log, "a", encoding="utf-8") as stream:
            stream.write(f"$ {wanted}\n{output}\n[exit {status}]\n")
        log.chmod(files.PRIVATE_FILE)
        setup_said = f"exit {status}" if name == "setup" else setup_said
        verdict = Verification(head, wanted, status, status == 0, setup_said, output[-_TOLD:])
        if status != 0:
            break
    return verdict


def _execute(run: Run, enclosure: Enclosure, wanted: str) -> tuple[int | None, str]:
    try:
        script = f"exec 2>&1; {wanted}"
        argv = ["sh", "-c", script]
        status, printed, _ = execute(enclosure, argv, bounds=Bounds(run.settings.setup_limit))
    except WorkersError as error:
        return None, error.message
    # Blotted first and cut then: half a secret is none to the blot.
    return status, run.publishable(printed.decode("utf-8", "replace"))[-KEPT // 2 :]


def _gate_changes(run: Run) -> list[str]:
    """Return which changed files a gate of this kind runs or reads, to be named in the receipt."""
    said = f"{run.settings.setup or ''} {run.settings.verify or ''}"
    words = {config.GATE_FILE, *re.split(r"[\s;&|()<>'\"]+", said)}
    named = {str(Path(word)) for word in words if word}
    return [name for name in run.progress.files_changed if name in named or Path(name).name in _GATE_FILES]

"""The console: a program for a person, or a question to the model, in a home's enclosure without a runner."""

from __future__ import annotations

import dataclasses
import json
import subprocess
from typing import TYPE_CHECKING

from claude_workers import files
from claude_workers.agent import command, reach
from claude_workers.enclosure.launch import launch
from claude_workers.enclosure.toolchain import INSIDE, python_inside
from claude_workers.errors import NoCredentials, Unreachable, WorkersError
from claude_workers.process.terminal import Terminal
from claude_workers.runner import inside
from claude_workers.runner.execute import Bounds, execute
from claude_workers.text import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from claude_workers.runner.run import Run

_QUESTION = "Reply with the single word ok."
_PATIENCE = 90.0


def claude(run: Run, session: str | None = None) -> list[str]:
    """Return Claude Code's command line for a person; it asks before it does what is not allowed."""
    return command.console_argv(
        command.binary(run.settings), run.settings, pinned=_pinned(run, asking=True), session=session
    )


def _pinned(run: Run, *, asking: bool) -> Path:
    openings = command.Openings(reach.domains(run.settings, inside.ends(run)), tuple(inside.tools(run.home)))
    pins = command.pins(run.home, run.task.isolation, run.settings, openings)
    if asking:
        pins["permissions"]["defaultMode"] = "default"
    path = run.path("pins.json")
    files.write_atomic(path, files.to_text(pins))
    return path


def open_console(run: Run, program: Sequence[str], cwd: Path) -> int:
    """Run a program on a terminal of ours until it ends; return its exit status. BadInput without a terminal."""
    with Terminal() as terminal:
        argv = [python_inside(), "-I", "-S", str(INSIDE / "console.py"), *program]
        ends = {"stdin": terminal.slave, "stdout": terminal.slave, "stderr": terminal.slave}
        launched = launch(argv, inside.console_enclosure(run, cwd), **ends)
        try:
            terminal.relay()
            return launched.popen.wait(10)
        except subprocess.TimeoutExpired:
            return 1  # it let go of its terminal and lives on: it ends now
        finally:
            launched.end(grace=1.0)


def try_credential(run: Run, values: dict[str, str], pays: str) -> None:
    """Ask the model for a word with a credential; NoCredentials when it is refused, Unreachable when nobody answers."""
    run.secrets = values
    program = command.binary(run.settings)
    argv = [str(program), "-p", _QUESTION, "--output-format", "json", "--max-turns", "1",
            "--settings", str(_pinned(run, asking=False)), "--strict-mcp-config"]  # fmt: skip
    enclosure = inside.agent_enclosure(run, pays=pays)
    # A refused credential would be tried again for minutes.
    enclosure = dataclasses.replace(enclosure, cwd=run.home.path, env={**enclosure.env, "CLAUDE_CODE_MAX_RETRIES": "1"})
    status, printed, errors = execute(enclosure, argv, bounds=Bounds(_PATIENCE))
    try:
        told = json.loads(printed.decode("utf-8", "replace").strip().split("\n")[-1])
        if not isinstance(told, dict):
            raise TypeError
    except (ValueError, TypeError):
        said = one_line(run.publishable(errors.decode("utf-8", "replace")), 200)
        raise WorkersError(f"Claude Code ended with {status}: {said}", "claude-workers doctor") from None
    if told.get("is_error"):
        said = one_line(run.publishable(str(told.get("result") or told.get("errors"))), 200)
        if told.get("api_error_status") in {401, 403} or "login" in said:
            raise NoCredentials(f"the API refused it: {said}", "give another one; nothing was changed")
        raise Unreachable(f"it could not be tried: {said}", "try again; nothing was changed")

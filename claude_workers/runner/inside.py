"""What a task's programs see: the agent's enclosure, the gate's, and scripts run in either."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from claude_workers import credentials, files, paths
from claude_workers.agent import command, reach
from claude_workers.enclosure.launch import ENCLOSED, Enclosure, launch
from claude_workers.enclosure.toolchain import INSIDE, Toolchain, tool_variables
from claude_workers.errors import BadInput, WorkersError

if TYPE_CHECKING:
    from claude_workers.home.home import Home
    from claude_workers.runner.run import Run

_INPUTS = ("prompt.md", "issue.md", "issue.json", "pins.json")
_SCRIPT_LIMIT = 1800.0
_OWN = frozenset({".claude", "tmp", "github", "runs", "completed", "parked", ".env", "task.json", ".zshenv"})


def tools(home: Home, *programs: Path) -> list[Path]:
    """Return the folders of the operator's tools that an enclosure shows."""
    found = Toolchain(Path.home(), [home.layout.root, paths.config_dir()])
    found.add_interpreter()
    found.add_path(os.environ.get("PATH", ""))
    for program in programs:
        found.add_program(program)
    return found.folders()


def _environment(run: Run, *, pays: str | None) -> dict[str, str]:
    """Return the environment inside; without `pays` no credential is in it."""
    carried = {**reach.registry_variables(), **credentials.env_file(run.settings.env_file)}
    if pays is not None:
        carried |= credentials.for_agent(run.secrets, pays)
    environment = command.environment(run.home, run.task, carried, tool_variables())
    environment["PATH"] = f"{INSIDE / 'bin'}:{environment.get('PATH', os.defpath)}"
    return environment


def _rendered(run: Run) -> dict[Path, str]:
    """Return the dotfiles of the home, made fresh: a task cannot leave a trap in them."""
    author = run.task.options.get("author", {})
    lines = ["[user]", f"\tname = {_quoted(author.get('name', ''))}", f"\temail = {_quoted(author.get('email', ''))}"]
    lines += ["[safe]", "\tdirectory = *", "[advice]", "\tdetachedHead = false", "[gc]", "\tauto = 0", ""]
    trusted = {"hasCompletedOnboarding": True, "projects": {str(run.home.path): {"hasTrustDialogAccepted": True}}}
    return {
        run.home.path / ".gitconfig": "\n".join(lines),
        run.home.path / ".claude.json": json.dumps(trusted),
    }


def _quoted(text: str) -> str:
    cleaned = "".join(letter for letter in text if letter.isprintable())
    return '"' + cleaned.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _persisted(run: Run) -> list[Path]:
    """Return the cache folders of the home that outlive a task, made where they are missing."""
    folders = []
    for name in run.settings.persist:
        parts = Path(name).parts
        if not parts or name.startswith("/") or ".." in parts or parts[0] in _OWN:
            raise BadInput(f"persist: {name!r} is no folder of its own below a home", "mend it in config.toml")
        path = run.home.path.joinpath(*parts)
        if any(run.home.path.joinpath(*parts[: depth + 1]).is_symlink() for depth in range(len(parts))):
            files.remove_tree(path)
        folders.append(files.make_private(path))
    return folders


def agent_enclosure(run: Run, *, pays: str | None = None) -> Enclosure:
    """Return what the agent sees: its clone, its tmp, Claude's folder, and the run's input to read."""
    home = run.home
    inputs = [run.path(name) for name in _INPUTS if run.path(name).is_file()]
    own = [home.claude / "settings.json", home.claude / "CLAUDE.md", run.bare, *inputs]
    files.make_private(run.clone)
    return Enclosure(
        level=run.task.isolation,
        home=home.path,
        cwd=run.clone,
        env=_environment(run, pays=pays),
        writable=(home.claude, home.temporary, run.clone, *_persisted(run)),
        readable=(*own, *tools(home, command.binary(run.settings))),
        rendered=_rendered(run),
        rules=reach.rules(run.settings, run.secrets.get(credentials.BASE_URL)),
    )


def gate_enclosure(run: Run, folder: Path) -> Enclosure:
    """Return what the gate sees: one fresh checkout, nothing the agent could have prepared."""
    environment = {**_environment(run, pays=None), "TMPDIR": "/tmp"}  # noqa: S108  the enclosure's own
    if run.task.isolation not in ENCLOSED:
        environment["TMPDIR"] = str(folder.parent)
    return Enclosure(
        level="enclosure" if run.task.isolation in ENCLOSED else run.task.isolation,
        home=run.home.path,
        cwd=folder,
        env=environment,
        writable=(folder,),
        readable=(run.bare, *tools(run.home)),
        rendered=_rendered(run),
        rules=reach.rules(run.settings, None, agent=False),
    )


def execute(
    enclosure: Enclosure, argv: list[str], *, output: int | None = None, limit: float = _SCRIPT_LIMIT
) -> tuple[int, bytes, bytes]:
    """Run a program to its end inside; return exit status, what it printed, and its errors.

    With `output` the print goes to that handle instead. Raises WorkersError past `limit` seconds.
    """
    launched = launch(argv, enclosure, stdout=subprocess.PIPE if output is None else output)
    try:
        printed, errors = launched.popen.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        launched.end()
        raise WorkersError(f"{argv[0]} took longer than {limit:.0f} s inside the enclosure") from None
    except BaseException:
        launched.end()
        raise
    launched.end(grace=0)
    return launched.popen.returncode, printed or b"", errors or b""


class Scripts:
    """Runs shell scripts inside one enclosure, as `workspace.clone` asks for."""

    def __init__(self, enclosure: Enclosure, start: Path | None = None) -> None:
        self._enclosure = dataclasses.replace(enclosure, cwd=start) if start else enclosure

    def __call__(self, script: str, *words: str, output: int | None = None) -> bytes:
        """Return what the script printed; WorkersError with its last line when it fails."""
        status, printed, errors = execute(self._enclosure, ["sh", "-c", script, "sh", *words], output=output)
        if status != 0:
            lines = errors.decode("utf-8", "replace").strip().splitlines()
            said = lines[-1][:300] if lines else f"exit {status}"
            raise WorkersError(f"inside the enclosure: {said}")
        return printed

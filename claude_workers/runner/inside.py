"""What a task's programs see: the agent's enclosure, the gate's, and those of git alone."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from claude_workers import access, credentials, files, paths
from claude_workers.agent import command, reach
from claude_workers.enclosure.launch import ENCLOSED, Enclosure
from claude_workers.enclosure.rules import Rules
from claude_workers.enclosure.toolchain import INSIDE, Toolchain, tool_variables
from claude_workers.errors import BadInput
from claude_workers.home.home import HANDED
from claude_workers.runner import handed

if TYPE_CHECKING:
    from claude_workers.home.home import Home
    from claude_workers.runner.run import Run

_INPUTS = ("prompt.md", "issue.md", "issue.json", "pins.json")
_OWN = frozenset({".claude", "tmp", "github", "runs", "completed", "parked", ".env", "task.json", ".zshenv"})


def ends(run: Run) -> reach.Ends:
    """Return the addresses that the task brings."""
    return reach.Ends(run.secrets.get(credentials.BASE_URL), access.server_of(run.repository), run.holds_token)


def mirrors(run: Run) -> tuple[Path, ...]:
    """Return our mirrors that the task's clone borrows objects from: its own, and its submodules'."""
    wanted = (run.mirror, *dict.fromkeys(mirror for _, mirror in run.submodules))
    return tuple(one for one in wanted if one.is_dir())


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
        carried |= credentials.for_agent(run.secrets, pays) | handed.variables(run)
    environment = command.environment(run.home, run.task, carried, tool_variables())
    environment["PATH"] = f"{INSIDE / 'bin'}:{environment.get('PATH', os.defpath)}"
    return environment


def _rendered(run: Run) -> dict[Path, str]:
    """Return the dotfiles of the home, made fresh: a task cannot leave a trap in them."""
    author = run.task.options.get("author", {})
    lines = ["[user]", f"\tname = {_quoted(author.get('name', ''))}", f"\temail = {_quoted(author.get('email', ''))}"]
    if run.holds_token:
        lines += handed.git_lines(run)
    lines += ["[safe]", "\tdirectory = *", "[advice]", "\tdetachedHead = false", "[gc]", "\tauto = 0"]
    # What is committed is on the disk: a machine may lose its power at any moment.
    lines += ["[core]", "\tfsync = all", "\tfsyncMethod = batch", ""]
    trusted = {"hasCompletedOnboarding": True, "projects": {str(run.home.path): {"hasTrustDialogAccepted": True}}}
    return {
        run.home.path / ".gitconfig": "\n".join(lines),
        run.home.path / ".claude.json": json.dumps(trusted),
    }


def _quoted(text: str) -> str:
    cleaned = "".join(letter for letter in text if letter.isprintable())
    return '"' + cleaned.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _persisted(run: Run) -> list[Path]:
    """Return the cache folders of the home that outlive a task, made anew where one is a link."""
    folders = []
    wanted = sorted({Path(name) for name in run.settings.persist})
    for path in wanted:
        overlaps = any(path != one and path.is_relative_to(one) for one in wanted)
        if not path.parts or path.is_absolute() or ".." in path.parts or path.parts[0] in _OWN or overlaps:
            raise BadInput(f"persist: {str(path)!r} is no folder of its own below a home", "mend it in config.toml")
        folder = run.home.path
        for part in path.parts:
            folder /= part
            files.own_folder(folder)
        folders.append(folder)
    return folders


def _private(run: Run) -> tuple[Path, ...]:
    """Return the folders that hold what is the operator's or another worker's."""
    return (run.home.layout.root, Path.home(), paths.config_dir())


def agent_enclosure(run: Run, *, pays: str | None = None) -> Enclosure:
    """Return what the agent sees: its clone, its tmp, Claude's folder, and the run's input to read."""
    home = run.home
    inputs = [run.path(name) for name in _INPUTS if run.path(name).is_file()]
    inputs += [home.forge] if run.holds_token else []
    inputs += [run.path(HANDED)] if run.path(HANDED).is_dir() else []
    writable = [home.claude, home.temporary, *_persisted(run)]
    own = [home.claude / "settings.json", home.claude / "CLAUDE.md", *mirrors(run), *inputs]
    files.own_folder(run.clone)
    # Who is only to propose reads.
    (own if run.task.options.get("propose") else writable).append(run.clone)
    return Enclosure(
        level=run.task.isolation,
        home=home.path,
        cwd=run.clone,
        env=_environment(run, pays=pays),
        writable=tuple(writable),
        readable=(*own, *tools(home, command.binary(run.settings))),
        rendered=_rendered(run),
        rules=reach.rules(run.settings, ends(run)),
        hidden=_private(run),
    )


def console_enclosure(run: Run, cwd: Path) -> Enclosure:
    """Return what a person sees who comes into the home: what the agent does, on a terminal."""
    enclosure = agent_enclosure(run, pays=run.pays or None)
    kept = {name: os.environ[name] for name in ("TERM", "COLORTERM", "LANG") if name in os.environ}
    # Claude Code asks whether a key may be used, once for each, and knows those it may by their ends (2.1.197).
    key = run.secrets.get(credentials.API_KEY, "")
    known = {**json.loads(enclosure.rendered[run.home.path / ".claude.json"]),
             "customApiKeyResponses": {"approved": [key[-20:]] if key else [], "rejected": []}}  # fmt: skip
    rendered = {**enclosure.rendered, run.home.path / ".claude.json": json.dumps(known)}
    return dataclasses.replace(enclosure, cwd=cwd, env={**enclosure.env, **kept}, rendered=rendered)


def gate_enclosure(run: Run, folder: Path, bundle: Path) -> Enclosure:
    """Return what the gate sees: one fresh checkout, nothing the agent could have prepared."""
    environment = {**_environment(run, pays=None), "TMPDIR": _scratch(run, folder.parent)}
    return Enclosure(
        level=_plain_level(run),
        home=run.home.path,
        cwd=folder,
        env=environment,
        writable=(folder,),
        readable=(*mirrors(run), bundle, *tools(run.home)),
        rendered=_rendered(run),
        rules=reach.rules(run.settings, ends(run), agent=False),
        hidden=_private(run),
    )


def carry_enclosure(run: Run) -> Enclosure:
    """Return what carrying sees: the clone, to read only, and the mirror."""
    return _bare_enclosure(run, readable=(files.own_folder(run.clone), *mirrors(run)))


def making_enclosure(run: Run, folder: Path) -> Enclosure:
    """Return what making a clone sees: the new folder, and the mirror to read."""
    return _bare_enclosure(run, readable=mirrors(run), writable=(folder,))


def _bare_enclosure(run: Run, *, readable: tuple[Path, ...], writable: tuple[Path, ...] = ()) -> Enclosure:
    """Return an enclosure for git alone: no network, no secrets, nothing of Claude's."""
    sealed = os.path.realpath(shutil.which("git") or "").startswith(("/usr/bin/", "/bin/"))
    return Enclosure(
        level=_plain_level(run),
        home=run.home.path,
        cwd=Path("/"),
        env={
            "PATH": "/usr/bin:/bin" if sealed else os.environ.get("PATH", os.defpath),
            "HOME": str(run.home.path),
            "LC_ALL": "C.UTF-8",
            "CLAUDE_WORKERS_TASK": run.task.task_id,
        },
        writable=writable,
        readable=readable if sealed else (*readable, *tools(run.home)),
        rendered=_rendered(run),
        rules=Rules(()),
        hidden=_private(run),
        sealed=sealed,
    )


def _plain_level(run: Run) -> str:
    """Return the level for programs of ours: no sandbox nested in the enclosure."""
    return "enclosure" if run.task.isolation in ENCLOSED else run.task.isolation


def _scratch(run: Run, folder: Path) -> str:
    """Return the temporary folder: the enclosure's own /tmp, or one beside the checkout without one."""
    return "/tmp" if run.task.isolation in ENCLOSED else str(folder)  # noqa: S108

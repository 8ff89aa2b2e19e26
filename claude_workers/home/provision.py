"""Making a home: rendered whole from templates and the operator's credentials, or not at all."""

from __future__ import annotations

import errno
import json
import os
import shlex
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from claude_workers import credentials, files
from claude_workers.errors import BadInput, Busy
from claude_workers.home import sets, templates
from claude_workers.home.home import Home

if TYPE_CHECKING:
    from claude_workers.paths import Layout

# How a home is called until it is whole.
UNMADE = ".init-"
_FOLDERS = (".claude", "completed", "github", "tmp", "runs")
# What of .claude/ outlives a task; everything else is made anew before each attempt.
_FOLDERS_KEPT = frozenset({"projects", "tasks", "todos"})
_SURVIVING = _FOLDERS_KEPT | {".credentials.json", "settings.json", "CLAUDE.md"}
# Kinds Claude Code insists on: with a wrong one it drops the whole file without a word and runs open.
_SETTINGS_KINDS: dict[str, type] = {"permissions": dict, "sandbox": dict, "env": dict, "hooks": dict, "model": str}


def rendered(worker: str, environment: dict[str, str]) -> dict[str, str]:
    """Return the files of a home by relative path, the settings checked."""
    exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in sorted(environment.items()))
    values = {"workerId": worker, "environment": exports}
    made = {
        name: templates.fill(templates.read(name), values, name)
        for name in templates.WORKER_FILES
        if name != "prompt.md"
    }
    check_settings(made[".claude/settings.json"], "template .claude/settings.json")
    return {**made, ".env": credentials.render_env(environment)}


def check_settings(text: str, where: str) -> None:
    """Raise BadInput unless Claude Code would take the whole of a settings file."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{where} does not parse: {error}", "mend or remove it") from error
    if not isinstance(data, dict):
        raise BadInput(f"{where} is not a JSON object", "mend or remove it")
    for name, kind in _SETTINGS_KINDS.items():
        if name in data and not isinstance(data[name], kind):
            raise BadInput(f"{where}: {name} is of the wrong kind", "mend or remove it")
    sandbox = data.get("sandbox", {})
    network = sandbox.get("network", {})
    domains = network.get("allowedDomains", []) if isinstance(network, dict) else None
    if not isinstance(sandbox.get("enabled", True), bool) or not isinstance(domains, list):
        raise BadInput(f"{where}: sandbox is of the wrong kind", "mend or remove it")
    for name in ("allow", "deny", "ask"):
        rules = data.get("permissions", {}).get(name, [])
        if not isinstance(rules, list) or not all(isinstance(one, str) for one in rules):
            raise BadInput(f"{where}: permissions.{name} is not a list of texts", "mend or remove it")


def create(layout: Layout, worker: str, credential_set: str | None = None, label: str | None = None) -> Home:
    """Make a home whole, bound to a credential set or with the operator's own; Busy when one exists already.

    `label` is what its issues get instead of its id, behind `worker:`.
    """
    home = Home(layout, worker)
    environment = sets.values(credential_set) if credential_set is not None else credentials.from_operator()
    content = rendered(worker, {**environment, **({credentials.LABEL: label} if label else {})})
    files.make_private(layout.root)
    if os.path.lexists(home.path):
        raise Busy(f"worker {worker} exists already", f"claude-workers refresh {worker}, or remove it first")
    try:
        building = Path(tempfile.mkdtemp(prefix=f"{UNMADE}{worker}-", dir=layout.root))
    except OSError as error:
        raise files.cannot_write(layout.root, error) from error
    try:
        for folder in _FOLDERS:
            files.make_private(building / folder)
        _write(building, content)
        try:
            # rename() onto an existing folder fails unless that one is empty: nobody's home is.
            os.rename(building, home.path)
        except OSError as error:
            if error.errno in {errno.ENOTEMPTY, errno.EEXIST}:
                raise Busy(f"worker {worker} was made this moment by somebody else", "use another id") from error
            raise files.cannot_write(home.path, error) from error
    except BaseException:
        files.remove_tree(building)
        raise
    return home


def refresh(home: Home) -> list[str]:
    """Render a home again; a credential the operator no longer has is kept, never emptied.

    Returns what changed, by file or variable name.
    """
    before = credentials.read_env(home.env_file)
    if credentials.OWN in before:
        theirs = {name: value for name, value in credentials.from_operator().items() if name == credentials.BASE_URL}
    elif credentials.SET in before:
        theirs = sets.values(before[credentials.SET])
        before = {name: value for name, value in before.items() if name not in credentials.CARRIED}
    else:
        theirs = credentials.from_operator()
    return _render(home, {**before, **theirs})


def own_credentials(home: Home, environment: dict[str, str]) -> None:
    """Give a home an environment with a credential of its own."""
    _render(home, environment)


def _render(home: Home, environment: dict[str, str]) -> list[str]:
    content = rendered(home.worker, environment)
    changed = [name for name, text in content.items() if _current(home, name) != text]
    for folder in _FOLDERS:
        files.own_folder(home.path / folder)
    _write(home.path, content)
    return changed


def _current(home: Home, name: str) -> str | None:
    try:
        return files.read_inside(home.path, name)
    except ValueError:
        return None


def _write(folder: Path, content: dict[str, str]) -> None:
    for name, text in content.items():
        files.write_atomic(folder / name, text)


def clean_claude(home: Home, *, login: bool) -> None:
    """Remove from .claude/ what one task could say to the next, and a login that is not the home's own."""
    files.own_folder(home.claude)
    for entry in _entries(home.claude):
        kept = entry.name in _SURVIVING and not entry.is_symlink() and entry.is_dir() == (entry.name in _FOLDERS_KEPT)
        if not kept or (entry.name == ".credentials.json" and not login):
            files.remove_tree(entry)
    for project in _entries(home.claude / "projects"):
        if project.is_symlink() or not project.is_dir():
            files.remove_tree(project)
            continue
        for one in _entries(project):
            if one.suffix != ".jsonl" or one.is_symlink() or not one.is_file():
                files.remove_tree(one)


def _entries(folder: Path) -> list[Path]:
    return [Path(one.path) for one in os.scandir(files.own_folder(folder))] if folder.is_dir() else []

"""The doctor: what of this machine a worker needs, checked one by one."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_workers import access, config, credentials, files
from claude_workers.agent import command
from claude_workers.enclosure import levels
from claude_workers.errors import WorkersError
from claude_workers.forge.choose import github
from claude_workers.home import sets
from claude_workers.home.home import Home, every
from claude_workers.model import Record
from claude_workers.pool import floors, preflight
from claude_workers.pool.linger import lingering
from claude_workers.pool.rights import judge
from claude_workers.process.spawn import scope_prefix
from claude_workers.tickets import filesystem
from claude_workers.workspace.push import try_push

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from claude_workers.paths import Layout


@dataclass(frozen=True)
class Finding(Record):
    """One thing looked at: `state` is ok, warning or failed."""

    what: str
    state: str
    said: str
    remedy: str = ""


def examine(layout: Layout) -> Iterator[Finding]:
    """Look at everything; nothing is changed."""
    settings = config.Settings()
    try:
        settings = config.load()
        yield Finding("config", "ok", "config.toml is sound")
    except WorkersError as error:
        yield Finding("config", "failed", error.message, error.remedy)
    yield Finding("python", "ok", f"{platform.python_version()} at {sys.executable}")
    yield _checked("git", lambda: _version("git", "--version"))
    yield _checked("claude", lambda: _version(str(command.binary(settings)), "--version"))
    level = settings.isolation or levels.best()
    yield _checked("isolation", lambda: _level(level, settings))
    yield _checked("login", lambda: _login(settings))
    yield _checked("disk", lambda: _disk(layout, settings))
    yield _checked("memory", lambda: _memory(settings))
    yield _checked("tickets", lambda: _tickets(layout))
    yield _detached()
    yield Finding("lingering", *lingering())
    yield _checked("logins", lambda: _logins(every(layout)))
    for home in every(layout):
        yield _checked(f"worker {home.worker}", lambda home=home: _home(home, settings))  # type: ignore[misc]


def examine_repository(layout: Layout, repo: str) -> Iterator[Finding]:
    """Look at a repository on GitHub as the runner would meet it; nothing is changed there."""
    repository = preflight.repository_of(layout, repo)
    origin = access.origin(repository)
    forge, shown = github(layout, repository, origin), origin.access
    try:
        rights = forge.rights()
    except WorkersError as error:
        yield Finding("token", "failed", error.message, error.remedy)
        return
    yield Finding("token", "ok", f"{shown.shown} is {rights.login}'s")
    yield _checked("push", lambda: _pushable(origin))
    for what, state, said, remedy in judge(rights):
        yield Finding(what, state, said, remedy)


def _pushable(origin: access.Origin) -> str:
    try_push(origin)
    return f"git may push to {origin.name}"


def _checked(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what, "ok", look())
    except WorkersError as error:
        return Finding(what, "failed", error.message, error.remedy)


def _version(program: str, option: str) -> str:
    try:
        done = subprocess.run([program, option], capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise WorkersError(f"{program} does not run: {error}", f"install {program}") from error
    if done.returncode != 0:
        raise WorkersError(f"{program} {option} exits {done.returncode}", f"reinstall {program}")
    return f"{done.stdout.strip().splitlines()[0]} at {shutil.which(program)}"


def _level(level: str, settings: config.Settings) -> str:
    levels.check(level, permissions=settings.permissions)
    return f"{level} can be had (--prove tries to break out of it)"


def _login(settings: config.Settings) -> str:
    found = credentials.from_operator()
    pays = credentials.payer(found, login=False, auth=settings.auth)
    if not pays:
        raise WorkersError(
            f"neither {credentials.API_KEY} nor {credentials.TOKEN} is set",
            "export one, or put it into credentials.env (see `claude-workers path`)",
        )
    return f"new workers pay by {pays}"


def _disk(layout: Layout, settings: config.Settings) -> str:
    place = layout.root if layout.root.is_dir() else layout.root.parent
    short = floors.disk_short(layout, settings) if place == layout.root else ""
    if short:
        raise WorkersError(short, "free some disk space, or lower disk_floor")
    return f"{shutil.disk_usage(place if place.is_dir() else '/').free >> 30} GiB free at {place}"


def _tickets(layout: Layout) -> str:
    kind = filesystem.network(layout.tickets)
    if kind:
        raise WorkersError(
            f"{layout.tickets} is on a network file system ({kind}), where SQLite may lose what was written",
            "name a local file: CLAUDE_WORKERS_DB, or another --root",
        )
    return f"{layout.tickets} is on a local file system"


def _memory(settings: config.Settings) -> str:
    short, free = floors.memory_short(settings), floors.memory_free()
    if short:
        raise WorkersError(short, "let something end, or lower memory_floor")
    return "not checked: this system does not say" if free is None else f"{free >> 20} MiB free"


def _detached() -> Finding:
    if scope_prefix():
        return Finding("detached", "ok", "runners get a systemd scope of their own")
    return Finding("detached", "ok", "runners lead a session of their own (no systemd user bus here)")


def _logins(homes: list[Home]) -> str:
    """Refuse a login that two homes share: each renewal of one makes the other's worthless."""
    seen: dict[str, str] = {}
    for home in homes:
        try:
            login = files.read_inside(home.path, credentials.LOGIN_FILE)
        except ValueError as error:
            raise WorkersError(f"worker {home.worker}: {error}", f"claude-workers refresh {home.worker}") from error
        if login and login in seen:
            raise WorkersError(
                f"workers {seen[login]} and {home.worker} have the same login, which works for one of them only",
                f"delete {home.path / credentials.LOGIN_FILE} and log in there anew",
            )
        if login:
            seen[login] = home.worker
    return f"{len(seen)} homes have a login of their own"


def _home(home: Home, settings: config.Settings) -> str:
    preflight.check_home(home)
    environment = credentials.read_env(home.env_file)
    own = (home.path / credentials.LOGIN_FILE).is_file()
    return f"sound, pays by {preflight.login(home, settings)}: {sets.source(environment, login=own)}"

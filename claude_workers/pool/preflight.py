"""Preflight: everything that can be found wrong before anything is claimed."""

from __future__ import annotations

import dataclasses
import os
import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from claude_workers import access, config, credentials, files
from claude_workers.agent import command, reach
from claude_workers.enclosure import levels
from claude_workers.errors import BadInput, NoCredentials, Refused, WorkersError
from claude_workers.forge.choose import forge_of
from claude_workers.home import provision, templates
from claude_workers.model import Repository
from claude_workers.names import host_of, is_path, owner_repo
from claude_workers.pool import floors
from claude_workers.workspace import upstream

if TYPE_CHECKING:
    from claude_workers.forge.seam import Forge
    from claude_workers.home.home import Home
    from claude_workers.model import Change, Issue, Json, Task
    from claude_workers.paths import Layout

EXPECTATIONS = ("change", "answer", "either")
PROMPT_LIMIT = 200_000
_OVERRIDES = ("budget_usd", "time_limit", "max_turns")


@dataclass(frozen=True)
class Order:
    """What a dispatch asks for, as it was said; None where nothing was.

    `most` workers may be at work here with this one. `merge`: what is followed is only to be merged.
    `verdict`: the review that wants it, which must still stand. `propose`: the agent reads, and what it
    files are tickets for a person. `same`: the task's id is a mere name for a new one; the same order
    under way is its answer, too.
    """

    worker: str
    repo: str
    issue: int | None = None
    prompt: str = ""
    prompt_template: str | None = None
    expect: str | None = None
    base: str | None = None
    model: str | None = None
    isolation: str | None = None
    budget_usd: float | None = None
    time_limit: float | None = None
    max_turns: int | None = None
    task_id: str | None = None
    same: bool = False
    trust_author: bool = False
    requested_by: str = ""
    most: int | None = None
    merge: bool = False
    propose: bool = False
    verdict: str | None = None
    follows: Follows | None = None


@dataclass(frozen=True)
class Follows:
    """A change that a task takes up again: its branch and session, and what was said of it since.

    `files` are what the agent gets to read, by name: the logs of failed checks, the reviews.
    """

    change: Change
    session_id: str
    issue: Issue | None = None
    heard: tuple[str, ...] = ()
    files: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Ready:
    """An order that was found sound: what the task will be made of."""

    repository: Repository
    forge: Forge
    expect: str
    isolation: str
    host: str
    base: str
    model: str | None
    options: Json
    wait: floors.Wait | None
    remote: upstream.Remote
    issue: Issue | None


def repository_of(layout: Layout, text: str) -> Repository:
    """Return the repository a REPO argument names."""
    if is_path(text):
        return upstream.local(text, layout)
    name, server, named = owner_repo(text), access.server(), host_of(text)
    if named and named != host_of(server):
        raise BadInput(
            f"{name} is on {named}, not on {server}", f"export {access.SERVER_VARIABLE}=https://{named}, or clone it"
        )
    return Repository(name, f"{server}/{name}.git")


def check_outside_sandbox() -> None:
    """Raise Refused inside Claude Code's own sandbox: what is detached there dies with the command."""
    if os.environ.get("SANDBOX_RUNTIME"):
        raise Refused(
            "this runs inside Claude Code's sandbox, where no worker can outlive the command",
            "run it outside: excludedCommands in that Claude's settings, or by hand",
        )


def check(layout: Layout, home: Home, order: Order, repository: Repository) -> Ready:
    """Look at all a task needs; raise what is wrong, change nothing."""
    settings = _settings(order, repository)
    if len(order.prompt) > PROMPT_LIMIT or "\0" in order.prompt:
        raise BadInput(f"the prompt is longer than {PROMPT_LIMIT} characters or not text", "shorten it")
    if order.issue is None and not order.prompt.strip() and order.prompt_template is None:
        raise BadInput("there is nothing to do", "name an ISSUE or say a PROMPT")
    options = _options(settings, order, home, repository)
    isolation = order.isolation or settings.isolation or levels.best()
    command.binary(settings)
    levels.check(isolation, permissions=settings.permissions, temporary=home.temporary)
    origin = access.origin(repository)
    forge = forge_of(layout, repository, origin)
    forge.check(issues=order.issue is not None)
    remote = upstream.look(origin)
    base = upstream.base_branch(repository, remote, order.base or settings.base)
    check_gate(settings, repository, remote.branches[base])
    issue = _issue(forge, order)
    if issue and issue.state != "open":
        raise BadInput(f"issue {issue.number} is closed", "name an open one")
    if issue and issue.locked:
        raise BadInput(f"issue {issue.number} is locked", "unlock its conversation, or name another")
    return Ready(
        repository, forge, _expectation(order, settings), isolation,
        settings.host_name or socket.gethostname(), base,
        order.model or settings.model, options, floors.wait(home, settings, repository, str(options["pays"])),
        remote, issue,
    )  # fmt: skip


def still(home: Home, task: Task, settings: config.Settings) -> None:
    """Raise what forbids a task to go on that was found sound when it was given."""
    levels.check(task.isolation, permissions=settings.permissions, temporary=home.temporary)
    login(home, settings)
    check_home(home)


def _issue(forge: Forge, order: Order) -> Issue | None:
    """Return the issue as it was trusted: read now, or for a change taken up again as it was then."""
    if order.follows:
        return order.follows.issue
    return None if order.issue is None else forge.issue(order.issue, vouched=order.trust_author)


def check_gate(settings: config.Settings, repository: Repository, tip: str) -> None:
    """Raise BadInput for a gate file at the base's tip that cannot be understood, where it can be read here."""
    places = [Path(repository.path, ".git"), Path(repository.path)] if repository.path else []
    found = [one for one in places if (one / "HEAD").is_file()]
    if found:
        config.with_gate(settings, upstream.show(found[0], tip, config.GATE_FILE) or "")


def _settings(order: Order, repository: Repository) -> config.Settings:
    settings = config.load(repository.name)
    said = {name: getattr(order, name) for name in _OVERRIDES if getattr(order, name) is not None}
    reach.rules(settings, reach.Ends())
    credentials.env_file(settings.env_file)
    return dataclasses.replace(settings, **said)


def _expectation(order: Order, settings: config.Settings) -> str:
    expect = order.expect or settings.expect or ("either" if order.prompt else "change")
    if expect not in EXPECTATIONS:
        raise BadInput(f"--expect {expect!r}: unknown choice", f"choose {', '.join(EXPECTATIONS)}")
    return expect


def _label(home: Home, settings: config.Settings) -> str:
    """Return the label that says on an issue whose it is: workers of two machines may have one name."""
    chosen = credentials.read_env(home.env_file).get(credentials.LABEL)
    return f"worker:{chosen or '/'.join(filter(None, (settings.host_name, home.worker)))}"


def _options(settings: config.Settings, order: Order, home: Home, repository: Repository) -> Json:
    """Return what the runner must know beyond the task: overrides, author, payer, template."""
    options: Json = {name: getattr(order, name) for name in _OVERRIDES if getattr(order, name) is not None}
    options["author"] = author(settings)
    options["pays"] = login(home, settings)
    options["label"] = _label(home, settings)
    if repository.path is None:
        options["forge_access"] = settings.forge_access
        if settings.forge_access == "worker":
            access.agent_token(repository)
    check_home(home)
    if order.prompt_template is not None:
        options["prompt_template"] = templates.named_prompt(order.prompt_template)
    text = options.get("prompt_template") or templates.read("prompt.md")
    templates.fill(str(text), dict.fromkeys(templates.PROMPT_VARIABLES, ""), "prompt template")
    return options


def login(home: Home, settings: config.Settings) -> str:
    """Return which credential pays; Refused when there is none or nobody decided."""
    values = credentials.read_env(home.env_file)
    own = (home.path / credentials.LOGIN_FILE).is_file()
    pays = credentials.payer(values, login=own, auth=settings.auth)
    if not pays:
        raise NoCredentials(
            f"worker {home.worker} has no login",
            f"export {credentials.API_KEY} or {credentials.TOKEN} (claude setup-token), then"
            f" claude-workers refresh {home.worker}",
        )
    return pays


def check_home(home: Home) -> None:
    """Raise Refused when a file that guards the agent is gone or Claude Code would ignore it."""
    remedy = f"claude-workers refresh {home.worker}"
    for name in (".claude/settings.json", ".claude/CLAUDE.md"):
        try:
            text = files.read_inside(home.path, name)
            if text is None:
                raise Refused(f"worker {home.worker} has no {name}", remedy)
            if name.endswith(".json"):
                provision.check_settings(text, name)
        except (ValueError, BadInput) as error:
            said = error.message if isinstance(error, WorkersError) else str(error)
            raise Refused(f"worker {home.worker}: {said}", remedy) from error


def author(settings: config.Settings) -> dict[str, str]:
    """Return whom the agents' commits name: configured, the operator's git identity, or a default."""
    own = _operators() if not (settings.git_name and settings.git_email) else {}
    return {
        "name": settings.git_name or own.get("user.name") or "Claude Worker",
        "email": settings.git_email or own.get("user.email") or "worker@localhost",
    }


def _operators() -> dict[str, str]:
    """Return what the operator's own git configuration says of him."""
    argv = ["git", "config", "--global", "--get-regexp", r"^user\.(name|email)$"]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=10)
    except FileNotFoundError as error:
        raise Refused("git is not on PATH", "install it: apt-get install git") from error
    except subprocess.TimeoutExpired:
        return {}
    return dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)

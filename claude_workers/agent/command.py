"""Claude Code's command line, pinned settings and environment (measured on 2.1.197)."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from claude_workers.errors import Refused

if TYPE_CHECKING:
    from claude_workers.config import Settings
    from claude_workers.home.home import Home
    from claude_workers.model import Task

_ALLOWED = ("Bash", "Read(~/**)", "Edit(~/**)", "WebFetch", "WebSearch", "Task", "Skill")
_DOTFILES = (".gitconfig", ".claude.json", ".zshrc", ".zshenv", ".zprofile", ".bashrc", ".bash_profile",
             ".profile", ".config", ".npmrc", ".env", "task.json", "runs", "completed")  # fmt: skip
_KEPT = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "SHELL", "USER", "LOGNAME", "SSL_CERT_FILE",
         "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "PIP_CERT")  # fmt: skip


def binary(settings: Settings) -> Path:
    """Return Claude Code's program; Refused when it is not there."""
    wanted = settings.claude or "claude"
    found = shutil.which(os.path.expanduser(wanted))
    if not found:
        where = "CLAUDE_WORKERS_CLAUDE" if settings.claude else "PATH"
        raise Refused(
            f"{wanted} is no program on {where}",
            "npm install -g @anthropic-ai/claude-code, or set CLAUDE_WORKERS_CLAUDE",
        )
    return Path(found).absolute()


@dataclass(frozen=True)
class Openings:
    """What Claude Code's own sandbox lets through: hosts, and folders to read outside the home."""

    domains: tuple[str, ...] = ()
    readable: tuple[Path, ...] = ()


def pins(home: Home, level: str, settings: Settings, openings: Openings) -> dict[str, Any]:
    """Return the settings that no file of a repository or an agent can loosen."""
    mode = "bypassPermissions" if settings.permissions == "bypass" else "dontAsk"
    permissions: dict[str, Any] = {"defaultMode": mode, "allow": list(_ALLOWED)}
    if level == "enclosure":
        # The private temporary folders of the enclosure are as much the agent's as its home.
        permissions["allow"] += ["Read(//tmp/**)", "Edit(//tmp/**)"]
    pinned: dict[str, Any] = {"permissions": permissions, "sandbox": {"enabled": False}}
    if not settings.trust_project_settings:
        pinned["disableAllHooks"] = True
    if level in {"claude", "double"}:
        pinned["sandbox"] = _own_sandbox(home, openings, nested=level == "double")
    return pinned


def _own_sandbox(home: Home, openings: Openings, *, nested: bool) -> dict[str, Any]:
    hidden = [] if nested else [str(home.layout.root), os.path.expanduser("~")]
    return {
        "enabled": True,
        "failIfUnavailable": True,
        "autoAllowBashIfSandboxed": True,
        "allowUnsandboxedCommands": False,
        "enableWeakerNestedSandbox": nested and os.geteuid() == 0,
        "filesystem": {
            "allowWrite": ["~"],
            "denyWrite": [f"~/{name}" for name in _DOTFILES],
            "denyRead": [*hidden, f"{home.path}/.env"],
            "allowRead": ["~", *map(str, openings.readable)],
        },
        "network": {"allowedDomains": [one for one in openings.domains if ":" not in one]},
    }


def argv(program: Path, task: Task, settings: Settings, *, pinned: Path, resume: bool) -> list[str]:
    """Return the command line; the prompt goes to its standard input."""
    session = ["--resume", task.session_id] if resume else ["--session-id", task.session_id]
    words = [str(program), "-p", "--input-format", "stream-json", "--output-format", "stream-json"]
    words += ["--verbose", "--replay-user-messages", "--settings", str(pinned), "--strict-mcp-config", *session]
    if not settings.trust_project_settings:
        words += ["--setting-sources", "user"]
    options = {"--model": task.model, "--max-turns": settings.max_turns, "--max-budget-usd": settings.budget_usd}
    for name, value in options.items():
        if value is not None:
            words += [name, str(value)]
    return words


def console_argv(program: Path, settings: Settings, *, pinned: Path, session: str | None) -> list[str]:
    """Return the command line for a person at a terminal, in a session that was there before, if any."""
    words = [str(program), "--settings", str(pinned), "--strict-mcp-config"]
    if not settings.trust_project_settings:
        words += ["--setting-sources", "user"]
    return [*words, "--resume", session] if session else words


def environment(home: Home, task: Task, carried: dict[str, str], tools: dict[str, str]) -> dict[str, str]:
    """Return the agent's whole environment: an allow-list of ours, its credential, nothing else."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {
        "LANG": "C.UTF-8",
        **kept,
        **tools,
        **carried,
        "HOME": str(home.path),
        "TMPDIR": str(home.temporary),
        "TERM": "dumb",
        "CLAUDE_CODE_TMPDIR": str(home.temporary),
        "CLAUDE_CODE_TASK_LIST_ID": task.task_id,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
        "CLAUDE_WORKERS_OUTBOX": str(home.outbox),
        "CLAUDE_WORKERS_WORKER": home.worker,
        "CLAUDE_WORKERS_TASK": task.task_id,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_EDITOR": "true",
    }

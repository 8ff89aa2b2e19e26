"""The service that keeps recovering: a systemd user unit or a launchd job, printed and never installed."""

from __future__ import annotations

import os
import plistlib
import shutil
import sys
from typing import TYPE_CHECKING

from claude_workers import paths

if TYPE_CHECKING:
    from claude_workers.paths import Layout

LABEL = "claude-workers"
# What the command needs to find the same things again. No secret is among them: a service takes those
# from credentials.env and from the references of credential sets.
_PASSED = ("PATH", "CLAUDE_WORKERS_CLAUDE", "XDG_CONFIG_HOME", "SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS",
           "GITHUB_API_URL", "GITHUB_SERVER_URL")  # fmt: skip
_UNIT = """\
# Install: claude-workers service print > ~/.config/systemd/user/{label}.service
#          systemctl --user daemon-reload && systemctl --user enable --now {label}
#          loginctl enable-linger        (or it ends with your last login)
# Secrets: it has none of your shell's; put them into {secrets}, or use credential sets.
# A proxy may hold a password and is left out, too: add Environment="HTTPS_PROXY=..." where you need one.
[Unit]
Description=Brings Claude Code workers back to work

[Service]
ExecStart={command}
{environment}
# Workers are processes of their own: they outlive a restart of this service.
KillMode=process
Restart=always
RestartSec=10

[Install]
WantedBy=default.target
"""


def command() -> list[str]:
    """Return the command that the service runs: by the name people call it by, which outlives an upgrade."""
    called = shutil.which("claude-workers")
    ours = called and os.path.realpath(called).startswith(f"{os.path.realpath(sys.prefix)}/")
    return [*([called] if called and ours else [sys.executable, "-P", "-m", "claude_workers"]), "recover", "--watch"]


def environment(layout: Layout) -> dict[str, str]:
    """Return the variables that the service needs to look after this root."""
    found = {name: os.environ[name] for name in _PASSED if os.environ.get(name)}
    return {**found, paths.ROOT_VARIABLE: str(layout.root), paths.CONFIG_VARIABLE: str(paths.config_dir())}


def systemd(layout: Layout) -> str:
    """Return a systemd user unit."""
    variables = [f"Environment={_quoted(f'{name}={value}')}" for name, value in environment(layout).items()]
    return _UNIT.format(
        label=LABEL,
        secrets=paths.config_dir() / "credentials.env",
        # systemd takes a program's own path without quotes or escapes: env(1) takes any.
        command=" ".join(["/usr/bin/env", *(_quoted(word, dollar=True) for word in command())]),
        environment="\n".join(variables),
    )


def _quoted(word: str, *, dollar: bool = False) -> str:
    """Return a word as systemd reads it back (systemd.syntax(7), systemd.service(5))."""
    word = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("\n", "\\n")
    return f'"{word.replace("$", "$$") if dollar else word}"'


def launchd(layout: Layout) -> str:
    """Return a launchd job."""
    job = {
        "Label": LABEL,
        "ProgramArguments": command(),
        "EnvironmentVariables": environment(layout),
        "RunAtLoad": True,
        "KeepAlive": True,
        # Workers are processes of their own: they outlive a restart of this job.
        "AbandonProcessGroup": True,
        "StandardErrorPath": str(layout.root / ".recover.log"),
    }
    return plistlib.dumps(job, sort_keys=False).decode()

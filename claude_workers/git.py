"""Running git in our own repositories: no prompts, no hooks, no configuration but ours."""

from __future__ import annotations

import os
import subprocess
from typing import IO, TYPE_CHECKING

from claude_workers.errors import Refused, WorkersError

if TYPE_CHECKING:
    from pathlib import Path

_OPTIONS = (
    "core.hooksPath=/dev/null",
    "core.logAllRefUpdates=always",
    "protocol.ext.allow=never",
    "gc.auto=0",
    "maintenance.auto=false",
)
_KEPT = ("PATH", "HOME", "TMPDIR", "LANG", "SSL_CERT_FILE", "SSL_CERT_DIR", "SSH_AUTH_SOCK")
LONG = 3600.0


class GitFailed(WorkersError):
    """Git ended with an error; `status` is its exit code, the message its last line."""

    code = "git"

    def __init__(self, message: str, remedy: str = "", status: int = 1) -> None:
        super().__init__(message, remedy)
        self.status = status


def environment() -> dict[str, str]:
    """Return git's environment: the operator's and the machine's git configuration left out."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    ours = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
    return {**kept, **ours, "LC_ALL": "C.UTF-8", "GIT_ASKPASS": "true"}


def run(
    *arguments: str,
    at: Path | None = None,
    timeout: float = LONG,
    accept: int = 0,
    stdin: IO[bytes] | int = subprocess.DEVNULL,
) -> bytes:
    """Run git in the bare repository `at` and return what it printed.

    Raises GitFailed for any exit status but 0 and `accept`.
    """
    options = [word for option in _OPTIONS for word in ("-c", option)]
    place = ["--git-dir", str(at)] if at else []
    try:
        done = subprocess.run(
            ["git", *options, *place, *arguments],
            stdin=stdin,
            capture_output=True,
            check=False,
            timeout=timeout,
            env=environment(),
            cwd="/",
        )
    except FileNotFoundError as error:
        raise Refused("git is not on PATH", "install it: apt-get install git") from error
    except subprocess.TimeoutExpired as error:
        raise GitFailed(f"git {arguments[0]} took longer than {timeout:.0f} s") from error
    if done.returncode not in (0, accept):
        raise GitFailed(f"git {arguments[0]}: {_said(done.stderr)}", status=done.returncode)
    return done.stdout


def _said(stderr: bytes) -> str:
    lines = [line for line in stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    refused = [line for line in lines if line.startswith(" ! ")]
    telling = [line for line in lines if line.startswith(("fatal:", "error:"))]
    return (refused or telling or lines or ["no message"])[-1].strip()[:300]


def text(*arguments: str, at: Path | None = None, timeout: float = LONG, accept: int = 0) -> str:
    """Run git and return its output as one stripped text."""
    return run(*arguments, at=at, timeout=timeout, accept=accept).decode("utf-8", "replace").strip()


def succeeds(*arguments: str, at: Path) -> bool:
    """Tell whether git answers with success; False for exit 1, GitFailed for anything worse."""
    try:
        run(*arguments, at=at)
    except GitFailed as error:
        if error.status == 1:
            return False
        raise
    return True

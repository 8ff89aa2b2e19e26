"""Git, run in our own repositories: no prompts, no hooks, no configuration but ours."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from typing import IO, TYPE_CHECKING

from claude_workers import files, paths
from claude_workers.errors import NoCredentials, NoSpace, NotFound, Refused, Unreachable, WorkersError

if TYPE_CHECKING:
    from pathlib import Path

    from claude_workers.access import Access

_OPTIONS = (
    "core.hooksPath=/dev/null",
    "core.logAllRefUpdates=always",
    "protocol.ext.allow=never",
    "gc.auto=0",
    "maintenance.auto=false",
    # Loose objects, too: else a ref may outlive a power cut that its objects did not.
    "core.fsync=committed",
    "core.fsyncMethod=batch",
    # A server that sends less than this many bytes a second for so many seconds is gone.
    "http.lowSpeedLimit=1000",
    "http.lowSpeedTime=60",
    # Never the operator's helpers: they would be asked, and told what worked.
    "credential.helper=",
)
_KEPT = ("PATH", "HOME", "TMPDIR", "LANG", "SSL_CERT_FILE", "SSL_CERT_DIR", "SSH_AUTH_SOCK", "GIT_SSL_CAINFO",
         "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy",
         "NO_PROXY", "no_proxy")  # fmt: skip
LONG = 3600.0
_TOKEN = "CLAUDE_WORKERS_GIT_TOKEN"
# Git runs this by a shell of its own; the token itself is only ever in git's environment.
_HELPER = f'!f() {{ test "$1" = get && echo username=x-access-token && echo "password=${_TOKEN}"; }}; f'
_GONE = (
    "Could not resolve host",
    "Failed to connect",
    "Connection refused",
    "Connection reset",
    "timed out",
    "too slow",
    "Empty reply",
    "early EOF",
    "unexpected disconnect",
    "returned error: 5",
    "returned error: 429",
    "HTTP 5",
    "HTTP 429",
    "Could not read from remote repository",
    "transfer closed",
    "unable to access",
)
_UNKNOWN = ("Authentication failed", "could not read Username", "could not read Password", "returned error: 401",
            "Permission denied (publickey")  # fmt: skip
_FORBIDDEN = ("returned error: 403", "Permission to ", "Host key verification failed", "Write access to repository")
_ABSENT = ("Repository not found", "returned error: 404", "not found", "does not appear to be a git repository")


class GitFailed(WorkersError):
    """Git ended with an error; `status` is its exit code, the message its last line."""

    code = "git"

    def __init__(self, message: str, remedy: str = "", status: int = 1) -> None:
        super().__init__(message, remedy)
        self.status = status


def environment(access: Access | None = None) -> dict[str, str]:
    """Return git's environment: the operator's and the machine's git configuration left out."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    ours = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
    shown = {}
    if access and access.token:
        shown[_TOKEN] = access.token
    if access and access.ssh_key:
        strict = "-o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=yes -o ConnectTimeout=20"
        hosts = shlex.quote(f'UserKnownHostsFile="{paths.config_dir() / "known_hosts"}" ~/.ssh/known_hosts')
        shown["GIT_SSH_COMMAND"] = f"ssh -i {shlex.quote(access.ssh_key)} {strict} -o {hosts}"
    return {**kept, **ours, **shown, "LC_ALL": "C.UTF-8", "GIT_ASKPASS": "true"}


def run(
    *arguments: str,
    at: Path | None = None,
    timeout: float = LONG,
    accept: int = 0,
    stdin: IO[bytes] | int = subprocess.DEVNULL,
    access: Access | None = None,
) -> bytes:
    """Run git in the bare repository `at` and return what it printed.

    `access` is what another server is shown. Raises GitFailed for any exit status but 0 and
    `accept`; where a server was asked Unreachable, NoCredentials, Refused or NotFound when it said so.
    """
    helper = (f"credential.{access.server}.helper={_HELPER}",) if access and access.token else ()
    options = [word for option in (*_OPTIONS, *helper) for word in ("-c", option)]
    place = ["--git-dir", str(at)] if at else []
    status, printed, said = _ended(["git", *options, *place, *arguments], stdin, environment(access), timeout)
    if status is None:
        late = f"git {arguments[0]} took longer than {timeout:.0f} s"
        raise Unreachable(late, "try again") if access and access.server else GitFailed(late)
    if status not in (0, accept):
        if b"No space left on device" in said:
            raise NoSpace(f"git {arguments[0]}: no space left", "free some disk space and ask again")
        if access and access.server:
            _check_server(access, said.decode("utf-8", "replace"))
        raise GitFailed(f"git {arguments[0]}: {_said(said)}", status=status)
    return printed


def _ended(
    argv: list[str], stdin: IO[bytes] | int, env: dict[str, str], timeout: float
) -> tuple[int | None, bytes, bytes]:
    """Run git to its end and return its status and what it said; no status when it took too long.

    Its helpers end with it: they hold the token in their environment.
    """
    try:
        popen = subprocess.Popen(
            argv, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, cwd="/", process_group=0
        )
    except FileNotFoundError as error:
        raise Refused("git is not on PATH", "install it: apt-get install git") from error
    with popen:
        try:
            printed, said = popen.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(popen.pid, signal.SIGKILL)
            return None, b"", b""
        except BaseException:
            os.killpg(popen.pid, signal.SIGKILL)
            raise
    return popen.returncode, printed, said


def _check_server(access: Access, said: str) -> None:
    """Raise what a server's refusal means, where it is not about the refs that were pushed."""
    lines = [line.strip()[:300] for line in said.splitlines()]
    if any(line.startswith("! [") for line in lines):
        return
    for phrases, kind in ((_UNKNOWN, NoCredentials), (_FORBIDDEN, Refused), (_ABSENT, NotFound), (_GONE, Unreachable)):
        telling = next((line for line in lines if any(one in line for one in phrases)), None)
        if telling:
            remedy = "try again" if kind is Unreachable else access.remedy
            raise kind(f"{access.server} and {access.shown}: {telling}", remedy)


def _said(stderr: bytes) -> str:
    lines = [line for line in stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    refused = [line for line in lines if line.startswith(" ! ")]
    telling = [line for line in lines if line.startswith(("fatal:", "error:"))]
    return (refused or telling or lines or ["no message"])[-1].strip()[:300]


def text(
    *arguments: str, at: Path | None = None, timeout: float = LONG, accept: int = 0, access: Access | None = None
) -> str:
    """Run git and return its output as one stripped text."""
    printed = run(*arguments, at=at, timeout=timeout, accept=accept, access=access)
    return printed.decode("utf-8", "replace").strip()


def make_bare(place: Path) -> bool:
    """Make a bare repository, whole before it takes its place; tell whether it was missing.

    The caller holds the lock of its making.
    """
    if place.exists():
        return False
    making = files.make_private(place.parent) / f"{place.name}.making"
    files.remove_tree(making)
    run("init", "--quiet", "--bare", str(making))
    making.chmod(files.PRIVATE_DIR)
    files.flush(making)
    making.rename(place)
    return True


def unlock(folder: Path, age: float = 0.0) -> None:
    """Remove git's lock files below a folder that nobody works in: whoever was killed could not.

    A killed runner's git may live a moment longer: `age` is how many seconds old a lock must be.
    """
    for path in folder.rglob("*.lock"):
        try:
            if time.time() - path.lstat().st_mtime >= age:
                path.unlink()
        except FileNotFoundError:
            continue  # its owner was only slow


def succeeds(*arguments: str, at: Path) -> bool:
    """Tell whether git answers with success; False for exit 1, GitFailed for anything worse."""
    try:
        run(*arguments, at=at)
    except GitFailed as error:
        if error.status == 1:
            return False
        raise
    return True

"""Access: what our git and our requests show a forge, a token found where the operator keeps it or an SSH key."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from claude_workers import config, credentials, paths, references
from claude_workers.errors import BadInput, NoCredentials

if TYPE_CHECKING:
    from claude_workers.model import Repository

GITHUB = "https://github.com"
API_VARIABLE, SERVER_VARIABLE = "GITHUB_API_URL", "GITHUB_SERVER_URL"
TOKENS = ("GH_TOKEN", "GITHUB_TOKEN")
_COMMAND_LIMIT = 30.0
_ADDRESS = re.compile(r"(https?)://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?(?:/[A-Za-z0-9._~/-]*)?")


@dataclass(frozen=True)
class Access:
    """What one server is shown: `server` is its address without a path, `source` where the token is kept."""

    server: str = ""
    token: str = field(default="", repr=False)
    source: str = ""
    ssh_key: str = ""
    ssh_url: str = ""

    @property
    def shown(self) -> str:
        """The credential in words, never itself."""
        return f"the key {self.ssh_key}" if self.ssh_key else f"the token of {self.source}" if self.token else "nobody"

    @property
    def remedy(self) -> str:
        """What mends a refusal."""
        if self.ssh_key:
            return f"try ssh -i {self.ssh_key} git@{urlsplit(self.server).hostname}"
        return "claude-workers doctor --repo OWNER/REPO" if self.token else "export GH_TOKEN, or gh auth login"


@dataclass(frozen=True)
class Origin:
    """A repository with what its server is shown."""

    repository: Repository
    access: Access = field(default_factory=Access)

    @property
    def name(self) -> str:
        """The repository's name."""
        return self.repository.name

    @property
    def url(self) -> str:
        """The address git is given."""
        return self.access.ssh_url or self.repository.url


def server() -> str:
    """Return the address of the forge's web pages and git: GITHUB_SERVER_URL, else github.com."""
    return _address(SERVER_VARIABLE, os.environ.get(SERVER_VARIABLE) or GITHUB)


def server_of(repository: Repository) -> str:
    """Return the address of the server a repository is on; "" for a local one."""
    parts = urlsplit(repository.url)
    return "" if repository.path is not None else f"{parts.scheme}://{parts.netloc}"


def api(at: str) -> str:
    """Return the REST address of a server: GITHUB_API_URL, or where its kind has it."""
    told = os.environ.get(API_VARIABLE)
    if told and at == server():
        return _address(API_VARIABLE, told)
    return "https://api.github.com" if at == GITHUB else f"{at}/api/v3"


def _address(variable: str, text: str) -> str:
    found = _ADDRESS.fullmatch(text)
    plain = found is not None and found[1] == "http" and found[2] in {"127.0.0.1", "localhost", "[::1]"}
    if found is None or not (found[1] == "https" or plain) or int(found[3] or 0) >= 1 << 16:
        # It is not shown: it may hold a password.
        raise BadInput(f"{variable} is no https address", "write one such as https://github.example.com")
    return text.rstrip("/")


def origin(repository: Repository) -> Origin:
    """Return a repository with its access, found anew: a token that was renewed is the new one.

    A local repository needs none. Raises NoCredentials or BadInput for a reference that leads nowhere.
    """
    if repository.path is not None:
        return Origin(repository)
    settings = config.load(repository.name)
    at = server_of(repository)
    token, source = _token(settings, at)
    key = _ssh_key(settings)
    url = settings.ssh_url or f"ssh://git@{urlsplit(at).hostname}/{repository.name}.git"
    return Origin(repository, Access(at, token, source, key, url if key else ""))


def agent_token(repository: Repository) -> str:
    """Return the token for the agent itself; NoCredentials when the credential set holds none."""
    settings = config.load(repository.name)
    reference = _set(settings).get("agent_token")
    if reference is None:
        raise NoCredentials(
            f"forge_access = worker, but {repository.name} has no agent_token",
            'write agent_token = { file = "..." } into its [credentials.NAME]',
        )
    return references.resolved(reference, "agent_token")[0]


def variables(repository: Repository) -> frozenset[str]:
    """Return the environment variables that a runner needs to find the same access."""
    if repository.path is not None:
        return frozenset()
    references = _set(config.load(repository.name)).values()
    named = {str(one["env"]) for one in references if isinstance(one, dict) and "env" in one}
    return frozenset({*TOKENS, *named, API_VARIABLE, SERVER_VARIABLE, "GH_CONFIG_DIR"})


def _ssh_key(settings: config.Settings) -> str:
    if not settings.ssh_key:
        return ""
    path = Path(settings.ssh_key).expanduser()
    if not path.is_file():
        raise BadInput(f"ssh_key {path} does not exist", "mend it in config.toml")
    return str(path)


def _set(settings: config.Settings) -> dict[str, Any]:
    if not settings.credential_set:
        return {}
    found = config.credential_set(settings.credential_set)
    unknown = sorted(set(found) - config.CREDENTIAL_KEYS)
    if unknown:
        raise BadInput(
            f"[credentials.{settings.credential_set}]: unknown key {unknown[0]!r}",
            f"known are {', '.join(sorted(config.CREDENTIAL_KEYS))}",
        )
    return found


def _token(settings: config.Settings, at: str) -> tuple[str, str]:
    """Return the token and where it came from; two empty texts when there is none."""
    reference = _set(settings).get("forge_token")
    if reference is not None:
        return references.resolved(reference, f"credential set {settings.credential_set}")
    for name in TOKENS:
        if os.environ.get(name):
            return references.checked(os.environ[name], f"${name}"), f"${name}"
    stored = credentials.read_env(paths.config_dir() / "credentials.env")
    for name in TOKENS:
        if stored.get(name):
            where = f"credentials.env ({name})"
            return references.checked(stored[name], where), where
    return _of_gh(at)


def _of_gh(at: str) -> tuple[str, str]:
    """Return the token that GitHub's own program holds for a server."""
    program = shutil.which("gh")
    if not program:
        return "", ""
    argv = [program, "auth", "token", "--hostname", str(urlsplit(at).netloc)]
    try:
        done = subprocess.run(argv, capture_output=True, check=False, timeout=_COMMAND_LIMIT)
    except (OSError, subprocess.TimeoutExpired):
        return "", ""  # it is one place among several where a token may be
    token = done.stdout.decode("utf-8", "replace").strip()
    found = done.returncode == 0 and token
    return (references.checked(token, "gh auth token"), "gh auth token") if found else ("", "")

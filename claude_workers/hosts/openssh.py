"""The line by the system's own ssh, its connections shared by ssh's multiplexing."""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from claude_workers import files
from claude_workers.errors import Refused, Unreachable, WorkersError
from claude_workers.hosts import piped
from claude_workers.hosts.line import CONNECT, Unreached, check

if TYPE_CHECKING:
    from collections.abc import Generator

    from claude_workers.hosts.line import Ended
    from claude_workers.hosts.tables import Host

_OWN_FAILURE = 255
_KEPT_OPEN = 60
_SAID = (
    ("REMOTE HOST IDENTIFICATION HAS CHANGED", "its key is not the one that is known"),
    ("Host key verification failed", "its key is not known"),
    ("Permission denied", "it lets us in with none of our keys"),
    ("Could not resolve hostname", "its address does not resolve"),
)

# What ssh says when it came to no session at all.
_NOT_BEGUN = ("ssh: connect to host", "kex_exchange_identification", "banner exchange")


class OpenSSH:
    """One host by way of ssh(1), which obeys ~/.ssh/config whole: FIDO keys, ProxyCommand and all."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def _argv(self, *options: str) -> list[str]:
        host = self._host
        settings = {
            "ServerAliveInterval": "15", "ServerAliveCountMax": "3", "LogLevel": "ERROR",
            "ControlMaster": "auto", "ControlPath": f"{_sockets()}/%C", "ControlPersist": str(_KEPT_OPEN),
        }  # fmt: skip
        words = [
            "ssh",
            "-F",
            _settings(),
            *(word for name, value in settings.items() for word in ("-o", f"{name}={value}")),
        ]
        words += ["-p", str(host.port)] if host.port else []
        words += ["-l", host.user] if host.user else []
        words += ["-i", str(Path(host.key).expanduser()), "-o", "IdentitiesOnly=yes"] if host.key else []
        return [*words, *options, "--", host.address]

    def execute(self, command: str, stdin: bytes, limit: float | None) -> Generator[bytes, None, Ended]:
        """Run a command; see `line.Line`."""
        ended = yield from piped.run([*self._argv("-T"), command], stdin, limit, self._host.name)
        if ended.status == _OWN_FAILURE:
            raise self._failure(ended.stderr)
        return ended

    def interactive(self, command: str) -> int:
        """Run a command at this terminal; see `line.Line`."""
        try:
            status = subprocess.run([*self._argv("-t"), command], check=False).returncode
        except FileNotFoundError as error:
            raise piped.missing("ssh") from error
        if status == _OWN_FAILURE:
            # Or the command's own: then the host answers still.
            for _ in self.execute("true", b"", CONNECT):
                pass
        return status

    def close(self) -> None:
        """End the shared connection."""
        subprocess.run([*self._argv("-O", "exit")], capture_output=True, check=False)

    def _failure(self, said: str) -> WorkersError:
        name, lines = self._host.name, said.strip().splitlines()
        for words, meaning in _SAID:
            if words in said:
                kind = Unreached if "resolve" in meaning else Refused
                return kind(f"host {name}: {meaning}", check(self._host.name))
        broken = Unreached if any(words in said for words in _NOT_BEGUN) else Unreachable
        return broken(f"host {name}: {lines[-1] if lines else 'ssh failed'}", check(self._host.name))


def _settings() -> str:
    """Return a file of settings that count for jump hosts, too: of those, an ssh is begun with this file alone."""
    own = Path("~/.ssh/config").expanduser()
    first = f"BatchMode yes\nStrictHostKeyChecking yes\nConnectTimeout {CONNECT:.0f}\n"
    text = f'Host *\n{first}Include "{own}"\nMatch all\nInclude /etc/ssh/ssh_config\n'
    path = Path(_sockets(), "config")
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        files.write_atomic(path, text)
    return str(path)


def _sockets() -> str:
    """Return the private folder of the shared connections' sockets, whose paths must be short."""
    folder = Path(tempfile.gettempdir(), f"claude-workers-ssh-{os.geteuid()}")
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = os.lstat(folder)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise Refused(f"{folder} is not a private folder of ours", "remove it")
    return str(folder)

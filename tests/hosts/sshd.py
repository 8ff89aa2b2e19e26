"""A real sshd on loopback, with throw-away keys, whose users find what the test gives them."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

from tests.conftest import missing

_PATIENCE = 30.0
_TRIES = 5


def key(path: Path) -> Path:
    """Make a key pair and return the private one's path."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path


class Sshd:
    """A server that lets one key in; `env` is what every session of it finds in its environment.

    `authorized` is a file of keys that the user who logs in may read, where that is not root.
    """

    def __init__(
        self, folder: Path, client: Path, env: dict[str, str] | None = None, authorized: Path | None = None
    ) -> None:
        program = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
        if program is None or os.geteuid() != 0:
            missing("sshd, as root")
        folder.mkdir(parents=True)
        self.folder = folder
        self.key = key(folder / "host")
        self.port = 0
        if authorized is None:
            authorized = folder / "authorized"
            authorized.write_text(client.with_suffix(".pub").read_text("utf-8"), encoding="utf-8")
        lines = [
            "ListenAddress 127.0.0.1", f"HostKey {self.key}", "PidFile none", "UsePAM no",
            f"AuthorizedKeysFile {authorized}", "StrictModes no", "PasswordAuthentication no",
            "KbdInteractiveAuthentication no", "PermitRootLogin yes", "MaxSessions 100", "PrintMotd no",
            *(["SetEnv " + " ".join(f'"{name}={value}"' for name, value in env.items())] if env else []),
        ]  # fmt: skip
        (folder / "config").write_text("\n".join(lines) + "\n", encoding="utf-8")
        os.makedirs("/run/sshd", exist_ok=True)
        self._argv = [str(program), "-D", "-e", "-f", str(folder / "config")]

    def __enter__(self) -> Self:
        # Between our look for a free port and the server's taking it another test may take it.
        for _ in range(_TRIES):
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.port = probe.getsockname()[1]
            if self._started():
                return self
        raise AssertionError("sshd does not start")

    def _started(self) -> bool:
        with tempfile.TemporaryFile("a+") as log:
            self._popen = subprocess.Popen([*self._argv, "-p", str(self.port)], stdout=log, stderr=log)
            deadline = time.monotonic() + _PATIENCE
            while self._popen.poll() is None and time.monotonic() < deadline:
                log.seek(0)
                if f"listening on 127.0.0.1 port {self.port}" in log.read():
                    return True
                time.sleep(0.02)
        self._popen.kill()
        self._popen.wait()
        return False

    def __exit__(self, *_: object) -> None:
        self._popen.terminate()
        self._popen.wait()

    def reload(self) -> None:
        """Serve by what the configuration says now."""
        self.__exit__()
        assert self._started()

    def known(self, other: Path | None = None) -> str:
        """Return the line of known_hosts that names this server's key, or another's in its place."""
        public = (other or self.key).with_suffix(".pub").read_text("utf-8").split()
        return f"[127.0.0.1]:{self.port} {public[0]} {public[1]}\n"

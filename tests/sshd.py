"""An SSH server: a real sshd on loopback that lets this very user in with a key of the test's."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import missing

_CONFIG = """
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
PidFile none
StrictModes no
UsePAM no
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
"""


@dataclass(frozen=True)
class Sshd:
    """A running server: its port, the private key that opens it, and its line for known_hosts."""

    port: int
    key: Path
    known_hosts: str

    @property
    def user(self) -> str:
        """The account that may log in."""
        return getpass.getuser()


def serve(folder: Path) -> Iterator[Sshd]:
    """Run a server whose keys are in a folder, until the caller is done."""
    program = shutil.which("sshd") or "/usr/sbin/sshd"
    if not os.path.exists(program):
        missing("sshd (apt-get install openssh-server)")
    folder.mkdir(parents=True)
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (folder / "config").write_text(_CONFIG.format(port=port, folder=folder), encoding="utf-8")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    log = folder / "log"
    with open(log, "wb") as said:
        running = subprocess.Popen([program, "-D", "-e", "-f", folder / "config"], stderr=said)
    try:
        _wait(port, running, log)
        host = " ".join((folder / "host.pub").read_text(encoding="utf-8").split()[:2])
        yield Sshd(port, folder / "user", f"[127.0.0.1]:{port} {host}\n")
    finally:
        running.terminate()
        running.wait()


def _wait(port: int, running: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and running.poll() is None:
        with socket.socket() as knock:
            if knock.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError(log.read_text(encoding="utf-8"))

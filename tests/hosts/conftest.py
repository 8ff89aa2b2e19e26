"""Fixtures: a client with a key and a home of its own, and a server that knows it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from claude_workers import Fleet
from claude_workers.hosts import registry
from tests.cli.conftest import cli as cli
from tests.fly.conftest import fly as fly
from tests.fly.conftest import host as fly_app  # noqa: F401  a fixture by another name
from tests.hosts.sshd import Sshd, key


class Client:
    """Whoever connects: a home with keys and what it knows of hosts."""

    def __init__(self, home: Path) -> None:
        self.folder = home / ".ssh"
        self.folder.mkdir(mode=0o700)
        self.key = key(self.folder / "id_ed25519")

    def knows(self, *lines: str) -> None:
        """Write known_hosts."""
        (self.folder / "known_hosts").write_text("".join(lines), encoding="utf-8")

    def configure(self, text: str) -> None:
        """Write ~/.ssh/config."""
        (self.folder / "config").write_text(text, encoding="utf-8")


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    """A client whose ssh(1), which asks the password file for its home, looks into the test's."""
    made = Client(Path(os.environ["HOME"]))
    programs = tmp_path / "client"
    programs.mkdir()
    own = f"-F {made.folder}/config -o UserKnownHostsFile={made.folder}/known_hosts -o IdentityFile={made.key}"
    (programs / "ssh").write_text(f'#!/bin/sh\nexec /usr/bin/ssh {own} "$@"\n', encoding="utf-8")
    (programs / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "t"))
    made.configure("")
    made.knows()
    return made


@pytest.fixture
def server(tmp_path: Path, client: Client) -> Iterator[Sshd]:
    """A server that the client knows."""
    with Sshd(tmp_path / "sshd", client.key) as running:
        client.knows(running.known())
        yield running


PASSED = ("CLAUDE_WORKERS_CLAUDE", "ANTHROPIC_API_KEY")


class Remote:
    """Another machine: a root, a configuration and the program of its own, behind an sshd."""

    def __init__(self, folder: Path, client: Client) -> None:
        programs = folder / "bin"
        programs.mkdir(parents=True)
        self.root = folder / "workers"
        self.program = programs / "claude-workers"
        self.program.write_text(f'#!/bin/sh\nexec {sys.executable} -m claude_workers "$@"\n', encoding="utf-8")
        self.program.chmod(0o755)
        # What the wrapper puts before PATH must not be found instead.
        env = {name: os.environ[name] for name in PASSED}
        env |= {"CLAUDE_WORKERS_ROOT": str(self.root), "CLAUDE_WORKERS_CONFIG_DIR": str(folder / "config"),
                "HOME": str(folder / "home"), "PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin"}  # fmt: skip
        (folder / "home").mkdir()
        self.sshd = Sshd(folder / "sshd", client.key, env)

    def stop(self) -> None:
        """Stop every task there."""
        if self.root.is_dir():
            Fleet(self.root).stop_all()


@pytest.fixture
def remote(tmp_path: Path, client: Client) -> Iterator[Remote]:
    """A machine that is known here as vps."""
    made = Remote(tmp_path / "vps", client)
    with made.sshd as sshd:
        client.knows(sshd.known())
        registry.add(registry.parsed("vps", f"root@127.0.0.1:{sshd.port}"))
        yield made
        made.stop()


@pytest.fixture
def office(tmp_path: Path, client: Client, remote: Remote) -> Iterator[Remote]:
    """A second machine, beside vps, that is known here as office."""
    made = Remote(tmp_path / "office", client)
    with made.sshd as sshd:
        client.knows(remote.sshd.known(), sshd.known())
        registry.add(registry.parsed("office", f"root@127.0.0.1:{sshd.port}"))
        yield made
        made.stop()

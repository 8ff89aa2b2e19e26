"""Fixtures: a client with a key and a home of its own, and a server that knows it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

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

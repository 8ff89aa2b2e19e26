"""Fixtures: Fly on loopback, and a host of it in hosts.toml."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from claude_workers import Fleet, paths
from claude_workers.home.sets import whole
from claude_workers.hosts import opened, registry
from tests.cli.conftest import cli as cli
from tests.fly.fake import TOKEN, FakeFly

HOST = """
[hosts.fly]
kind = "fly"
app = "my-workers"
org = "personal"
region = "ord"
image = "registry.fly.io/my-workers:agent"
credential_set = "team"
"""
CONFIG = """
[credentials.team]
api_key = { env = "ANTHROPIC_API_KEY" }
"""


@pytest.fixture
def fly(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeFly]:
    """Fly, with nothing in it."""
    # A socket's path is short: a test's own folder is not always.
    with tempfile.TemporaryDirectory(prefix=f"cw-fly-{os.getpid()}-") as folder:
        made = FakeFly(Path(folder) / "fly")
        monkeypatch.setenv("FLY_FLAPS_BASE_URL", made.url)
        monkeypatch.setenv("FLY_API_TOKEN", TOKEN)
        yield made
        made.close()
        for log in Path(folder).glob("fly/*/log"):
            print(f"{log.parent.name}: {log.read_text('utf-8')}")
        assert not made.violations, made.violations[:5]


@pytest.fixture
def host(fly: FakeFly, monkeypatch: pytest.MonkeyPatch) -> FakeFly:
    """Fly with an app, which hosts.toml names, and the credentials of its workers; nobody waits long."""
    monkeypatch.setattr("claude_workers.machines.life.STAY", 2.0)
    monkeypatch.setattr("claude_workers.hosts.watching._LOOK", 0.2)
    write_host()
    fly.apps["my-workers"] = {"id": "my-workers", "name": "my-workers", "status": "deployed"}
    return fly


def write_host(more: str = "", settings: str = "") -> None:
    """Write hosts.toml, settings, and the credential set."""
    folder = paths.config_dir()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "hosts.toml").write_text(HOST + more, encoding="utf-8")
    (folder / "config.toml").write_text(settings + CONFIG, encoding="utf-8")


def given(*workers: str) -> Fleet:
    """Give the host its credentials, and make workers there."""
    opened.housed(registry.find("fly")).keep_credentials({"team": whole("team")}, force=False)
    fleet = Fleet()
    fleet.init(*[f"fly/{one}" for one in workers])
    return fleet

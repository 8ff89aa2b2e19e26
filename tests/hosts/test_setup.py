"""Setting a machine up: an ordinary account, to which the program comes whole, beside the one that runs there."""

from __future__ import annotations

import json
import os
import subprocess
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest

from claude_workers import Fleet
from claude_workers.hosts import registry, wheel
from tests.cli.conftest import Cli
from tests.conftest import CHECKOUT, make_repository
from tests.hosts.account import Account
from tests.hosts.conftest import Client
from tests.hosts.sshd import Sshd
from tests.racing import until
from tests.stage import ADD, DONE, WAIT, steps

KEY = "ANTHROPIC_API_KEY=sk-ant-test-key-0123456789\n"


class Bare:
    """A machine where nothing of ours is installed, known here as vps."""

    def __init__(self, account: Account, sshd: Sshd, client: Client) -> None:
        self.account = account
        self._words = ["ssh", "-p", str(sshd.port), f"{account.name}@127.0.0.1"]
        client.knows(sshd.known())
        registry.add(registry.parsed("vps", f"{account.name}@127.0.0.1:{sshd.port}"))

    def by_hand(self, command: str) -> str:
        """Run a command as a person does, by ssh, and return what it prints."""
        return subprocess.run([*self._words, command], capture_output=True, text=True, check=True).stdout

    def programs(self) -> list[str]:
        """Return the environments that the program is in there."""
        base = self.account.home / ".local/share/claude-workers"
        return sorted(path.name for path in base.iterdir()) if base.is_dir() else []


@pytest.fixture
def bare(tmp_path: Path, client: Client) -> Iterator[Bare]:
    """A machine, its sshd and an account."""
    with Account(client.key) as account:
        with Sshd(
            tmp_path / "vps", account.home / ".ssh/unused", authorized=account.home / ".ssh/authorized_keys"
        ) as sshd:
            yield Bare(account, sshd, client)


def states(cli: Cli, *words: str) -> dict[str, str]:
    """Return the steps of a set-up by name."""
    return {
        one["what"]: one["state"] for one in json.loads(cli("host", "setup", "vps", "--json", *words).stdout)["steps"]
    }


def test_the_wheel_is_the_program_to_the_byte_and_the_same_each_time() -> None:
    made = wheel.build()
    assert made == wheel.build()
    with zipfile.ZipFile(BytesIO(made.content)) as archive:
        names = set(archive.namelist())
        assert (
            archive.read("claude_workers/hosts/probe.sh") == (CHECKOUT / "claude_workers/hosts/probe.sh").read_bytes()
        )
        stand_in = archive.getinfo("claude_workers/testing/stand_in.py")
        assert stand_in.external_attr >> 16 & 0o111
    assert "claude_workers/templates/worker/prompt.md" in names
    assert not any("__pycache__" in name for name in names)


def test_an_account_gets_the_very_program_and_keeps_what_runs(bare: Bare, cli: Cli, calc: Path) -> None:
    assert states(cli, "--dry-run")["program"] == "wanted"
    assert bare.programs() == []
    assert "host setup vps" in cli.refused(3, "init", "vps/01")
    done = states(cli)
    assert (done["program"], done["path"], done["name"]) == ("done", "done", "done")
    assert bare.by_hand("claude-workers --version; claude-workers config host_name").split()[-2:] == ["0.1.0", "vps"]
    assert set(states(cli).values()) == {"there"}
    [first] = bare.programs()
    # A whole life there, by somebody who may do nothing.
    bare.account.write(".config/claude-workers/credentials.env", KEY)
    make_repository(bare.account.home / "calc")
    bare.account.own("")
    cli.ok("init", "vps/01")
    fleet = Fleet()
    task = fleet.dispatch("vps/01", "~/calc", prompt=steps(ADD, WAIT, DONE))
    assert task.host == "vps"
    until(lambda: fleet.status(["vps/01"])[0].phase == "working", "the agent works")
    # A newer program comes meanwhile, and finds one that nobody runs any more, and a home that nobody works in.
    cli.ok("init", "vps/02")
    rendered = bare.account.home / "workers/02/.claude/CLAUDE.md"
    rendered.write_text("of an older one\n", encoding="utf-8")
    base = bare.account.home / ".local/share/claude-workers"
    (base / first / "digest").write_text("older", encoding="utf-8")
    bare.account.write(".local/share/claude-workers/done-with/digest", "oldest")
    bare.account.own("")
    assert states(cli)["program"] == "done"
    [second] = [one for one in bare.programs() if one != first]
    assert bare.by_hand("readlink .local/bin/claude-workers").strip().endswith(f"/{second}/bin/claude-workers")
    assert first in bare.programs()
    assert "older" not in rendered.read_text("utf-8")
    (bare.account.home / "workers/01/.cache/go").touch()
    [receipt] = fleet.watch(["vps/01"], timeout=60)
    assert receipt.outcome == "pull_request"
    assert "vps/01" in cli.ok("status")


def test_what_a_person_must_do_is_said_and_nothing_is_overwritten(bare: Bare, cli: Cli) -> None:
    link = bare.account.home / ".local/bin/claude-workers"
    link.write_text("#!/bin/sh\necho mine\n", encoding="utf-8")
    link.chmod(0o755)
    done = cli("host", "setup", "vps", "--json")
    program = next(one for one in json.loads(done.stdout)["steps"] if one["what"] == "program")
    assert (done.returncode, program["state"]) == (1, "blocked")
    assert "remove it" in program["remedy"]
    assert link.read_text("utf-8").endswith("mine\n")
    assert bare.programs() == []


def test_an_installation_that_fails_leaves_nothing_and_says_why(bare: Bare, cli: Cli) -> None:
    bare.account.write(".config/pip/pip.conf", "[global]\nno-index = true\nfind-links = /nowhere\n")
    done = cli("host", "setup", "vps", "--json")
    steps_done = json.loads(done.stdout)["steps"]
    assert (done.returncode, steps_done[-1]["what"], steps_done[-1]["state"]) == (1, "program", "failed")
    assert "No matching distribution" in steps_done[-1]["said"]
    assert bare.programs() == []
    assert not os.path.lexists(bare.account.home / ".local/bin/claude-workers")


def test_a_bare_machine_says_what_it_lacks(bare: Bare, cli: Cli) -> None:
    done = cli("host", "check", "vps", "--json")
    found = {one["what"]: one for one in json.loads(done.stdout)["findings"]}
    assert done.returncode == 1
    assert (found["reached"]["state"], found["program"]["state"]) == ("ok", "failed")
    assert found["program"]["remedy"] == "claude-workers host setup vps"


def test_this_machine_is_looked_at_by_the_same_plan(cli: Cli) -> None:
    told = json.loads(cli("host", "setup", "--dry-run", "--json").stdout)
    assert told["host"] == "local"
    assert {one["what"] for one in told["steps"]} >= {"packages", "program", "claude", "user namespaces", "name"}

"""The verbs of hosts: added with a key that is accepted, listed, examined, removed."""

from __future__ import annotations

import json
import os
import subprocess
import tomllib
from pathlib import Path

import pytest

from claude_workers.hosts import registry
from tests.cli.conftest import Cli
from tests.conftest import CHECKOUT
from tests.hosts.conftest import Client, Remote
from tests.hosts.sshd import Sshd
from tests.terminal import Person


def fingerprint(server: Sshd) -> str:
    """Return what a person reads on the machine itself."""
    told = subprocess.run(["ssh-keygen", "-lf", server.key], capture_output=True, text=True, check=True).stdout
    return told.split()[1]


def test_a_host_is_added_by_the_fingerprint_that_a_person_knows(server: Sshd, client: Client, cli: Cli) -> None:
    client.knows()
    target = f"root@127.0.0.1:{server.port}"
    done = cli("host", "add", "vps", target, "--key", str(client.key))
    assert (done.returncode, fingerprint(server) in done.stderr) == (6, True)
    assert "host accept vps" in done.stderr
    assert registry.find("vps").key == str(client.key)
    assert "not" in cli.refused(6, "host", "accept", "vps", "--fingerprint", "SHA256:another")
    assert "answers" in cli.ok("host", "accept", "vps", "--fingerprint", fingerprint(server))
    assert f"[127.0.0.1]:{server.port}" in (client.folder / "known_hosts").read_text("utf-8")
    assert "answers" in cli.ok("host", "accept", "vps")
    assert json.loads(cli.ok("host", "list", "--json"))["hosts"][0]["port"] == server.port
    assert target in cli.ok("host", "list")
    cli.refused(4, "host", "add", "vps", target)
    cli.ok("host", "remove", "vps")
    cli.refused(3, "host", "remove", "vps")
    assert "no hosts" in cli.ok("host", "list")


def test_a_person_is_shown_the_key_and_asked(server: Sshd, client: Client, tmp_path: Path) -> None:
    client.knows()
    words = ["host", "add", "vps", f"root@127.0.0.1:{server.port}", "--key", str(client.key)]
    with Person(words, tmp_path) as person:
        person.until(fingerprint(server))
        person.type("y\r")
        assert person.end() == 0


def test_words_that_are_no_host_are_refused(cli: Cli) -> None:
    cli.refused(2, "host", "add", "vps", "a b")
    cli.refused(2, "host", "add", "local", "root@1.2.3.4")
    cli.refused(2, "host", "add", "vps", "root@1.2.3.4", "--transport", "telnet")
    cli.refused(3, "host", "check", "vps")
    cli.refused(3, "host", "accept", "vps")
    cli.refused(3, "status", "vps/01")
    cli.refused(3, "--on", "vps", "status")


def test_a_host_examines_itself(remote: Remote, cli: Cli) -> None:
    done = cli("host", "check", "vps", "--json")
    findings = {one["what"]: one["state"] for one in json.loads(done.stdout)["findings"]}
    assert (findings["reached"], findings["program"]) == ("ok", "ok")
    assert {"packages", "git", "isolation", "memory", "login"} <= set(findings)
    remote.program.unlink()
    done = cli("host", "check", "vps")
    assert done.returncode == 1
    assert "claude-workers is not there; claude-workers host setup vps" in done.stdout


def test_the_example_is_sound_and_names_every_key() -> None:
    text = (CHECKOUT / "hosts.example.toml").read_text("utf-8")
    folder = Path(os.environ["CLAUDE_WORKERS_CONFIG_DIR"])
    folder.mkdir()
    (folder / "hosts.toml").write_text(text, encoding="utf-8")
    assert [one.name for one in registry.every()] == ["vps", "office"]
    named = {key for table in tomllib.loads(text)["hosts"].values() for key in table}
    assert named == set(registry.Host.__dataclass_fields__) - {"name", "kind"}


@pytest.mark.parametrize(
    "words",
    ["gc", "gc --yes", "budget", "recover --watch", "update", "assign o/r 1", "release o/r 1", "follow o/r 1 --once",
     "doctor", "ticket list", "path", "service print", "config"],
)  # fmt: skip
def test_what_only_this_machine_can_be_asked_is_never_done_here_in_place_of_there(cli: Cli, words: str) -> None:
    registry.add(registry.parsed("vps", "root@127.0.0.1:1"))
    said = cli.refused(2, "--on", "vps", *words.split())
    assert "vps" in said

"""The verbs of hosts: added with a key that is accepted, listed, examined, removed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from claude_workers import Fleet
from claude_workers.errors import Elsewhere
from claude_workers.hosts import registry, tables
from claude_workers.tickets.tickets import Tickets
from tests.cli.conftest import Cli
from tests.conftest import CHECKOUT
from tests.hosts.conftest import Client, Remote
from tests.hosts.sshd import Sshd
from tests.racing import until
from tests.stage import ADD, DONE, HANG, steps
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
    assert [one.name for one in registry.every()] == ["vps", "fly", "box", "office"]
    named = {key for table in tomllib.loads(text)["hosts"].values() for key in table}
    assert named == set(tables.Host.__dataclass_fields__) - {"name"}


VERBS = ["gc", "gc --yes", "budget --by worker", "recover --watch", "update --dry-run", "assign o/r 1", "release o/r 1",
         "follow o/r 1 --once", "doctor", "ticket list", "path", "service print", "config", "refresh"]  # fmt: skip


@pytest.mark.parametrize("words", VERBS)
def test_what_another_machine_is_asked_is_never_done_here_in_its_place(cli: Cli, words: str) -> None:
    registry.add(registry.parsed("vps", "root@127.0.0.1:1"))
    assert "vps" in cli.refused(5, "--on", "vps", *words.split())


def test_a_verb_of_one_machine_is_asked_of_another(remote: Remote, cli: Cli, calc: Path) -> None:
    place = json.loads(cli.ok("path", "--on", "vps", "--json"))
    assert place["root"] == str(remote.root)
    assert str(remote.root) in cli.ok("--on=vps", "path")
    text = "two\nlines; $(id) 'quoted' \u2028"
    assert (
        cli.ok("ticket", "create", "A title; $(id)", "--description", text, "--repo", str(calc), "--on", "vps") == "1\n"
    )
    shown = json.loads(cli.ok("ticket", "show", "1", "--json", "--on", "vps"))
    assert (shown["title"], shown["description"]) == ("A title; $(id)", text)
    assert "no tickets" in cli.ok("ticket", "list").lower()
    assert cli("ticket", "show", "9", "--on", "vps").returncode == 1
    assert cli.ok("config", "time_limit", "2h", "--on", "vps") == "7200.0\n"
    assert cli.ok("config", "time_limit") == "14400.0\n"
    assert "ExecStart" in cli.ok("service", "print", "--systemd", "--on", "vps")
    assert "git" in cli("doctor", "--on", "vps").stdout
    done = cli("config", "time_limit", "soon", "--on", "vps")
    assert (done.returncode, done.stderr.count("\n"), "claude-workers --on vps config" in done.stderr) == (2, 1, True)


def test_the_library_asks_another_machine_for_the_same_records(remote: Remote, calc: Path) -> None:
    there, here = Fleet(on="vps"), Fleet(remote.root)
    there.init("01")
    task = there.dispatch("01", str(calc), prompt=steps(ADD, DONE))
    assert there.watch(["01"], timeout=60)[0].outcome == "pull_request"
    assert there.budget("worker") == here.budget("worker")
    assert [one.worker for one in here.history()] == ["01"]
    assert [one.name for one in there.gc(0)] == [one.name for one in here.gc(0)] != []
    there.gc(0, delete=True)
    assert not (remote.root / "01/runs" / task.task_id).exists()
    number = Tickets(here.layout.tickets).create(str(calc), "Add", steps(ADD, DONE), "ann")
    [made] = there.assign(str(calc), [number])
    assert (made.worker, made.issue) == ("vps/01", number)
    there.watch(["01"], timeout=60)
    assert there.release(str(calc), number) is None
    with pytest.raises(Elsewhere):
        there.update()


def test_signs_of_life_are_no_part_of_what_is_printed(remote: Remote, cli: Cli) -> None:
    script = "from claude_workers.hosts import wire; wire.PULSE = .01; from claude_workers.cli.main import main; main()"
    remote.program.write_text(f"#!/bin/sh\nexec {sys.executable} -c '{script}' \"$@\"\n", encoding="utf-8")
    said = cli("doctor", "--on", "vps").stdout
    assert "\0" not in said
    assert all(line.startswith(("+ ", "~ ", "! ")) for line in said.splitlines())


def test_an_issue_that_is_left_behind_over_there_is_told_with_the_way_out(remote: Remote, cli: Cli, calc: Path) -> None:
    fleet = Fleet()
    fleet.init("vps/01")
    number = Tickets(Fleet(remote.root).layout.tickets).create(str(calc), "Add", steps(HANG), "ann")
    fleet.dispatch("vps/01", str(calc), number)
    until(lambda: fleet.status(["vps/01"])[0].phase == "working", "the agent works")
    [row] = fleet.status(["vps/01"])
    os.kill(int(row.pid or 0), signal.SIGKILL)
    until(lambda: fleet.status(["vps/01"])[0].state == "crashed", "the crash is seen")
    said = cli.ok("status", "--on", "vps")
    assert f"left behind: {calc}#{number}, worker vps/01 is crashed: claude-workers restart vps/01" in said


@pytest.mark.parametrize("verb", ["attach", "enter", "login"])
def test_without_a_terminal_nobody_comes_in_over_there_either(remote: Remote, cli: Cli, verb: str) -> None:
    Fleet().init("vps/01")
    done = cli(verb, "vps/01", "--json")
    assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (2, "usage")
    assert "needs a terminal" in done.stderr


def test_of_many_that_add_or_remove_one_host_one_does(cli: Cli) -> None:
    def all_at_once(*words: str) -> list[int]:
        with ThreadPoolExecutor(4) as threads:
            targets = [[f"u{number}@127.0.0.1:1"] if words[1] == "add" else [] for number in range(4)]
            return sorted(threads.map(lambda target: cli(*words, *target).returncode, targets))

    assert all_at_once("host", "add", "same") == [4, 4, 4, 5]
    assert all_at_once("host", "remove", "same") == [0, 3, 3, 3]


def test_a_key_is_kept_where_it_is_looked_for(server: Sshd, client: Client, cli: Cli) -> None:
    client.knows()
    other = client.folder / "known_hosts.work"
    client.configure(f"Host *\n  UserKnownHostsFile {other}\n")
    words = ["host", "add", "vps", f"root@127.0.0.1:{server.port}", "--key", str(client.key)]
    assert "answers" in cli.ok(*words, "--fingerprint", fingerprint(server))
    assert len(other.read_text("utf-8").splitlines()) == 1
    assert (client.folder / "known_hosts").read_text("utf-8") == ""


def test_what_goes_wrong_in_one_host_is_told_of_it(remote: Remote, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(os.environ["HOME"], ".fabric.yaml").write_text("{", encoding="utf-8")
    Fleet().init("vps/01")
    assert "idle" in cli.ok("status")
    monkeypatch.setattr("claude_workers.hosts.there.There.status", lambda *_: 1 // 0)
    rows, faults = Fleet().survey()
    assert (rows, [one.message for one in faults]) == (
        [], ["host vps: ZeroDivisionError: integer division or modulo by zero"]
    )  # fmt: skip
    registry.remove("vps")
    with registry.file().open("a", encoding="utf-8") as table:
        table.write('[hosts.vps]\naddress = "a"\nkey = "~nosuchuser/x"\n')
    assert "key" in cli.refused(2, "status")

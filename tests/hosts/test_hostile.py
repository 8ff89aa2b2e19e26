"""What a host meets that means no good or is not well: words for a shell, a full disk, itself in its own list."""

from __future__ import annotations

import contextlib
import dataclasses
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from claude_workers import Fleet, WorkersError
from claude_workers.hosts import registry, tables
from tests.cli.conftest import Cli
from tests.hosts.conftest import Remote
from tests.hosts.sshd import Sshd
from tests.stage import ADD, DONE, steps
from tests.terminal import Person

# Out of single quotes, out of double ones, and what is read within and without them.
SHELL = ["'; touch {0} #", '"; touch {0}; $(touch {0}) `touch {0}`\n touch {0}\n | touch {0} #']


@pytest.fixture
def trap(tmp_path: Path) -> Iterator[Path]:
    """A file that is there when a shell has read what was no program of ours."""
    path = tmp_path / "trap"
    yield path
    assert not path.exists()


Field = Callable[[Fleet, str, Path], object]
FIELDS: dict[str, Field] = {
    "worker": lambda fleet, bad, _calc: fleet.init(f"vps/{bad}"),
    "label": lambda fleet, bad, _calc: fleet.init("vps/02", label=bad),
    "credentials": lambda fleet, bad, _calc: fleet.init("vps/02", credentials=bad),
    "repository": lambda fleet, bad, _calc: fleet.dispatch("vps/01", f"~/{bad}", prompt="x"),
    "owner/repo": lambda fleet, bad, _calc: fleet.dispatch("vps/01", f"owner/{bad}", 1),
    "base": lambda fleet, bad, calc: fleet.dispatch("vps/01", str(calc), prompt="x", base=bad),
    "model": lambda fleet, bad, calc: fleet.dispatch("vps/01", str(calc), prompt=steps(DONE), model=bad),
    "prompt": lambda fleet, bad, calc: fleet.dispatch("vps/01", str(calc), prompt=bad),
    "template": lambda fleet, bad, calc: fleet.dispatch("vps/01", str(calc), prompt="x", prompt_template=bad),
    "expect": lambda fleet, bad, calc: fleet.dispatch("vps/01", str(calc), prompt="x", expect=bad),
    "task": lambda fleet, bad, calc: fleet.dispatch("vps/01", str(calc), prompt="x", task_id=bad),
    "text": lambda fleet, bad, _calc: fleet.tell("vps/01", bad),
    "cursor": lambda fleet, bad, _calc: list(fleet.logs("vps/01", since=bad)),
    "shown": lambda fleet, bad, _calc: fleet.show(f"vps/{bad}"),
    "target": lambda fleet, bad, _calc: fleet.restore("vps/01", bad),
    "reason": lambda _fleet, bad, _calc: Fleet(on="vps").pause(bad),
    "issues": lambda _fleet, bad, calc: list(Fleet(on="vps").assign(str(calc), label=bad)),
    "isolation": lambda fleet, bad, calc: fleet.order("vps/01", str(calc), None, steps(DONE), isolation=bad),
}


@pytest.mark.parametrize("name", FIELDS)
def test_no_field_is_read_by_a_shell(name: str, remote: Remote, calc: Path, trap: Path) -> None:
    fleet = Fleet()
    fleet.init("vps/01")
    for pattern in SHELL:
        with contextlib.suppress(WorkersError):
            FIELDS[name](fleet, pattern.format(trap), calc)
        with contextlib.suppress(WorkersError):
            fleet.stop("vps/01")


def test_no_folder_of_homes_is_read_by_a_shell(remote: Remote, tmp_path: Path) -> None:
    for number, pattern in enumerate(SHELL):
        root = f"{tmp_path}/{number} {pattern.format('trap')}".replace("\n", "")
        registry.remove("vps")
        registry.add(registry.parsed("vps", f"root@127.0.0.1:{remote.sshd.port}", root=root))
        Fleet().init("vps/01")
        assert Path(root, "01").is_dir()
        assert Fleet().status(["vps/01"])[0].state == "idle"
    assert not list((remote.root.parent / "home").glob("*trap*"))


def test_no_key_file_is_read_by_a_shell(remote: Remote, trap: Path) -> None:
    for transport in tables.TRANSPORTS:
        for pattern in SHELL:
            host = dataclasses.replace(registry.find("vps"), transport=transport)
            if "\n" in pattern:
                continue  # it is none that hosts.toml may hold
            registry.remove("vps")
            registry.add(dataclasses.replace(host, key=f"/nowhere/{pattern.format(trap)}"))
            with pytest.raises(WorkersError):
                Fleet().status(["vps/01"])


def test_no_word_of_a_person_s_verbs_is_read_by_a_shell(remote: Remote, tmp_path: Path, trap: Path) -> None:
    Fleet().init("vps/01")
    for number, pattern in enumerate(SHELL):
        folder = tmp_path / str(number)
        folder.mkdir()
        with Person(["enter", "vps/01", "--", "echo", f"said:{pattern.format(trap)}:"], folder) as person:
            person.until("said:")
            assert person.end() == 0


def test_a_full_disk_over_there_is_told_in_a_line_and_nothing_is_begun(remote: Remote, calc: Path, cli: Cli) -> None:
    remote.root.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", remote.root], check=False).returncode:
        pytest.skip("no tmpfs can be mounted here")
    try:
        Fleet().init("vps/01")
        with (remote.root / "filler").open("wb", buffering=0) as filler, contextlib.suppress(OSError):
            while True:
                filler.write(b"x" * 4096)
        done = cli("dispatch", "vps/01", str(calc), "-p", steps(ADD, DONE))
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert "vps: " in done.stderr
        assert "no space left" in done.stderr
        assert cli("init", "vps/02").returncode == 1
        assert [row.worker for row in Fleet().status() if row.host == "vps"] == ["01"]
        (remote.root / "filler").unlink()
        assert Fleet().status(["vps/01"])[0].state == "idle"
    finally:
        subprocess.run(["umount", "--lazy", remote.root], check=True)


def test_hosts_that_list_each_other_are_asked_once(remote: Remote, cli: Cli) -> None:
    folder = remote.root.parent / "config"
    folder.mkdir()
    table = f'address = "127.0.0.1"\nuser = "root"\nport = {remote.sshd.port}\n'
    (folder / "hosts.toml").write_text(f"[hosts.laptop]\n{table}[hosts.vps]\n{table}", encoding="utf-8")
    fleet = Fleet()
    fleet.init("vps/01")
    assert [row.address for row in fleet.status()] == ["vps/01"]
    assert [one.worker for one in fleet.history()] == []
    assert cli.ok("status", "--on", "vps").count("\n") == 2
    with pytest.raises(WorkersError):
        fleet.dispatch("vps/any", "/nowhere", prompt="x")


@pytest.mark.parametrize("transport", tables.TRANSPORTS)
def test_a_host_that_wants_a_password_is_refused_and_nobody_is_asked_for_one(
    server: Sshd, cli: Cli, transport: str
) -> None:
    config = server.folder / "config"
    text = config.read_text("utf-8").replace("PasswordAuthentication no", "PasswordAuthentication yes")
    config.write_text(f"PubkeyAuthentication no\n{text}", encoding="utf-8")
    server.reload()
    registry.add(registry.parsed("vps", f"root@127.0.0.1:{server.port}", transport=transport))
    assert "none of our keys" in cli.refused(6, "host", "check", "vps")

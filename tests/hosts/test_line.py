"""A line to a host, by fabric and by OpenSSH: what goes over it, and how it ends whatever happens."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import paramiko
import pytest

from claude_workers.errors import Refused, Unreachable
from claude_workers.hosts import line as lines
from claude_workers.hosts import openssh, strict
from claude_workers.hosts.line import Line, run
from claude_workers.hosts.openssh import OpenSSH
from claude_workers.hosts.strict import Fabric
from claude_workers.hosts.tables import Host
from tests.hosts.conftest import Client
from tests.hosts.sshd import Sshd, key

Made = Callable[..., Line]


@pytest.fixture(params=[OpenSSH, Fabric])
def made(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Made]:
    """Makes lines, and closes them in the end."""
    sockets = f"/tmp/cw-test-{os.getpid()}-{time.monotonic_ns()}"  # noqa: S108  short, as a socket's path must be
    os.mkdir(sockets, 0o700)
    monkeypatch.setattr(openssh, "_sockets", lambda: sockets)
    found: list[Line] = []

    def make(port: int, address: str = "127.0.0.1", **more: object) -> Line:
        host = Host("vps", address=address, user="root", port=port, **more)  # type: ignore[arg-type]
        found.append(request.param(host))
        return found[-1]

    yield make
    for one in found:
        one.close()
    shutil.rmtree(sockets, ignore_errors=True)


def said(line: Line, *argv: str, stdin: bytes = b"", limit: float | None = 20.0) -> list[str]:
    """Return the lines that a command prints, which must end well."""
    output = run(line, argv, "vps", stdin=stdin, limit=limit)
    found = list(output)
    assert output.ended
    assert output.ended.status == 0, output.ended.stderr
    return found


ODD = ["", " ", "a b", "'", '"', "$HOME", "`id`", "$(id)", ";id", "&", "|", ">x", "*", "~", "\\", "\\n", "-n"]
ODD += ["é→", "!", "--", "{a,b}"]


def test_words_arrive_as_they_were_given(made: Made, server: Sshd) -> None:
    line = made(server.port)
    assert said(line, "printf", "%s\\n", *ODD) == ODD
    assert said(line, "cat", stdin=b"secret\nlines\n") == ["secret", "lines"]
    assert said(line, "sh", "-c", "cat | wc -c", stdin=b"x" * 3_000_000) == ["3000000"]


def test_how_a_command_ended_is_told(made: Made, server: Sshd) -> None:
    output = run(made(server.port), ["sh", "-c", "echo out; echo err >&2; exit 7"], "vps", limit=20)
    assert list(output) == ["out"]
    assert output.ended
    assert (output.ended.status, output.ended.stderr.strip()) == (7, "err")
    output = run(made(server.port), ["there-is-no-such-program"], "vps", limit=20)
    assert list(output) == []
    assert output.ended
    assert output.ended.status == 127


def test_large_output_on_both_streams_comes_whole(made: Made, server: Sshd) -> None:
    program = "import sys\nfor n in range(60000):\n print(n); sys.stderr.write('noise ' * 10)"
    assert said(made(server.port), sys.executable, "-c", program) == [str(number) for number in range(60000)]


def test_what_profiles_print_is_not_ours(made: Made, tmp_path: Path, client: Client) -> None:
    (tmp_path / "noise").write_text("echo welcome; printf 'no end of line'; stty erase x\n", encoding="utf-8")
    with Sshd(tmp_path / "noisy", client.key, {"BASH_ENV": str(tmp_path / "noise")}) as server:
        client.knows(server.known())
        assert said(made(server.port), "echo", "mine") == ["mine"]


def test_a_host_with_an_unknown_key_is_refused_with_its_fingerprint(made: Made, server: Sshd, client: Client) -> None:
    client.knows()
    with pytest.raises(Refused, match="not known") as told:
        said(made(server.port), "true")
    shown = subprocess.run(["ssh-keygen", "-lf", server.key], capture_output=True, text=True, check=True).stdout
    if isinstance(told.value, strict.UnknownKey):
        assert shown.split()[1] in told.value.message
    assert told.value.remedy.startswith("claude-workers host")


def test_a_host_with_another_key_is_refused(made: Made, server: Sshd, client: Client, tmp_path: Path) -> None:
    client.knows(server.known(key(tmp_path / "other")))
    with pytest.raises(Refused, match=r"not (the one that is )?known"):
        said(made(server.port), "true")


def test_a_host_that_does_not_know_our_key_is_refused(made: Made, server: Sshd, tmp_path: Path) -> None:
    other = key(tmp_path / "another")
    (server.folder / "authorized").write_text(other.with_suffix(".pub").read_text("utf-8"), encoding="utf-8")
    with pytest.raises(Refused, match="none of our keys"):
        said(made(server.port), "true")
    assert said(made(server.port, key=str(other)), "echo", "in") == ["in"]


def test_nobody_there_is_told_at_once(made: Made, server: Sshd) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        with pytest.raises(Unreachable):
            said(made(probe.getsockname()[1]), "true")
    with pytest.raises(Unreachable, match="resolve"):
        said(made(22, address="nowhere.invalid"), "true")


def test_a_server_that_says_nothing_is_given_up(made: Made, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    del client
    monkeypatch.setattr(openssh, "CONNECT", 1.0)
    monkeypatch.setattr(strict, "CONNECT", 1.0)
    monkeypatch.setattr(strict, "_WAYS", {name: 1.0 for name in strict._WAYS if name != "transport_factory"})
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(Unreachable):
            said(made(silent.getsockname()[1]), "true")


def test_a_silent_command_is_given_up_and_the_line_is_good_for_another(made: Made, server: Sshd) -> None:
    line = made(server.port)
    with pytest.raises(Unreachable, match="not answered"):
        said(line, "sleep", "100", limit=0.5)
    assert said(line, "echo", "on") == ["on"]


def test_a_frozen_server_is_given_up(made: Made, server: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strict, "CONNECT", 1.0)
    line = made(server.port)
    [pid] = said(line, "sh", "-c", "echo $PPID")
    os.kill(int(pid), signal.SIGSTOP)
    try:
        with pytest.raises(Unreachable):
            said(line, "echo", "never", limit=1.0)
    finally:
        os.kill(int(pid), signal.SIGCONT)


def test_a_server_that_freezes_as_a_command_begins_is_given_up(server: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strict, "CONNECT", 1.0)
    line = Fabric(Host("vps", address="127.0.0.1", user="root", port=server.port))
    pid = int(said(line, "sh", "-c", "echo $PPID")[0])
    begin = paramiko.Channel.exec_command

    def frozen(channel: paramiko.Channel, command: str) -> None:
        os.kill(pid, signal.SIGSTOP)
        begin(channel, command)

    monkeypatch.setattr(paramiko.Channel, "exec_command", frozen)
    try:
        with pytest.raises(Unreachable):
            said(line, "echo", "never")
    finally:
        os.kill(pid, signal.SIGCONT)
        line.close()


def test_a_connection_that_dies_in_the_middle_is_told(made: Made, server: Sshd) -> None:
    line = made(server.port)
    output = run(line, ["sh", "-c", "echo $PPID; sleep 100"], "vps", limit=20)
    found = iter(output)
    pid = int(next(found))
    threading.Timer(0.2, lambda: os.kill(pid, signal.SIGKILL)).start()
    with pytest.raises(Unreachable):
        list(found)
    assert said(line, "echo", "again") == ["again"]


@pytest.mark.parametrize("known", [True, False])
def test_a_jump_host_is_checked_as_strictly(
    made: Made, server: Sshd, client: Client, tmp_path: Path, *, known: bool
) -> None:
    with Sshd(tmp_path / "jump", client.key) as jump:
        client.knows(server.known(), jump.known() if known else "")
        identity = f"  IdentityFile {client.key}\n  User root\n  UserKnownHostsFile {client.folder}/known_hosts\n"
        identity += "  StrictHostKeyChecking no\n"  # a person's own, which does not count
        client.configure(
            f"Host jump\n  HostName 127.0.0.1\n  Port {jump.port}\n{identity}"
            f"Host behind\n  HostName 127.0.0.1\n  ProxyJump jump\n{identity}"
        )
        line = made(server.port, address="behind")
        if known:
            assert said(line, "echo", "through") == ["through"]
        else:
            with pytest.raises((Refused, Unreachable)):
                said(line, "echo", "through")
            assert len((client.folder / "known_hosts").read_text("utf-8").splitlines()) == 1


def test_threads_share_a_line(made: Made, server: Sshd) -> None:
    line = made(server.port)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda number: said(line, "sh", "-c", f"echo {number} $PPID"), range(16)))
    assert [one[0].split()[0] for one in found] == [str(number) for number in range(16)]
    if isinstance(line, Fabric):
        assert len({one[0].split()[1] for one in found}) == 1


def test_only_one_word_reaches_the_far_shell() -> None:
    assert lines.wrapped(["a'b", "$x"]).startswith("exec sh -c '")


def test_lines_of_known_hosts_that_say_nothing_to_us_are_passed_over(
    made: Made, server: Sshd, client: Client, tmp_path: Path
) -> None:
    other = key(tmp_path / "other").with_suffix(".pub").read_text("utf-8")
    (client.folder / "known_hosts").write_bytes(
        b"# mine\n@cert-authority *.example.com ssh-ed25519 AAAA ca\nnonsense\nhost ssh-ed25519 !!!\n\xff\xfe x y\n"
        + f"@revoked * {other}".encode() + server.known().encode()
    )  # fmt: skip
    assert said(made(server.port), "echo", "in") == ["in"]


def test_a_revoked_key_is_refused_though_it_is_known(made: Made, server: Sshd, client: Client) -> None:
    public = server.key.with_suffix(".pub").read_text("utf-8")
    client.knows(server.known(), f"@revoked * {public}")
    with pytest.raises(Refused):
        said(made(server.port), "true")


def test_a_host_is_known_by_its_alias(made: Made, server: Sshd, client: Client) -> None:
    client.knows(server.known().replace(f"[127.0.0.1]:{server.port}", "the-vps"))
    client.configure("Host 127.0.0.1\n  HostKeyAlias the-vps\n")
    assert said(made(server.port), "echo", "in") == ["in"]


def test_a_command_that_ends_as_ssh_s_own_failures_do_is_its_own(server: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = f"/tmp/cw-test-{os.getpid()}-{time.monotonic_ns()}"  # noqa: S108  short, as a socket's path must be
    os.mkdir(folder, 0o700)
    monkeypatch.setattr(openssh, "_sockets", lambda: folder)
    line = OpenSSH(Host("vps", address="127.0.0.1", user="root", port=server.port))
    try:
        assert line.interactive("exit 255") == 255
        assert line.interactive("exit 7") == 7
        with pytest.raises(Unreachable):
            OpenSSH(Host("vps", address="127.0.0.1", user="root", port=1)).interactive("true")
    finally:
        line.close()
        shutil.rmtree(folder, ignore_errors=True)  # ssh takes its socket away by itself, perhaps just now


def test_words_mean_the_same_to_fish() -> None:
    # Within single quotes fish takes a backslash before a quote or another backslash away, sh does not.
    told = lines.wrapped(["echo", "a\\\\b", "c\\"])
    within, left = "", list(told)
    while left:
        one = left.pop(0)
        assert (within, one) != ("'", "\\"), told
        if one == "\\":
            left.pop(0)
        elif one in {"'", '"'} and within in {"", one}:
            within = "" if within else one


def test_an_agent_s_key_opens(made: Made, server: Sshd, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    started = subprocess.run(["ssh-agent", "-s"], capture_output=True, text=True, check=True).stdout
    told = dict(re.findall(r"(SSH_\w+)=([^;]+);", started))
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    try:
        subprocess.run(["ssh-add", "-q", client.key], check=True, capture_output=True)
        client.key.rename(client.key.with_name("put-away"))
        assert said(made(server.port), "echo", "in") == ["in"]
    finally:
        os.kill(int(told["SSH_AGENT_PID"]), signal.SIGTERM)

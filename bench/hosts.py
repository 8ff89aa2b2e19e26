"""Hosts: a command on an open line against ssh(1) on its own, and a table of many hosts against one host's.

The hosts are sshds of their own on this machine. Each answers with a table as long ago made, after a time
that costs no processor: 32 real machines would not share two of ours.
"""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench.common import Desk, Row, not_measured
from bench.relay import Relay
from claude_workers import Fleet, WorkerStatus
from claude_workers.hosts import registry
from claude_workers.hosts.line import run
from claude_workers.hosts.strict import Fabric
from claude_workers.hosts.tables import Host
from tests.hosts.sshd import Sshd, key

if TYPE_CHECKING:
    from collections.abc import Callable

_COMMANDS, _TABLES = 40, 7
_DELAY = 0.08
_DEAD = 2
# How long (seconds) a host takes for its table.
_WORK = 0.3


def measure() -> list[Row]:
    """Return the rows; they need root and sshd."""
    import os  # noqa: PLC0415  only this question

    if os.geteuid() != 0:
        return [not_measured("a command on an open line", "it needs root")]
    with Desk() as desk, contextlib.ExitStack() as ends:
        client = _client(desk)
        servers = [ends.enter_context(_server(desk, client, number)) for number in range(32)]
        rows = []
        for delay, name in ((0.0, "loopback"), (_DELAY, f"{_DELAY * 1e3:.0f} ms each way")):
            ports = [server.port for server in servers]
            if delay:
                ports = ends.enter_context(Relay(ports, delay)).ports
            _know(desk, servers, ports)
            rows.append(_command(desk, client, ports[0], name))
            rows += [_table(ports[:count], client, name) for count in (8, 32)]
            rows.append(_table(ports, client, f"{name}, lines open", warm=True))
        return rows


def _client(desk: Desk) -> Path:
    folder = desk.folder / "operator/.ssh"
    folder.mkdir(mode=0o700)
    return key(folder / "id_ed25519")


def _server(desk: Desk, client: Path, number: int) -> Sshd:
    """Return a host whose program answers with a table of four workers."""
    programs = desk.folder / f"host{number}"
    programs.mkdir()
    answer = {"schema": 1, "workers": [WorkerStatus(f"0{one}", "local", "idle").to_json() for one in range(4)]}
    (programs / "answer").write_text(json.dumps(answer) + "\n", encoding="utf-8")
    (programs / "claude-workers").write_text(f"#!/bin/sh\nsleep {_WORK}\ncat {programs}/answer\n", encoding="utf-8")
    (programs / "claude-workers").chmod(0o755)
    return Sshd(programs / "sshd", client, {"PATH": f"{programs}:/usr/bin:/bin", "HOME": str(programs)})


def _know(desk: Desk, servers: list[Sshd], ports: list[int]) -> None:
    known = (
        server.known().replace(f":{server.port} ", f":{port} ") for server, port in zip(servers, ports, strict=True)
    )
    (desk.folder / "operator/.ssh/known_hosts").write_text("".join(known), encoding="utf-8")


def _command(desk: Desk, client: Path, port: int, name: str) -> Row:
    """Measure a command on fabric's open connection against one by ssh's own multiplexing."""
    line = Fabric(Host("vps", address="127.0.0.1", user="root", port=port, key=str(client)))
    socket_path = f"{tempfile.mkdtemp(dir='/tmp')}/s"
    ssh = ["ssh", "-S", socket_path, "-p", str(port), "-i", str(client), "-o", "BatchMode=yes",
           "-o", f"UserKnownHostsFile={desk.folder}/operator/.ssh/known_hosts", "root@127.0.0.1"]  # fmt: skip
    master = subprocess.Popen([*ssh[:-1], "-M", "-N", ssh[-1]])
    try:
        while subprocess.run([*ssh, "-O", "check"], check=False, capture_output=True).returncode:
            time.sleep(0.05)
        ours, theirs = [], []
        list(run(line, ["true"], "vps", limit=20.0))
        for _ in range(_COMMANDS):
            ours.append(_timed(lambda: list(run(line, ["true"], "vps", limit=20.0))))
            theirs.append(_timed(lambda: subprocess.run([*ssh, "exec sh -c 'exec true'"], check=True)))
    finally:
        line.close()
        master.terminate()
        master.wait()
    return Row(f"command, open line, {name}", ours, "ssh, multiplexed", theirs)


def _table(ports: list[int], client: Path, name: str, *, warm: bool = False) -> Row:
    """Measure a table of hosts, two of them dead, against that of the slowest single host: by a new fleet each time.

    `warm`: by one that has its lines open.
    """
    many, one = [], []
    with contextlib.ExitStack() as ends:
        alive, dead = ports[_DEAD:], []
        for _ in range(_DEAD):
            closed = ends.enter_context(socket.socket())
            closed.bind(("127.0.0.1", 0))
            dead.append(closed.getsockname()[1])
        for number, port in enumerate([*alive, *dead]):
            registry.add(Host(f"h{number}", address="127.0.0.1", user="root", port=port, key=str(client)))
        singles = [f"h{number}" for number in range(3)]
        fleets = {name: Fleet(on=name) for name in (None, *singles)}
        for turn in range(_TABLES + 1):
            if not warm:
                fleets = {name: Fleet(on=name) for name in fleets}
            table = _timed(lambda fleets=fleets: _seen(fleets[None], len(alive)))  # type: ignore[misc]
            slowest = max(_timed(fleets[name].status) for name in singles)
            if turn:  # the first opens the lines, and loads what both need
                many.append(table)
                one.append(slowest)
        for number in range(len(ports)):
            registry.remove(f"h{number}")
    return Row(f"status, {len(ports)} hosts, {_DEAD} dead, {name}", many, "slowest of 3 alone", one)


def _seen(fleet: Fleet, alive: int) -> None:
    rows, faults = fleet.survey()
    if (len(rows), len(faults)) != (4 * alive, _DEAD):
        raise RuntimeError(f"{len(rows)} rows and {len(faults)} faults: {faults}")


def _timed(act: Callable[[], object]) -> float:
    began = time.monotonic()
    act()
    return time.monotonic() - began

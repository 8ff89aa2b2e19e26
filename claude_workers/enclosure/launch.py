"""Launching a program at an isolation level, with one handle to watch it by and to end it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from claude_workers import files
from claude_workers.enclosure import bubblewrap, seccomp, toolchain
from claude_workers.enclosure.gate import Gate
from claude_workers.enclosure.view import View, sealed_view, system_view
from claude_workers.errors import WorkersError
from claude_workers.process.identity import Identity, identify, send
from claude_workers.process.tree import end_tree, wait_gone

if TYPE_CHECKING:
    from collections.abc import Sequence

    from claude_workers.enclosure.rules import Rules

ENCLOSED = frozenset({"enclosure", "double"})
PROXY_PORT = 3128
_START = 20.0
_TRIES = 3


@dataclass(frozen=True)
class Enclosure:
    """What one program may see: `env` whole, folders by list, `rules` None for an open network.

    Paths are the same inside and outside. `hidden` are private folders that must not show even where
    the system does. `sealed` is for programs of the system alone, without any network. `rendered`
    files are written fresh into the home. `prefix` stands before the whole command, outside.
    """

    level: str
    home: Path
    cwd: Path
    env: dict[str, str]
    writable: tuple[Path, ...] = ()
    readable: tuple[Path, ...] = ()
    rendered: dict[Path, str] = field(default_factory=dict)
    rules: Rules | None = None
    hidden: tuple[Path, ...] = ()
    sealed: bool = False
    prefix: tuple[str, ...] = ()


@dataclass
class Launched:
    """A running program: the process we wait for, the leader of its tree, and its gate."""

    popen: subprocess.Popen[bytes]
    leader: Identity | None
    marker: str = ""
    gate: Gate | None = None

    @property
    def blocked(self) -> list[str]:
        """The hosts it was refused so far, as host:port."""
        return sorted(self.gate.blocked) if self.gate else []

    def agent(self) -> Identity | None:
        """Return the program itself: behind bubblewrap, the only child of the namespace's init."""
        if self.leader is None or self.marker:
            return self.leader
        try:
            children = Path(f"/proc/{self.leader.pid}/task/{self.leader.pid}/children").read_text("ascii")
        except OSError:
            return None
        return identify(int(children.split()[0])) if children.split() else None

    def end(self, grace: float = 3.0) -> None:
        """End the whole tree: ask the program, wait `grace` seconds, kill; WorkersError if it lives on."""
        left: list[Identity] = []
        if self.leader and self.marker:
            left = end_tree(self.leader, grace=grace, marker=self.marker)
        elif self.leader:
            # Killing a pid namespace's init ends every process in it, however detached.
            agent = self.agent()
            if agent and send(agent, signal.SIGTERM):
                wait_gone([agent], grace)
            send(self.leader, signal.SIGKILL)
            left = wait_gone([self.leader], 5.0)
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.wait()
        self.close()
        if left:
            raise WorkersError(f"pid {left[0].pid} could not be ended", "look at it with ps and end it by hand")

    def close(self) -> None:
        """Let go of the gate and of the streams."""
        for stream in (self.popen.stdin, self.popen.stdout, self.popen.stderr):
            if stream:
                with contextlib.suppress(OSError, ValueError):
                    stream.close()
        if self.gate:
            self.gate.close()


def launch(
    program: Sequence[str],
    enclosure: Enclosure,
    *,
    stdin: int | IO[bytes] = subprocess.DEVNULL,
    stdout: int | IO[bytes] = subprocess.PIPE,
    stderr: int | IO[bytes] = subprocess.PIPE,
) -> Launched:
    """Start `program` inside; call from the main thread, whose death ends it.

    Raises Refused or WorkersError when the level cannot be had: nothing runs less isolated.
    """
    streams = {"stdin": stdin, "stdout": stdout, "stderr": stderr}
    if enclosure.level in ENCLOSED:
        return _launch_enclosed(program, enclosure, streams)
    return _launch_bare(program, enclosure, streams)


def _launch_bare(program: Sequence[str], enclosure: Enclosure, streams: dict[str, int | IO[bytes]]) -> Launched:
    """Start without an enclosure: in a session of its own, killed with us where the kernel can."""
    for path, text in enclosure.rendered.items():
        files.write_atomic(path, text)
    setpriv = shutil.which("setpriv")
    prefix = [*enclosure.prefix, *([setpriv, "--pdeathsig", "KILL", "--"] if setpriv else [])]
    marker = f"CLAUDE_WORKERS_TREE={os.urandom(8).hex()}"
    name, _, value = marker.partition("=")
    popen = subprocess.Popen(
        [*prefix, *program],
        env={**enclosure.env, name: value},
        cwd=enclosure.cwd,
        start_new_session=True,
        **streams,  # type: ignore[call-overload]
    )
    return Launched(popen, identify(popen.pid), marker)


def _launch_enclosed(program: Sequence[str], enclosure: Enclosure, streams: dict[str, int | IO[bytes]]) -> Launched:
    """Start behind bubblewrap; again when a file of /etc that was to be masked vanished in between."""
    for _ in range(_TRIES):
        launched = _try_enclosed(program, enclosure, streams)
        if enclosure.rules is None or enclosure.sealed or launched.gate is not None:
            return launched
        launched.popen.wait()
        said = launched.popen.stderr.read().decode("utf-8", "replace") if launched.popen.stderr else ""
    bubblewrap.check()
    raise WorkersError(f"the enclosure did not start: {' '.join(said.split())[-200:]}", "claude-workers doctor")


def _try_enclosed(program: Sequence[str], enclosure: Enclosure, streams: dict[str, int | IO[bytes]]) -> Launched:
    ours, theirs = socket.socketpair()
    reader, writer = os.pipe()
    system = sealed_view(enclosure.hidden) if enclosure.sealed else system_view(enclosure.hidden)
    nested, own_network = enclosure.level == "double", enclosure.rules is not None
    view = bubblewrap.base_view(system, nested=nested, own_network=own_network)
    try:
        rendered = {path: _in_memory(view, text.encode()) for path, text in enclosure.rendered.items()}
        view.options += bubblewrap.home_options(enclosure.home, enclosure.writable, enclosure.readable, rendered)
        filtered = seccomp.program()
        if filtered:
            view.options += ["--seccomp", str(_in_memory(view, filtered))]
        env, inner = _inside(program, enclosure, theirs.fileno())
        argv = [*enclosure.prefix, *bubblewrap.command(view.options, writer, enclosure.cwd, inner)]
        passed = [theirs.fileno(), writer, *view.handles]
        popen = subprocess.Popen(argv, env=env, pass_fds=passed, **streams)  # type: ignore[call-overload]
    except FileNotFoundError:
        ours.close()
        os.close(reader)
        bubblewrap.check()
        raise
    finally:
        theirs.close()
        os.close(writer)
        view.close()
    return _taken_over(popen, None if enclosure.sealed else enclosure.rules, ours, reader)


def _in_memory(view: View, content: bytes) -> int:
    handle = os.memfd_create("rendered")
    view.handles.append(handle)
    os.write(handle, content)
    os.lseek(handle, 0, os.SEEK_SET)
    return handle


def _inside(program: Sequence[str], enclosure: Enclosure, channel: int) -> tuple[dict[str, str], list[str]]:
    """Return environment and command as they are inside, behind the gate or on an open network."""
    if enclosure.rules is None or enclosure.sealed:
        return enclosure.env, list(program)
    proxy = f"http://127.0.0.1:{PROXY_PORT}"
    env = dict(enclosure.env)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        env[name] = env[name.lower()] = proxy
    env["NO_PROXY"] = env["no_proxy"] = "localhost,127.0.0.1,::1"
    ports = ",".join(str(port) for port in (PROXY_PORT, *enclosure.rules.forwards))
    enter = str(toolchain.INSIDE / "enter.py")
    return env, [toolchain.python_inside(), "-I", "-S", enter, str(channel), ports, *program]


def _info(reader: int) -> bytes:
    said = b""
    try:
        while not said.rstrip().endswith(b"}"):
            piece = os.read(reader, 4096)
            if not piece:
                return b""
            said += piece
    finally:
        os.close(reader)
    return said


def _taken_over(popen: subprocess.Popen[bytes], rules: Rules | None, ours: socket.socket, reader: int) -> Launched:
    """Learn from bubblewrap who leads the tree, and take the listeners; end all when it fails."""
    with ours:
        said = _info(reader)
        leader = identify(int(json.loads(said)["child-pid"])) if said else None
        launched = Launched(popen, leader)
        if rules is None or leader is None:
            return launched
        ours.settimeout(_START)
        try:
            _, handles, _, _ = socket.recv_fds(ours, 1, 1 + len(rules.forwards))
        except OSError:
            handles = []
        if len(handles) == 1 + len(rules.forwards):
            launched.gate = Gate(rules)
            launched.gate.serve([socket.socket(fileno=handle) for handle in handles])
        return launched

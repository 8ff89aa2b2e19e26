"""The bench: a throw-away root with two homes, a task, and canaries that only an escape can reach."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from claude_workers import clock, files
from claude_workers.enclosure.toolchain import python_inside
from claude_workers.home import provision, tasks
from claude_workers.model import Repository, Task
from claude_workers.paths import Layout
from claude_workers.runner import inside
from claude_workers.runner.execute import Bounds, execute
from claude_workers.runner.prepare import prepare
from claude_workers.runner.run import Run

if TYPE_CHECKING:
    from collections.abc import Iterator

SIGN = "ESCAPED"
_LIMIT = 60.0


class Listener:
    """A TCP server on this machine's loopback that greets, then counts and keeps who came."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self.heard: list[bytes] = []
        self._accepting = threading.Thread(target=self._serve, daemon=True)
        self._accepting.start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            with client, contextlib.suppress(OSError):
                client.settimeout(5)
                self.heard.append(client.recv(4096))
                client.sendall(b"HTTP/1.1 401 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")

    def close(self) -> None:
        """Stop listening."""
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._accepting.join()  # its number goes to the next socket: nobody may accept on it any more
        self._server.close()


@dataclass
class Bench:
    """All an escape needs: the run whose enclosure is tried, and what it tries to reach."""

    run: Run
    folder: Path
    listener: Listener
    variables: dict[str, str]

    @property
    def secret(self) -> str:
        """The text that must not be seen inside."""
        return self.variables["SECRET"]

    def inside(self, script: str) -> str:
        """Run a shell script in the agent's enclosure and return all it said."""
        enclosure = inside.agent_enclosure(self.run)
        enclosure = dataclasses.replace(enclosure, env={**enclosure.env, **self.variables})
        _, printed, errors = execute(enclosure, ["sh", "-c", script], bounds=Bounds(_LIMIT))
        return (printed + errors).decode("utf-8", "replace")

    def outside(self, script: str) -> str:
        """Run the same script on the host, as a worker without an enclosure would."""
        environment = {**os.environ, **self.variables, "HOME": str(self.run.home.path)}
        done = subprocess.run(
            ["sh", "-c", script],
            env=environment,
            cwd=self.run.clone,
            capture_output=True,
            timeout=_LIMIT,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        return (done.stdout + done.stderr).decode("utf-8", "replace")


@contextlib.contextmanager
def bench(layout: Layout, isolation: str) -> Iterator[Bench]:
    """Make the bench beside the real homes, and leave no trace of it."""
    files.make_private(layout.root)
    folder = Path(tempfile.mkdtemp(prefix=".prove-", dir=layout.root))
    secret = f"canary-{uuid.uuid4().hex}"
    with contextlib.ExitStack() as stack:
        stack.callback(files.remove_tree, folder)
        run = _run(folder, isolation)
        listener = Listener()
        stack.callback(listener.close)
        canaries = _canaries(stack, folder, secret)
        other = provision.create(run.home.layout, "02")
        files.write_atomic(other.path / "secret", secret)
        files.write_atomic(run.home.run("earlier-task") / "receipt.json", secret)
        variables = {
            "SECRET": secret,
            "SIGN": SIGN,
            "PY": python_inside(),
            "OWN": str(run.home.path),
            "OTHER": str(other.path),
            "BARE": str(run.mirror),
            "PORT": str(listener.port),
            **canaries,
        }
        yield Bench(run, folder, listener, variables)


def _run(folder: Path, isolation: str) -> Run:
    """Make a worker with a prepared task, by the very code that prepares every task."""
    source = _repository(folder / "upstream")
    home = provision.create(Layout(folder / "homes"), "01")
    files.make_private(home.run("earlier-task"))
    repository = Repository("local/upstream", str(source), str(source))
    task = Task(
        task_id=str(uuid.uuid4()), worker="01", repo=repository.to_json(), branch="w01/prove", prompt="Prove it.",
        session_id=str(uuid.uuid4()), dispatched_at=clock.now(), isolation=isolation,
        options={"author": {"name": "prove", "email": "prove@localhost"}},
    )  # fmt: skip
    tasks.claim(home, task)
    files.make_private(home.run(task.task_id))
    run = Run(home, task)
    prepare(run)
    return run


def _repository(path: Path) -> Path:
    files.make_private(path)
    (path / "README").write_text("A repository to try escapes in.\n", encoding="utf-8")
    for words in (("init", "--quiet"), ("add", "."), ("commit", "--quiet", "-m", "Begin")):
        identity = ("-c", "user.name=prove", "-c", "user.email=prove@localhost")
        subprocess.run(["git", *identity, *words], cwd=path, capture_output=True, check=True)
    return path


def _canaries(stack: contextlib.ExitStack, folder: Path, secret: str) -> dict[str, str]:
    """Lay out what only the host has: a file in the operator's home, a process, sockets, a repository."""
    handle, canary = tempfile.mkstemp(prefix=".claude-workers-prove-", dir=Path.home())
    with os.fdopen(handle, "w") as stream:
        stream.write(secret)
    stack.callback(os.unlink, canary)
    sleeper = subprocess.Popen([shutil.which("sleep") or "sleep", "600"], env={"PROVE": secret})
    stack.callback(sleeper.wait)
    stack.callback(sleeper.kill)
    named = stack.enter_context(socket.socket(socket.AF_UNIX))
    # A path of its own in /tmp: a unix socket's name may be no longer than 107 bytes.
    place = Path(tempfile.mkdtemp(prefix="cw-prove-"))
    stack.callback(files.remove_tree, place)
    named.bind(str(place / "s"))
    named.listen()
    abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
    abstract.bind(f"\0{secret}")
    abstract.listen()
    udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    udp.bind(("127.0.0.1", 0))
    private = _repository(folder / "private")
    (private / "secret").write_text(secret, encoding="utf-8")
    git = ["git", "-c", "user.name=p", "-c", "user.email=p@localhost"]
    subprocess.run([*git, "add", "."], cwd=private, check=True, capture_output=True)
    subprocess.run([*git, "commit", "--quiet", "-m", secret], cwd=private, check=True, capture_output=True)
    return {
        "CANARY": canary,
        "SLEEPER": str(sleeper.pid),
        "SOCKET": str(place / "s"),
        "UDP": str(udp.getsockname()[1]),
        "PRIVATE": str(private),
    }

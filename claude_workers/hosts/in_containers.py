"""Machines in containers of this machine: podman's or docker's, one for each worker, with a named volume as its home.

What a container is given and what it tells go in and out by `cp`, which both engines do with a stopped one, too.
"""

from __future__ import annotations

import dataclasses
import io
import json
import subprocess
import tarfile
import time
from typing import TYPE_CHECKING

from claude_workers import files
from claude_workers.errors import Busy, NotFound, WorkersError
from claude_workers.fly.faults import Changed
from claude_workers.hosts import engine, piped
from claude_workers.lock import locked
from claude_workers.machines import words
from claude_workers.machines.machine import Leftover, Machine
from claude_workers.machines.outbox import FOLDER

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from pathlib import Path

    from claude_workers.hosts.tables import Host
    from claude_workers.machines.machine import Spec
    from claude_workers.machines.sizes import Size
    from claude_workers.machines.words import Request
    from claude_workers.model import Json

# What an enclosure needs to be made inside, and the firewall to be set up: of the container's own network alone.
_INSIDE = {
    "podman": ["--security-opt", "unmask=ALL", "--security-opt", "seccomp=unconfined"],
    "docker": ["--security-opt", "systempaths=unconfined", "--security-opt", "seccomp=unconfined",
               "--security-opt", "apparmor=unconfined"],
}  # fmt: skip
_STATES = {"created": "created", "initialized": "created", "configured": "created", "running": "started",
           "exited": "stopped", "dead": "stopped", "stopped": "stopped", "paused": "suspended"}  # fmt: skip
_HOST = "cw_host"
# What an engine says of a container in which nothing can be run just now.
_NOT_UP = ("container state improper", "is not running")
_POLL = 0.2
_ALONE = 120.0
_WORKER_ID = 1000


class Containers:
    """The containers of one host's table."""

    def __init__(self, host: Host, spec: Spec, folder: Path) -> None:
        self._engine, self._host, self._spec, self._folder = host.engine, host.name, spec, folder
        self._options = list(host.options)

    def machines(self) -> list[Machine]:
        """Return the container of every worker."""
        ids = engine.said([self._engine, "ps", "--all", "--quiet", "--filter", f"label={_HOST}={self._host}"]).split()
        found = json.loads(engine.said([self._engine, "inspect", "--type", "container", *ids])) if ids else []
        every = [self._machine(one) for one in found]
        # A kill while one was made anew may leave two, of which the first is still the worker's.
        named = {one.worker: one for one in sorted(every, key=lambda one: one.id, reverse=True)}
        return sorted(named.values(), key=lambda one: one.worker)

    def look(self, machine: Machine) -> Machine:
        """Return a container as it is now."""
        try:
            [found] = json.loads(engine.said([self._engine, "inspect", "--type", "container", machine.id]))
        except WorkersError as error:
            raise NotFound(f"there is no container {machine.id}", "claude-workers status") from error
        return self._machine(found)

    def _machine(self, data: Json) -> Machine:
        labels, state = data["Config"].get("Labels") or {}, data["State"]
        now = _STATES.get(str(state["Status"]), str(state["Status"]))
        memory = ", out of memory" if state.get("OOMKilled") else ""
        name = str(data["Name"]).removeprefix("/")
        return Machine(
            id=name,
            worker=str(labels.get(words.WORKER, "")),
            state=now,
            volume=self._name(str(labels.get(words.WORKER, ""))),
            version=f"{data['Id']} {state.get('StartedAt', '')}",
            image=str(data["Config"].get("Image", "")),
            digest=str(data.get("Image", "")),
            ended=f"exit {state.get('ExitCode')}{memory}" if now == "stopped" else "",
            at=str(state.get("StartedAt", "")),
            said=self._told(name),
        )

    def _told(self, name: str) -> dict[str, str]:
        """Return what a container left in its outbox."""
        try:
            packed = engine.run([self._engine, "cp", f"{name}:{FOLDER}", "-"])
        except WorkersError:
            return {}  # it has none yet
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            plain = [one for one in archive.getmembers() if one.isfile() and one.size <= 2 * words.MOST]
            read = {one.name.rpartition("/")[2]: archive.extractfile(one) for one in plain}
            return {name: stream.read().decode("utf-8", "replace") for name, stream in read.items() if stream}

    def make(self, worker: str, size: Size) -> tuple[Machine, bool]:
        """Return a worker's container, made with its volume where there is none, and whether it was."""
        there = next((one for one in self.machines() if one.worker == worker), None)
        if there:
            return there, False
        name = self._name(worker)
        if not engine.works([self._engine, "volume", "inspect", name]):
            engine.run([self._engine, "volume", "create", "--label", f"{_HOST}={self._host}", name])
        self._create(worker, size, name)
        return next(one for one in self.machines() if one.worker == worker), True

    def _create(self, worker: str, size: Size, name: str) -> None:
        labels = {_HOST: self._host, words.WORKER: worker, words.SIZE: size.name}
        told = [word for name, value in labels.items() for word in ("--label", f"{name}={value}")]
        told += [word for name, value in self._spec.env.items() for word in ("--env", f"{name}={value}")]
        told += ["--volume", f"{self._name(worker)}:{words.VOLUME}", "--name", name]
        inside = [*_INSIDE[self._engine], *(["--cap-add", "NET_ADMIN"] if self._spec.wall else [])]
        engine.run([self._engine, "create", *told, *inside, *self._options, self._spec.image])

    def begin(self, machine: Machine, request: Request, size: Size, sets: Sequence[str]) -> Machine:
        """Start a stopped container on a request, one caller at a time; one of an older image is made anew before.

        Its volume is kept, and so is what it told.
        """
        with locked(self._folder / f".{machine.worker}.lock", _ALONE, f"another command starts {machine.worker}"):
            now = self.look(machine)
            if now.version != machine.version or now.state not in {"created", "stopped"}:
                raise Busy(f"the container of worker {machine.worker} is {now.state}", "ask again in a moment")
            if now.digest.removeprefix("sha256:") != self._image().removeprefix("sha256:"):
                self._renew(machine.worker, size)
            name = self._name(machine.worker)
            kept = words.kept(machine.said, request)
            given = {f"outbox/{one}": kept.get(one, "") for one in (*words.CARRIED, *kept)}
            given |= {"request.json": json.dumps(request.to_json()), "config.toml": self._spec.settings}
            given |= {f"credentials/{one}.json": self._secret(one) for one in sets}
            engine.run([self._engine, "cp", "-", f"{name}:{words.GIVEN}"], engine.archive(given, _WORKER_ID))
            engine.run([self._engine, "start", name])
            return self.look(dataclasses.replace(machine, id=name))

    def _renew(self, worker: str, size: Size) -> None:
        """Put a container of the present image in the place of a worker's; a kill leaves one of them at least."""
        name, fresh = self._name(worker), f"{self._name(worker)}.new"
        if engine.works([self._engine, "inspect", "--type", "container", fresh]):
            engine.run([self._engine, "rm", fresh])
        self._create(worker, size, fresh)
        engine.run([self._engine, "rm", name])
        engine.run([self._engine, "rename", fresh, name])

    def _image(self) -> str:
        return engine.said([self._engine, "image", "inspect", "--format", "{{.Id}}", self._spec.image]).strip()

    def _secret(self, name: str) -> str:
        path = self._folder / f"{name}.json"
        if not path.is_file():
            remedy = f"claude-workers host push-credentials {self._host} {name}"
            raise NotFound(f"{self._host} has no credential set {name}", remedy)
        return path.read_text("utf-8")

    def start(self, machine: Machine) -> None:
        """Start a container."""
        engine.run([self._engine, "start", machine.id])

    def wait(self, machine: Machine, state: str, seconds: float) -> bool:
        """Tell whether a container came to a state within `seconds`."""
        deadline = time.monotonic() + seconds
        while self.look(machine).state != state:
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL)
        return True

    def run(
        self, machine: Machine, argv: Sequence[str], stdin: bytes, limit: float | None
    ) -> Generator[bytes, None, Json]:
        """Run a command inside; see `Engine.run`."""
        marked = ["sh", "-c", f'touch {words.TOUCHED}; exec "$@"', "sh", *argv]
        ended = yield from piped.run(
            [self._engine, "exec", "--interactive", machine.id, *marked], stdin, limit, self._host
        )
        if ended.status != 0 and any(one in ended.stderr for one in _NOT_UP):
            raise Changed(f"the container of worker {machine.worker} is not running", "ask again in a moment")
        return {"status": ended.status, "stderr": ended.stderr}

    def interactive(self, machine: Machine, argv: Sequence[str]) -> int:
        """Run a command inside at this terminal."""
        inside = [self._engine, "exec", "--interactive", "--tty", machine.id, *argv]
        return subprocess.run(inside, check=False).returncode

    def stop(self, machine: Machine, seconds: int) -> None:
        """Stop a container."""
        engine.run([self._engine, "stop", "--time", str(seconds), machine.id])

    def destroy(self, machine: Machine) -> None:
        """Remove a container and its volume; what is gone is removed."""
        for one in (machine.id, f"{self._name(machine.worker)}.new"):
            if engine.works([self._engine, "inspect", "--type", "container", one]):
                engine.run([self._engine, "rm", "--force", one])
        if engine.works([self._engine, "volume", "inspect", machine.volume]):
            engine.run([self._engine, "volume", "rm", machine.volume])

    def leftovers(self) -> list[Leftover]:
        """Return our volumes that no container has."""
        had = {one.volume for one in self.machines()}
        named = ["--filter", f"label={_HOST}={self._host}", "--format", "{{.Name}}"]
        there = engine.said([self._engine, "volume", "ls", *named]).split()
        return [Leftover("volume", one, one, "no container has it") for one in there if one not in had]

    def delete(self, leftover: Leftover) -> None:
        """Delete a volume that no container has."""
        engine.run([self._engine, "volume", "rm", leftover.id])

    def keep_secrets(self, sets: Mapping[str, str]) -> None:
        """Keep credential sets in private files of this machine."""
        files.make_private(self._folder)
        for name, text in sets.items():
            files.write_atomic(self._folder / f"{name}.json", text)

    def _name(self, worker: str) -> str:
        return f"cw-{self._host}-{worker}"

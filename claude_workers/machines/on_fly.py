"""Machines on Fly: one app, a machine and a volume for each worker, all that is known of them in Fly's own list.

Names say whose a thing is: machine cw-ID, of which an app has one, and volume cw_ID. A create that was not
answered is looked up before it is tried again.
"""

from __future__ import annotations

import base64
import contextlib
import json
import shlex
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, TypeVar

from claude_workers.errors import BadInput, Busy, Refused, Unreachable, WorkersError
from claude_workers.fly.faults import Gone, Leased, NoCapacity, Unsure
from claude_workers.lock import locked
from claude_workers.machines import piecewise, words
from claude_workers.machines import told_by_fly as told
from claude_workers.machines.machine import Leftover, Machine

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from pathlib import Path

    from claude_workers.fly.api import Fly
    from claude_workers.machines.machine import Spec
    from claude_workers.machines.sizes import Size
    from claude_workers.machines.words import Request
    from claude_workers.model import Json

Found = TypeVar("Found")
# Seconds: how long a lease lasts when its holder dies; how long a machine has from SIGTERM to its end.
_LEASE, _GRACE = 60, 30
_GONE = frozenset({"destroying", "destroyed", "pending_destroy", "scheduling_destroy", "replaced"})
# A volume that is younger (seconds) may be one whose machine is being made.
YOUNG = 900.0
# What was made is in the list a moment later.
_LISTED = 1.0
_ALONE = 120.0


class OnFly:
    """The machines of one app."""

    def __init__(self, fly: Fly, spec: Spec, locks: Path) -> None:
        self._fly, self._spec, self._locks = fly, spec, locks

    def machines(self) -> list[Machine]:
        """Return the machine of every worker; one call."""
        found = [told.machine(one) for one in self._fly.machines() if one.get("state") not in _GONE]
        return sorted((one for one in found if one.worker), key=lambda one: one.worker)

    def look(self, machine: Machine) -> Machine:
        """Return a machine as it is now; one call."""
        return told.machine(self._fly.machine(machine.id))

    def make(self, worker: str, size: Size) -> tuple[Machine, bool]:
        """Return a worker's machine, and whether it was made; what was made of one that could not be is deleted."""
        with locked(self._locks / f"fly-{self._fly.app}", _ALONE, f"another command makes machines in {self._fly.app}"):
            there = self._named(worker)
            if there:
                return there, False
            volumes = self._volumes(worker)
            regions = [str(volumes[0]["region"])] if volumes else [self._spec.region, *self._spec.fallback_regions]
            for number, region in enumerate(regions, 1):
                try:
                    return self._made(worker, size, region, volumes), True
                except NoCapacity:
                    if number == len(regions):
                        raise
        raise AssertionError

    def _made(self, worker: str, size: Size, region: str, volumes: list[Json]) -> Machine:
        """Make volume and machine in one region; the volume is deleted again where there is none for the machine."""
        volume = volumes[0] if volumes else self._volume(worker, region)
        config = self._config(worker, size, str(volume["id"]))
        body = {"name": told.MACHINE + worker, "region": region, "skip_launch": True, "config": config}
        try:
            try:
                return told.machine(self._fly.create_machine(body))
            except (Unsure, BadInput, Leased) as error:  # the last two: the name is taken
                found = self._found(lambda: self._named(worker))
                if not found:
                    raise
                if found.volume != str(volume["id"]):
                    raise Busy(f"somebody else makes worker {worker} just now", "ask again in a moment") from error
                return found
        except WorkersError as error:
            # Where it is not known whether a machine has the volume, it is not deleted: Fly would refuse that, too.
            if not volumes and not isinstance(error, Unreachable):
                self._fly.delete_volume(str(volume["id"]))
            raise

    def _volume(self, worker: str, region: str) -> Json:
        """Make a worker's volume; of two made at the same moment by two machines the older one stays."""
        body = {"name": told.volume_name(worker), "region": region, "size_gb": self._spec.volume_gb, "encrypted": True}
        try:
            made = self._fly.create_volume(body)
        except Unsure:
            found = self._found(lambda: self._volumes(worker))
            if not found:
                raise
            return found[0]
        first = next(iter(self._volumes(worker)), made)
        if first["id"] != made["id"]:
            self._fly.delete_volume(str(made["id"]))
        return first

    def _found(self, look: Callable[[], Found]) -> Found:
        """Look for what may have been made, twice."""
        found = look()
        if not found:
            time.sleep(_LISTED)
            found = look()
        return found

    def _named(self, worker: str) -> Machine | None:
        return next((one for one in self.machines() if one.worker == worker), None)

    def _volumes(self, worker: str) -> list[Json]:
        """Return a worker's volumes, the oldest first."""
        found = [one for one in self._fly.volumes() if one.get("name") == told.volume_name(worker)]
        alive = [one for one in found if one.get("state") not in _GONE]
        return sorted(alive, key=lambda one: (str(one.get("created_at")), str(one["id"])))

    def _config(self, worker: str, size: Size, volume: str) -> Json:
        """Return a machine's configuration; nothing secret is in it, nor what it is to do."""
        guest = {"cpu_kind": size.cpu_kind, "cpus": size.cpus, "memory_mb": size.memory_mb}
        return {
            "image": self._spec.image,
            "guest": guest,
            "env": self._spec.env,
            "restart": {"policy": "no"},
            "auto_destroy": False,
            "stop_config": {"signal": "SIGTERM", "timeout": f"{_GRACE}s"},
            "mounts": [{"volume": volume, "path": words.VOLUME}],
            "files": [],
            "metadata": {words.WORKER: worker, words.SIZE: size.name},
        }

    def _files(self, request: Request, sets: Sequence[str]) -> list[Json]:
        """Return what a machine is given: its request, settings, and credential sets by the names of their secrets."""
        given = {words.REQUEST: json.dumps(request.to_json())}
        given |= {words.CONFIG: self._spec.settings} if self._spec.settings else {}
        plain = [{"guest_path": path, "raw_value": base64.b64encode(text.encode()).decode()}
                 for path, text in given.items()]  # fmt: skip
        return plain + [
            {"guest_path": f"{words.SETS}/{one}.json", "secret_name": told.secret_name(one)} for one in sets
        ]

    def begin(self, machine: Machine, request: Request, size: Size, sets: Sequence[str]) -> Machine:
        """Start a stopped machine on a request: a lease, one update, the lease given back."""
        kept = words.kept(machine.said, request)
        config = self._config(machine.worker, size, machine.volume)
        config["metadata"] |= kept
        config["files"] = self._files(request, sets)
        nonce = self._fly.lease(machine.id, _LEASE, f"claude-workers {request.id}")
        try:
            now = self.look(machine)
            if now.version != machine.version or not (now.down or now.state == "created"):
                raise Busy(f"the machine of worker {machine.worker} is {now.state}", "ask again in a moment")
            body = {"config": config, "current_version": machine.version, "region": machine.region}
            try:
                return told.machine(self._fly.update_machine(machine.id, body, nonce))
            except Unsure:
                begun = self._found(lambda: self._asked(machine, request.id))
                if begun is None:
                    raise
                return begun
        finally:
            with contextlib.suppress(WorkersError):  # it runs out by itself
                self._fly.release(machine.id, nonce)

    def _asked(self, machine: Machine, request: str) -> Machine | None:
        now = self.look(machine)
        return now if now.said.get(words.ASKED) == request else None

    def start(self, machine: Machine) -> None:
        """Start a machine as it is configured."""
        nonce = self._fly.lease(machine.id, _LEASE, "claude-workers starts it")
        try:
            self._fly.start(machine.id, nonce)
        finally:
            with contextlib.suppress(WorkersError):
                self._fly.release(machine.id, nonce)

    def wait(self, machine: Machine, state: str, seconds: float) -> bool:
        """Tell whether a machine came to a state; Fly waits for a minute at most, so it is asked again."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if self._fly.wait(machine.id, state, left):
                return True
        return False

    def run(
        self, machine: Machine, argv: Sequence[str], stdin: bytes, limit: float | None
    ) -> Generator[bytes, None, Json]:
        """Run a command inside by short probes; see `Engine.run`."""
        return piecewise.run(lambda said, given: self._probe(machine, said, given), argv, stdin, limit)

    def _probe(self, machine: Machine, argv: Sequence[str], stdin: str) -> Json:
        return self._fly.execute(machine.id, argv, stdin, piecewise.PROBE)

    def interactive(self, machine: Machine, argv: Sequence[str]) -> int:
        """Run a command at this terminal by Fly's own ssh, which needs flyctl."""
        program = shutil.which("flyctl") or shutil.which("fly")
        if not program:
            remedy = "install flyctl: https://fly.io/docs/flyctl/install/"
            raise Refused("a terminal in a Fly machine is had by flyctl, which is not on PATH", remedy)
        command = ["ssh", "console", "--app", self._fly.app, "--machine", machine.id, "--pty", "--command"]
        return subprocess.run([program, *command, shlex.join(argv)], check=False).returncode

    def stop(self, machine: Machine, seconds: int) -> None:
        """Ask a machine to stop; an answer that does not come is waited for by looking."""
        with contextlib.suppress(Unsure):
            self._fly.stop(machine.id, seconds)

    def destroy(self, machine: Machine) -> None:
        """Destroy a machine, then its volume; again after a kill in between does the rest."""
        with contextlib.suppress(Unsure):
            self._fly.destroy(machine.id)
        with contextlib.suppress(Gone):
            if not self._fly.wait(machine.id, "destroyed", _GRACE):
                raise Busy(f"machine {machine.id} is not destroyed yet", "ask again in a moment")
        for volume in self._volumes(machine.worker):
            self._fly.delete_volume(str(volume["id"]))

    def leftovers(self) -> list[Leftover]:
        """Return our volumes that no machine has, and our machines whose volume is gone."""
        # Volumes first, and none of this moment: somebody may be making the machine of one.
        volumes = [one for one in self._fly.volumes() if one.get("state") not in _GONE]
        machines = self.machines()
        had = {one.volume for one in machines}
        had, there = {one.volume for one in machines}, {str(one["id"]) for one in volumes}
        found = [
            Leftover("volume", str(one["id"]), str(one["name"]), "no machine has it")
            for one in volumes
            if str(one.get("name", "")).startswith(told.VOLUME) and one["id"] not in had and told.age(one) > YOUNG
        ]
        lost = (one for one in machines if one.volume not in there)
        return found + [Leftover("machine", one.id, told.MACHINE + one.worker, "its volume is gone") for one in lost]

    def delete(self, leftover: Leftover) -> None:
        """Delete what no worker owns."""
        (self._fly.destroy if leftover.kind == "machine" else self._fly.delete_volume)(leftover.id)

    def keep_secrets(self, sets: Mapping[str, str]) -> None:
        """Keep credential sets as secrets of the app, which machines are given as files."""
        # Fly writes a secret into a file as what its base64 means.
        written = {one: base64.b64encode(text.encode()).decode() for one, text in sets.items()}
        self._fly.set_secrets({told.secret_name(one): text for one, text in written.items()})

"""The fake: the Machines API as Fly describes and documents it, with state, limits, leases and faults.

Every request is checked against the description, closed-world; what is wrong with one is kept in `violations`.
"""

from __future__ import annotations

import itertools
import json
import re
import shutil
import signal
import socketserver
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.fly.machines import Running
from tests.github.contract import Asked, Contract

TOKEN = "fly-test-token"
_DESCRIPTION = Path(__file__).with_name("description.json")
_WAITABLE = {"started", "stopped", "suspended", "destroyed", "failed", "settled"}
_DIGEST = "sha256:" + "a" * 64

Json = dict[str, Any]


@dataclass
class Fault:
    """What happens to the next call that matches: an answer of its own, or silence before or after it took effect."""

    call: str
    status: int = 0
    body: object = None
    silent: str = ""
    times: int = 1
    headers: dict[str, str] = field(default_factory=dict)


class Answer(Exception):
    """An answer that ends a call early."""

    def __init__(self, status: int, said: str, kind: str = "unknown") -> None:
        super().__init__(said)
        self.status, self.body = status, {"error": said, "status": kind}


def _nothing(_: str) -> None:
    """Let a call be."""


class FakeFly:
    """Apps, volumes, machines, leases and secrets of one organization; each machine a process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self.apps: dict[str, Json] = {}
        self.volumes: dict[str, Json] = {}
        self.found: dict[str, Json] = {}
        self.leases: dict[str, tuple[str, float]] = {}
        self.secrets: dict[str, str] = {}
        self.running: dict[str, Running] = {}
        self.full: set[str] = set()
        self.stuck: set[str] = set()
        self.faults: list[Fault] = []
        self.calls: list[str] = []
        self.violations: list[str] = []
        self.digest = _DIGEST
        self.before: Callable[[str], None] = _nothing
        self.after: Callable[[str], None] = _nothing
        self.preparing = 0.05
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self._numbers = itertools.count(1)
        self._contract = Contract(_DESCRIPTION)
        self._sockets: list[socketserver.BaseServer] = []
        self._server = _Server(self)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self) -> None:
        """End every machine, and serve no more."""
        for one in list(self.running.values()):
            one.kill()
        for server in [self._server, *self._sockets]:
            server.shutdown()
            server.server_close()

    def counted(self) -> Counter[str]:
        """Return how often each call came, numbers and names left out."""
        return Counter(self.calls)

    def machine(self, worker: str) -> Json:
        """Return a worker's machine."""
        [one] = [one for one in self.found.values() if one["name"] == f"cw-{worker}" and one["state"] != "destroyed"]
        return one

    def settle(self, worker: str, state: str, patience: float = 60.0) -> Json:
        """Wait until a worker's machine is in a state."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.machine(worker)["state"] == state, patience), self.machine(worker)
            return self.machine(worker)

    def log(self, worker: str) -> str:
        """Return what a machine printed."""
        path = self.folder / self.machine(worker)["id"] / "log"
        return path.read_text("utf-8") if path.exists() else ""

    # What a call does.

    def answer(
        self, method: str, target: str, headers: dict[str, str], body: object, own: str = ""
    ) -> tuple[int, object]:
        """Return status and body of one call; `own`: it came by the socket of that machine."""
        url = urlsplit(target)
        path, query = unquote(url.path).removeprefix("/v1"), dict(parse_qsl(url.query))
        call = f"{method} {_pattern(path)}"
        with self.lock:
            self.calls.append(call)
            self.violations += self._contract.check_request(Asked(method, path, query, body))
        self.before(call)
        fault = self._fault(call)
        if fault and fault.silent == "before":
            raise ConnectionAbortedError
        if fault and fault.status:
            return fault.status, fault.body
        if own and f"/machines/{own}/" not in path:
            return 403, {"error": "not your machine"}
        if not own and headers.get("authorization") != f"Bearer {TOKEN}":
            return 401, {"error": "invalid token"}
        try:
            told = 200, self._routed(method, path, query, headers, body if isinstance(body, dict) else {})
        except Answer as early:
            told = early.status, early.body
        except KeyError as missing:
            told = 404, {"error": f"{missing.args[0]} not found"}
        self.after(call)
        if fault and fault.silent == "after":
            raise ConnectionAbortedError
        return told

    def _fault(self, call: str) -> Fault | None:
        with self.lock:
            for one in self.faults:
                if re.search(one.call, call) and one.times:
                    one.times -= 1
                    return one
        return None

    def _routed(self, method: str, path: str, query: Json, headers: Json, body: Json) -> object:
        parts = path.strip("/").split("/")
        if parts == ["apps"]:
            return self._create_app(body)
        app = parts[1]
        if app not in self.apps:
            raise Answer(404, "app not found")
        if len(parts) == 2:
            return self.apps[app]
        if parts[2] == "machines" and method == "GET" and len(parts) > 4 and parts[4] == "wait":
            return self._wait(parts[3], query)
        if parts[2] == "machines" and len(parts) > 4 and parts[4] == "exec":
            return self._exec(parts[3], body)
        with self.lock:
            return getattr(self, f"_{parts[2]}")(method, app, parts[3:], headers, body)

    def _create_app(self, body: Json) -> object:
        with self.lock:
            if body["name"] in self.apps:
                raise Answer(422, "Validation failed: Name has already been taken")
            self.apps[body["name"]] = {"id": body["name"], "name": body["name"], "status": "pending"}
        return self.apps[body["name"]]

    def _secrets(self, method: str, app: str, rest: list[str], headers: Json, body: Json) -> object:  # noqa: ARG002
        if method == "POST":
            self.secrets |= body["values"]
        if method == "DELETE":
            del self.secrets[rest[0]]
            return {}
        return {"secrets": [{"name": name, "digest": "0"} for name in self.secrets]}

    def _volumes(self, method: str, app: str, rest: list[str], headers: Json, body: Json) -> object:  # noqa: ARG002
        if method == "GET":
            return [one for one in self.volumes.values() if one["app"] == app]
        if method == "DELETE":
            volume = self.volumes[rest[0]]
            if any(one["config"]["mounts"][0]["volume"] == rest[0] and one["state"] != "destroyed"
                   for one in self.found.values()):  # fmt: skip
                raise Answer(412, "volume is currently attached to a machine")
            del self.volumes[rest[0]]
            shutil.rmtree(self.folder / rest[0])
            return volume
        if body["region"] in self.full:
            raise Answer(400, "no capacity available in this region")
        name = f"vol_{next(self._numbers):012x}"
        (self.folder / name).mkdir()
        made = {"id": name, "app": app, "name": body["name"], "region": body["region"], "size_gb": body["size_gb"],
                "state": "created", "encrypted": True, "created_at": _now()}  # fmt: skip
        self.volumes[name] = made
        return made

    def _machines(self, method: str, app: str, rest: list[str], headers: Json, body: Json) -> object:
        if not rest:
            if method == "GET":
                return [_shown(one) for one in self.found.values() if one["state"] != "destroyed"]
            return self._create(app, body)
        machine = self.found[rest[0]]
        what = rest[1] if len(rest) > 1 else ""
        if machine["state"] == "destroyed":
            raise Answer(404, "machine not found")
        if what in {"", "start"} and method != "GET":
            self._leased(machine, headers)
        if not what and method == "GET":
            return _shown(machine)
        if not what and method == "DELETE":
            return self._destroy(machine)
        if not what:
            return self._update(machine, body)
        return getattr(self, f"_do_{what}")(method, machine, rest[2:], headers, body)

    def _leased(self, machine: Json, headers: Json) -> None:
        nonce, until = self.leases.get(machine["id"], ("", 0.0))
        if until > time.monotonic() and headers.get("fly-machine-lease-nonce") != nonce:
            raise Answer(409, "lease currently held by somebody@example.org")

    def _create(self, app: str, body: Json) -> Json:
        if any(one["name"] == body["name"] and one["state"] != "destroyed" for one in self.found.values()):
            raise Answer(422, "already_exists: unique machine name violation", "name_taken")
        if body["region"] in self.full:
            raise Answer(
                409, "could not reserve resource for machine: insufficient memory available to fulfill request"
            )
        config = body["config"]
        volume = self.volumes[config["mounts"][0]["volume"]]
        if volume["region"] != body["region"]:
            raise Answer(412, "insufficient resources to create new machine with existing volume")
        self._with_secrets(config)
        name = f"{next(self._numbers):014x}"
        made = {"id": name, "app": app, "name": body["name"], "region": body["region"], "state": "created",
                "config": config, "events": [], "created_at": _now(), "host_status": "ok"}  # fmt: skip
        self._versioned(made)
        self.found[name] = made
        self._listen(name)
        if not body.get("skip_launch"):
            self._launch(made)
        return _shown(made)

    def _with_secrets(self, config: Json) -> None:
        for one in config.get("files", []):
            if "secret_name" in one and one["secret_name"] not in self.secrets:
                raise Answer(422, f"secret {one['secret_name']} does not exist")

    def _versioned(self, machine: Json) -> None:
        machine["instance_id"] = f"01{next(self._numbers):024X}"
        machine["image_ref"] = {"repository": machine["config"]["image"], "digest": self.digest}
        machine["updated_at"] = _now()

    def _update(self, machine: Json, body: Json) -> Json:
        if body.get("current_version", machine["instance_id"]) != machine["instance_id"]:
            raise Answer(412, "machine version mismatch", "failed_precondition")
        if machine["region"] in self.full:
            raise Answer(412, "insufficient resources to create new machine with existing volume")
        self._with_secrets(body["config"])
        machine["config"] = body["config"]
        self._versioned(machine)
        self._event(machine, "update", "replacing")
        if machine["id"] in self.running:
            self.running.pop(machine["id"]).kill()
        if not body.get("skip_launch"):
            self._launch(machine)
        return _shown(machine)

    def _launch(self, machine: Json) -> None:
        """Start a machine, after the moment that Fly takes to get its image ready."""
        self._becomes(machine, "starting")
        timer = threading.Timer(self.preparing, self._up, [machine, machine["instance_id"]])
        timer.daemon = True
        timer.start()

    def _up(self, machine: Json, version: str) -> None:
        with self.lock:
            if machine["state"] != "starting" or machine["instance_id"] != version or machine["id"] in self.stuck:
                return
            folder = self.folder / machine["id"]
            shutil.rmtree(folder / "given", ignore_errors=True)
            shutil.rmtree(folder / "config", ignore_errors=True)
            shutil.rmtree(folder / "home", ignore_errors=True)
            (folder / "given").mkdir()
            running = Running(folder, machine, self.secrets, lambda status: self._down(machine, running, status))
            self.running[machine["id"]] = running
            self._event(machine, "start", "started")
            self._becomes(machine, "started")

    def _down(self, machine: Json, running: Running, status: int) -> None:
        with self.lock:
            if self.running.get(machine["id"]) is not running:
                return
            del self.running[machine["id"]]
            self._event(machine, "exit", "stopped", {"exit_event": {"exit_code": status, "oom_killed": False}})
            self._becomes(machine, "stopped")

    def _event(self, machine: Json, kind: str, status: str, request: Json | None = None) -> None:
        machine["events"].insert(0, {"type": kind, "status": status, "request": request or {},
                                     "source": "flyd", "timestamp": time.time_ns() // 1000})  # fmt: skip

    def _becomes(self, machine: Json, state: str) -> None:
        machine["state"], machine["updated_at"] = state, _now()
        self.changed.notify_all()

    def _destroy(self, machine: Json) -> Json:
        running = self.running.pop(machine["id"], None)
        if running:
            running.kill()
        self._becomes(machine, "destroyed")
        return {"ok": True}

    def _do_start(self, method: str, machine: Json, rest: list[str], headers: Json, body: Json) -> Json:  # noqa: ARG002
        if machine["state"] == "started":
            return {"previous_state": "started"}
        if machine["state"] not in {"stopped", "created"}:
            raise Answer(
                412, f"unable to start machine from current state: '{machine['state']}'", "failed_precondition"
            )
        self._launch(machine)
        return {"previous_state": "stopped"}

    def _do_stop(self, method: str, machine: Json, rest: list[str], headers: Json, body: Json) -> Json:  # noqa: ARG002
        running = self.running.get(machine["id"])
        if running:
            self._becomes(machine, "stopping")
            running.signal(getattr(signal, body["signal"]))
            timer = threading.Timer(float(body["timeout"].removesuffix("s")), running.kill)
            timer.daemon = True
            timer.start()
        return {"ok": True}

    def _do_lease(self, method: str, machine: Json, rest: list[str], headers: Json, body: Json) -> Json:  # noqa: ARG002
        nonce, until = self.leases.get(machine["id"], ("", 0.0))
        if method == "DELETE":
            if headers.get("fly-machine-lease-nonce") != nonce:
                raise Answer(404, "lease not found")
            del self.leases[machine["id"]]
            return {"ok": True}
        if until > time.monotonic():
            raise Answer(409, "lease currently held by somebody@example.org")
        self.leases[machine["id"]] = (f"{next(self._numbers):x}", time.monotonic() + body["ttl"])
        data = {"nonce": self.leases[machine["id"]][0], "expires_at": int(time.time()) + body["ttl"]}
        return {"status": "success", "data": data}

    def _do_metadata(self, method: str, machine: Json, rest: list[str], headers: Json, body: Json) -> object:  # noqa: ARG002
        said = machine["config"].setdefault("metadata", {})
        said |= body["metadata"]
        for name in [name for name, value in said.items() if value in {None, ""}]:
            del said[name]
        machine["updated_at"] = _now()
        return None

    def _wait(self, name: str, query: Json) -> Json:
        seconds = float(query.get("timeout", 60))
        state = query.get("state", "started")
        if not 1 <= seconds <= 60 or state not in _WAITABLE:
            raise Answer(400, "invalid_argument: timeout must be within [1s, 60s]")
        with self.changed:
            machine = self.found[name]
            if self.changed.wait_for(lambda: machine["state"] == state, seconds):
                return {"ok": True}
        raise Answer(408, f"machine failed to reach desired state, {state}, currently {machine['state']}")

    def _exec(self, name: str, body: Json) -> Json:
        with self.lock:
            running = self.running.get(name)
            if running is None:
                raise Answer(412, f"machine is not running: {self.found[name]['state']}", "failed_precondition")
        told = running.execute(body["command"], body.get("stdin", ""), body["timeout"])
        if told is None:
            raise Answer(408, "deadline_exceeded")
        return told

    def _listen(self, name: str) -> None:
        """Serve a machine's own socket, which needs no token and reaches that machine alone."""
        folder = self.folder / name
        folder.mkdir()
        server = _Socket(self, str(folder / "api"), name)
        self._sockets.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()


def _shown(machine: Json) -> Json:
    return json.loads(json.dumps({name: one for name, one in machine.items() if name != "app"}))  # type: ignore[no-any-return]


def _pattern(path: str) -> str:
    """Return a path with what differs from machine to machine left out."""
    parts = path.strip("/").split("/")
    kept = parts[2:] if len(parts) > 1 else parts
    if len(kept) > 1:
        kept[1] = "ID"
    return "/".join(kept) or "app"


def _now() -> str:
    moment = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment)) + f".{int(moment % 1 * 1e6):06d}Z"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    server: Any

    def log_message(self, *_: object) -> None:
        """Keep quiet: the calls are kept."""

    def _reply(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            status, told = self.server.fake.answer(self.command, self.path, headers, body, self.server.own)
        except ConnectionAbortedError:
            self.close_connection = True
            return
        status = 204 if told is None else status
        data = b"" if told is None else json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("fly-request-id", "01TEST")
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PATCH = do_DELETE = _reply  # noqa: N815


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    own = ""

    def __init__(self, fake: FakeFly) -> None:
        self.fake = fake
        super().__init__(("127.0.0.1", 0), _Handler)


class _Socket(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def __init__(self, fake: FakeFly, path: str, own: str) -> None:
        self.fake, self.own = fake, own
        super().__init__(path, _Handler)

    def get_request(self) -> Any:
        """Return a connection, its peer named as an address."""
        request, _ = super().get_request()
        return request, ("socket", 0)

"""The client of the Machines API: one method for each call, its answer as plain JSON.

Paths and bodies as in Fly's published description (https://docs.machines.dev/spec/openapi3.json). Where
that, Fly's documents and Fly's own client differ, both are understood.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from claude_workers import credentials, paths
from claude_workers.errors import Limited, NoCredentials, NotFinished, Unreachable
from claude_workers.fly.faults import PATIENCE, Gone, Unsure, fault
from claude_workers.fly.pace import LOOK, Pace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import httpx

    from claude_workers.model import Json

TOKEN = "FLY_API_TOKEN"
BASE = "FLY_FLAPS_BASE_URL"
PUBLIC = "https://api.machines.dev"
NONCE = "fly-machine-lease-nonce"
# Seconds. A stop or a destroy blocks for as long as somebody else's lease lasts: it is looked at instead.
_USUAL, _SHORT = 30.0, 10.0
# The most that `wait` takes, and what it may be late by.
LONGEST_WAIT = 60
_LATE = 15.0
# After an answer that a look could not have: seconds.
_AGAIN = (0.5, 1.0, 2.0, 4.0)


def token() -> str:
    """Return the operator's token: of the environment, else of credentials.env; NoCredentials when there is none."""
    found = os.environ.get(TOKEN) or credentials.read_env(paths.config_dir() / "credentials.env").get(TOKEN)
    if not found:
        raise NoCredentials(f"no {TOKEN}", f"fly tokens create deploy, and write {TOKEN}=... into credentials.env")
    return found


@dataclass(frozen=True)
class _Call:
    """One call: `limit` is in seconds, `again` whether it may be asked twice (None: when it only looks)."""

    method: str
    path: str
    body: object = None
    query: Mapping[str, str] | None = None
    headers: Mapping[str, str] | None = None
    limit: float = _USUAL
    rate: tuple[float, int] | None = None
    again: bool | None = None


class Fly:
    """One app. Nothing is asked before a method is called; safe in threads."""

    def __init__(self, app: str, *, socket: str | None = None) -> None:
        self.app = app
        self._socket = socket
        self._pace = Pace()
        self._opening = threading.Lock()
        self._client: httpx.Client | None = None

    def create_app(self, organization: str) -> None:
        """Make the app, in a network of its own; BadInput when somebody has that name."""
        body = {"name": self.app, "org_slug": organization, "network": self.app}
        self._ask("POST", "/apps", body)

    def exists(self) -> bool:
        """Tell whether the app is there and ours to see."""
        try:
            self._ask("GET", f"/apps/{self.app}")
        except Gone:
            return False
        return True

    def volumes(self) -> list[Json]:
        """Return the app's volumes."""
        return list(self._ask("GET", self._of("volumes")))

    def create_volume(self, body: Json) -> Json:
        """Make a volume."""
        return dict(self._ask("POST", self._of("volumes"), body))

    def delete_volume(self, volume: str) -> None:
        """Delete a volume; one that is gone is deleted."""
        self._gone("DELETE", self._of(f"volumes/{volume}"), limit=_SHORT)

    def machines(self) -> list[Json]:
        """Return all machines of the app, with their metadata, in one answer."""
        return list(self._ask("GET", self._of("machines")))

    def machine(self, machine: str) -> Json:
        """Return one machine."""
        return dict(self._ask("GET", self._of(f"machines/{machine}"), rate=LOOK))

    def create_machine(self, body: Json) -> Json:
        """Make a machine."""
        return dict(self._ask("POST", self._of("machines"), body))

    def update_machine(self, machine: str, body: Json, nonce: str) -> Json:
        """Give a machine a whole new configuration."""
        return dict(self._ask("POST", self._of(f"machines/{machine}"), body, headers={NONCE: nonce}))

    def start(self, machine: str, nonce: str) -> None:
        """Start a machine."""
        self._ask("POST", self._of(f"machines/{machine}/start"), headers={NONCE: nonce})

    def stop(self, machine: str, seconds: int) -> None:
        """Ask a machine to stop: SIGTERM, and `seconds` later the end."""
        body = {"signal": "SIGTERM", "timeout": f"{seconds}s"}
        self._ask("POST", self._of(f"machines/{machine}/stop"), body, limit=_SHORT)

    def destroy(self, machine: str) -> None:
        """Destroy a machine, running or not; one that is gone is destroyed."""
        self._gone("DELETE", self._of(f"machines/{machine}"), query={"force": "true"}, limit=_SHORT)

    def wait(self, machine: str, state: str, seconds: float) -> bool:
        """Tell whether a machine came to a state (started, stopped, destroyed) within a minute at most."""
        asked = max(1, min(LONGEST_WAIT, round(seconds)))
        query = {"state": state, "timeout": str(asked)}
        try:
            self._ask("GET", self._of(f"machines/{machine}/wait"), query=query, limit=asked + _LATE)
        except NotFinished:
            return False
        return True

    def execute(self, machine: str, argv: Sequence[str], stdin: str, seconds: int) -> Json:
        """Run a short command in a machine: {exit_code, stdout, stderr}, whatever the status."""
        body = {"command": list(argv), "stdin": stdin, "timeout": seconds}
        try:
            return dict(self._ask("POST", self._of(f"machines/{machine}/exec"), body, limit=seconds + _LATE))
        except NotFinished as error:
            raise Unsure(error.message, error.remedy) from error

    def lease(self, machine: str, seconds: int, description: str) -> str:
        """Take a machine's lease and return its nonce; Leased while somebody else has it."""
        body = {"description": description, "ttl": seconds}
        found = self._ask("POST", self._of(f"machines/{machine}/lease"), body)
        return str((found.get("data") or found)["nonce"])

    def release(self, machine: str, nonce: str) -> None:
        """Give a lease back; one that ran out is given back."""
        self._gone("DELETE", self._of(f"machines/{machine}/lease"), headers={NONCE: nonce}, limit=_SHORT)

    def set_metadata(self, machine: str, values: Mapping[str, str]) -> None:
        """Write words about a machine, all in one call; "" takes one away."""
        self._ask("PATCH", self._of(f"machines/{machine}/metadata"), {"metadata": dict(values)}, again=True)

    def set_secrets(self, values: Mapping[str, str]) -> None:
        """Set secrets of the app; machines have them from their next start on."""
        self._ask("POST", self._of("secrets"), {"values": dict(values)}, again=True)

    def secrets(self) -> list[str]:
        """Return the names of the app's secrets."""
        found = self._ask("GET", self._of("secrets"))
        listed = found.get("secrets", []) if isinstance(found, dict) else found
        return [str(one["name"]) for one in listed or []]

    def delete_secret(self, name: str) -> None:
        """Take a secret away; one that is gone is taken away."""
        self._gone("DELETE", self._of(f"secrets/{name}"))

    def _of(self, path: str) -> str:
        return f"/apps/{self.app}/{path}"

    def _gone(self, method: str, path: str, **options: Any) -> None:  # noqa: ANN401
        """Ask for something to go; that it is not there is as good."""
        try:
            self._ask(method, path, **options)
        except Gone:
            return

    def _ask(self, method: str, path: str, body: object = None, **options: Any) -> Any:  # noqa: ANN401
        """Ask, again where asking twice does no harm, and return the JSON answer.

        Raises what `faults` tells apart, Unsure for what changes things and was not answered.
        """
        call = _Call(method, path, body, **options)
        harmless = method == "GET" if call.again is None else call.again
        waits = list(_AGAIN)
        while True:
            self._pace.wait(f"{method} {path}", *([call.rate] if call.rate else []))
            try:
                return self._once(call)
            except Limited as error:
                if not waits:
                    raise
                time.sleep(max(waits.pop(0), float(error.until or 0)))
            except Unreachable as error:
                if (isinstance(error, Unsure) and not harmless) or not waits:
                    raise
                time.sleep(waits.pop(0))

    def _once(self, call: _Call) -> Any:  # noqa: ANN401
        import httpx  # noqa: PLC0415  start-up cost

        what = f"Fly app {self.app}, {call.method} {call.path.removeprefix(f'/apps/{self.app}/')}"
        given = {"json": call.body, "params": call.query, "headers": call.headers, "timeout": call.limit}
        try:
            answer = self._connected().request(call.method, f"/v1{call.path}", **given)  # type: ignore[arg-type]
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise Unreachable(f"{what}: not reached: {error}", PATIENCE) from error
        except httpx.HTTPError as error:
            raise Unsure(f"{what}: no answer: {type(error).__name__}", PATIENCE) from error
        if answer.is_success:
            try:
                return answer.json() if answer.content else {}
            except ValueError as error:
                raise Unsure(f"{what}: an answer that is no JSON", PATIENCE) from error
        found = fault(answer.status_code, answer.text, what, answer.headers.get("fly-request-id", ""))
        if isinstance(found, Limited):
            after = answer.headers.get("retry-after", "")
            found.until = after if after.isdigit() else None
        raise found

    def _connected(self) -> httpx.Client:
        """Return the client: on the machine's own socket where one was named, else with the operator's token."""
        with self._opening:
            if self._client is None:
                self._client = self._opened()
                weakref.finalize(self, self._client.close)
            return self._client

    def _opened(self) -> httpx.Client:
        import httpx  # noqa: PLC0415  start-up cost

        if self._socket:
            return httpx.Client(base_url="http://flaps", transport=httpx.HTTPTransport(uds=self._socket))
        found = token()
        says = found if found.startswith(("FlyV1 ", "Bearer ")) else f"Bearer {found}"
        base = os.environ.get(BASE) or PUBLIC
        return httpx.Client(base_url=base.rstrip("/"), headers={"Authorization": says})

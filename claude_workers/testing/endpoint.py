"""A scripted Messages endpoint on loopback: the model's side of the real Claude Code in tests.

    with Endpoint() as endpoint:
        endpoint.script("add", [tool("Bash", command="..."), text("Done.")])
        os.environ["ANTHROPIC_BASE_URL"] = endpoint.url("add")

Each request with tools takes the script's next step, counted for each session; when the script has
ended the model says "Done.". Requests without tools (titles, summaries) get a word and do not count.
Wire format: the Messages API's streaming events, as Claude Code 2.1 asks for them.
"""

from __future__ import annotations

import http.server
import json
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Self

_KINDS = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error", 529: "overloaded_error"}
_USAGE = {"input_tokens": 1000, "output_tokens": 50, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}


@dataclass(frozen=True)
class Step:
    """One answer: content blocks, or an HTTP error, or headers and then silence."""

    blocks: tuple[dict[str, Any], ...] = ()
    stop_reason: str = "end_turn"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    hang: bool = False
    wait: float = 0.0
    repeat: bool = False


def text(said: str) -> Step:
    """Return an answer that ends the turn."""
    return Step(({"type": "text", "text": said},))


def tool(name: str, **given: Any) -> Step:  # noqa: ANN401
    """Return an answer that calls one tool."""
    return Step(({"type": "tool_use", "name": name, "input": given},), "tool_use")


def error(status: int, **headers: str) -> Step:
    """Return an HTTP error, given for ever; header names are written with underscores."""
    return Step(status=status, headers={name.replace("_", "-"): value for name, value in headers.items()}, repeat=True)


def hang() -> Step:
    """Return headers that no event ever follows."""
    return Step(hang=True)


class Endpoint:
    """A server in threads of this process; every request is kept in `requests`."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self._scripts: dict[str, list[Step]] = {}
        self._matches: list[tuple[str, list[Step]]] = []
        self._played: dict[tuple[str, str], int] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        endpoint = self

        class Handler(_Handler):
            owner = endpoint

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()

    def script(self, name: str, steps: list[Step]) -> str:
        """Set what the model of that name says, and return its base URL."""
        self._scripts[name] = steps
        return self.url(name)

    def when(self, words: str, steps: list[Step]) -> None:
        """Set what any model says in a conversation that mentions these words; the first match counts."""
        self._matches.append((words, steps))

    def url(self, name: str) -> str:
        """Return the base URL that plays a script."""
        return f"http://127.0.0.1:{self._server.server_port}/{name}"

    def take(self, name: str, session: str, body: dict[str, Any]) -> Step:
        """Return the next answer for a session, and keep the request."""
        with self._lock:
            self.requests.append({"name": name, "session": session, "body": body, "at": time.monotonic()})
            if not body.get("tools"):
                return text("ok")
            said = json.dumps(body.get("messages"))
            matching = [steps for words, steps in self._matches if words in said]
            steps, key = matching[0] if matching else self._scripts.get(name, []), (name, session)
            place = self._played.get(key, 0)
            if place >= len(steps):
                return text("Done.")
            if not steps[place].repeat:
                self._played[key] = place + 1
            return steps[place]

    def pause(self, seconds: float) -> None:
        """Wait, unless the endpoint closes first."""
        self._closing.wait(seconds)


class _Handler(http.server.BaseHTTPRequestHandler):
    owner: Endpoint
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Keep quiet: the requests are kept."""

    def do_HEAD(self) -> None:
        """Answer a probe for life."""
        self._json(200, {})

    do_GET = do_HEAD  # noqa: N815  http.server names it

    def do_POST(self) -> None:
        """Answer a request for a message."""
        body = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)) or b"{}")
        name, _, path = self.path.removeprefix("/").partition("/")
        if not path.startswith("v1/messages") or "count_tokens" in path:
            self._json(200, {"input_tokens": 10})
            return
        session = self.headers.get("x-claude-code-session-id", "")
        step = self.owner.take(name, session, body)
        self.owner.pause(step.wait)
        if step.status != 200:  # noqa: PLR2004
            kind = _KINDS.get(step.status, "api_error")
            self._json(step.status, {"type": "error", "error": {"type": kind, "message": kind}}, step.headers)
        elif body.get("stream"):
            self._stream(step, body)
        else:
            self._json(200, _message(step, body))

    def _json(self, status: int, data: object, headers: dict[str, str] | None = None) -> None:
        payload = json.dumps(data).encode()
        self.send_response(status)
        for name, value in {"content-type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(payload)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(payload)

    def _stream(self, step: Step, body: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        for number, event in enumerate(_events(step, body)):
            if step.hang and number:
                self.owner.pause(3600)
                return
            self.wfile.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
            self.wfile.flush()

    def handle(self) -> None:
        """Serve one connection; a client that leaves is its own business."""
        try:
            super().handle()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True


def _message(step: Step, body: dict[str, Any]) -> dict[str, Any]:
    blocks = [
        {**block, "id": f"toolu_{time.monotonic_ns()}{index}"} if block["type"] == "tool_use" else dict(block)
        for index, block in enumerate(step.blocks or ({"type": "text", "text": "Done."},))
    ]
    return {
        "id": f"msg_{time.monotonic_ns()}", "type": "message", "role": "assistant", "model": body.get("model"),
        "content": blocks, "stop_reason": step.stop_reason, "stop_sequence": None, "usage": _USAGE,
    }  # fmt: skip


def _events(step: Step, body: dict[str, Any]) -> list[dict[str, Any]]:
    message = _message(step, body)
    begun = {**message, "content": [], "stop_reason": None, "usage": {**_USAGE, "output_tokens": 1}}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": begun}]
    for index, block in enumerate(message["content"]):
        if block["type"] == "text":
            empty, delta = {**block, "text": ""}, {"type": "text_delta", "text": block["text"]}
        else:
            empty = {**block, "input": {}}
            delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
        events += [
            {"type": "content_block_start", "index": index, "content_block": empty},
            {"type": "content_block_delta", "index": index, "delta": delta},
            {"type": "content_block_stop", "index": index},
        ]
    ended = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    return [*events, {"type": "message_delta", "delta": ended, "usage": _USAGE}, {"type": "message_stop"}]

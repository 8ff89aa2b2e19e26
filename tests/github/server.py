"""The server: sockets in threads of this process, with the faults that only a socket can have."""

from __future__ import annotations

import http.server
import os
import re
import socket
import struct
import sys
import threading
import traceback
from typing import Any

from tests.github.faults import Fault, Faults
from tests.github.git_http import Git, is_git
from tests.github.messages import Message, Reply, received
from tests.github.rest import Rest
from tests.github.state import Call, State

_PATIENCE = 60.0
_LOG = re.compile(r"/_logs/(\d+)")


class Server(http.server.ThreadingHTTPServer):
    """One port for REST, GraphQL, git and logs."""

    daemon_threads = True
    # With the usual five, the kernel resets some of twenty that connect at once.
    request_queue_size = 128

    def __init__(self, state: State, rest: Rest) -> None:
        self.state, self.rest, self.git = state, rest, Git(state)
        self.faults = Faults()
        self.closing = threading.Event()
        self._hung = threading.Condition()
        self._hanging = 0
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)
        state.url = f"http://127.0.0.1:{self.server_port}"

    def start(self) -> None:
        """Serve until closed."""
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self) -> None:
        """Stop serving, release what hangs, and end every connection."""
        self.closing.set()
        self.shutdown()
        self.server_close()
        with self.state.lock:
            still = list(self._open)
        for one in still:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                # The client was quicker.
                continue

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread of its own."""
        with self.state.lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """End a connection."""
        with self.state.lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002  socketserver gives them
        """Keep what broke the fake for the test's end; a client that left is its own business."""
        kind, _, _ = sys.exc_info()
        if kind is not None and not issubclass(kind, (ConnectionError, TimeoutError)):
            self.state.violations.append(f"the fake broke: {traceback.format_exc()}")

    def reply(self, message: Message, fault: Fault | None) -> Reply:
        """Answer a request by the side it is meant for."""
        if log := _LOG.fullmatch(message.path):
            return self._log(message, int(log[1]))
        return self.git.reply(message, fault) if is_git(message) else self.rest.reply(message, fault)

    def _log(self, message: Message, number: int) -> Reply:
        """Serve a log from where it lies: a store that takes a token for a mistake."""
        if "authorization" in message.headers:
            return Reply(
                400, {"Content-Type": "application/xml"}, b"<Error><Code>InvalidAuthenticationInfo</Code></Error>"
            )
        with self.state.lock:
            runs = [run for one in self.state.repositories for run in one.runs if run.id == number]
        return Reply(200, {"Content-Type": "text/plain"}, (runs[0].log or "").encode()) if runs else Reply(404)

    def hang(self) -> None:
        """Hold a request until we close."""
        with self._hung:
            self._hanging += 1
            self._hung.notify_all()
        self.closing.wait(_PATIENCE)

    def await_hanging(self, count: int) -> bool:
        """Wait until so many requests hang or have hung, and tell whether they came."""
        with self._hung:
            return self._hung.wait_for(lambda: self._hanging >= count, timeout=_PATIENCE)

    def cut_off(self, message: Message) -> None:
        """Remember a request that was cut off before it took effect."""
        with self.state.lock:
            calls = self.state.git_calls if is_git(message) else self.state.calls
            calls.append(Call(message.method, message.path, message.pairs, 0))


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        """Keep quiet: the calls are kept."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Keep what could not be read as a request, for the test's end."""
        line = getattr(self, "raw_requestline", b"")
        self.server.state.violations.append(f"no request: {code} {message}: {line!r}")
        super().send_error(code, message, explain)

    def do_GET(self) -> None:
        """Answer a request of any method."""
        headers = {name.lower(): value for name, value in self.headers.items()}
        message = received(self.command, self.path, headers, self._read())
        fault = self.server.faults.take(message.method, message.path)
        if fault and fault.how in {"reset", "hang"}:
            if fault.how == "hang":
                self.server.hang()
            self.server.cut_off(message)
            self._reset()
            return
        reply = self.server.reply(message, fault)
        if fault and fault.how == "lost":
            self._reset()
            return
        if fault and fault.how == "truncated":
            reply.body = reply.body[: len(reply.body) // 2]
        self._send(reply)

    do_POST = do_PATCH = do_PUT = do_DELETE = do_GET  # noqa: N815  http.server names them

    def _read(self) -> bytes:
        if "chunked" not in self.headers.get("transfer-encoding", ""):
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(parts)

    def _send(self, reply: Reply) -> None:
        self.send_response_only(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.status not in {204, 304}:
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)
        self.wfile.flush()

    def _reset(self) -> None:
        """End the connection at once, as a peer that crashed would."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # The files made from the socket keep it open until they are collected; the number is closed under them.
        os.close(self.connection.detach())

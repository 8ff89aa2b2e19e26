"""The gate: an HTTP proxy outside the enclosure that lets through what the rules allow.

It serves CONNECT and plain absolute-form requests on listeners handed out by `inside/enter.py`,
one thread a connection, one request a connection.
"""

from __future__ import annotations

import contextlib
import re
import select
import socket
import threading
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from claude_workers.enclosure.rules import Blocked, Rules

if TYPE_CHECKING:
    from collections.abc import Callable

_NAMED = re.compile(r"[A-Za-z0-9_.-]+|\[?[0-9A-Fa-f:.]+\]?")
_HEAD_LIMIT = 64 << 10
_PATIENCE = 30.0
_LAST = 5.0
_CHUNK = 64 << 10
_CONNECTIONS = 200
_BLOCKED, _NAME = 200, 260
_STACK = 256 << 10


class Gate:
    """Serves one enclosure's listeners until closed; remembers every refused host."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._lock = threading.Lock()
        self._listeners: list[tuple[socket.socket, threading.Thread]] = []
        # The runner's own handles must not run out, whatever goes on inside.
        self._places = threading.Semaphore(_CONNECTIONS)
        self.blocked: dict[str, int] = {}

    def serve(self, listeners: list[socket.socket]) -> None:
        """Take the listeners: the proxy first, then one for each forwarded port."""
        threading.stack_size(_STACK)
        # All are paired before the first is served: a thread would outlive the error.
        for port, listener in list(zip((0, *self._rules.forwards), listeners, strict=True)):
            handler = self._forward(port) if port else self._proxy
            accepting = threading.Thread(target=self._accept, args=(listener, handler), daemon=True)
            accepting.start()
            self._listeners.append((listener, accepting))

    def close(self) -> None:
        """Stop accepting; connections under way end with the enclosure.

        A listener's number is given back only when nobody accepts on it any more: the next socket
        gets the same number, and a thread that was late would accept, by these rules, from that one.
        """
        for listener, _ in self._listeners:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
        for listener, accepting in self._listeners:
            accepting.join(_LAST)
            if accepting.is_alive():
                listener.detach()  # left open for good, rather than read by somebody else's name
            else:
                listener.close()
        self._listeners = []

    def _accept(self, listener: socket.socket, handler: Callable[[socket.socket], None]) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self._places.acquire()
            threading.Thread(target=self._guarded, args=(handler, client), daemon=True).start()

    def _guarded(self, handler: Callable[[socket.socket], None], client: socket.socket) -> None:
        try:
            with client, contextlib.suppress(OSError, UnicodeError):
                handler(client)
        finally:
            self._places.release()

    def _forward(self, port: int) -> Callable[[socket.socket], None]:
        def handle(client: socket.socket) -> None:
            with socket.create_connection(("127.0.0.1", port), _PATIENCE) as upstream:
                _splice(client, upstream)

        return handle

    def _remember(self, place: str) -> None:
        with self._lock:
            if place in self.blocked or len(self.blocked) < _BLOCKED:
                self.blocked[place] = self.blocked.get(place, 0) + 1

    def _proxy(self, client: socket.socket) -> None:
        client.settimeout(_PATIENCE)
        head, rest = _read_head(client)
        try:
            host, port, forwarded = _target(head)
        except ValueError:
            _answer(client, 400, "the gate serves CONNECT and absolute http:// requests")
            return
        try:
            place = self._rules.address(host, port)
            upstream = socket.create_connection(place, _PATIENCE)
        except Blocked as reason:
            self._remember(f"{host}:{port}"[:_NAME])
            _answer(client, 403, f"{reason}; the operator allows it with allowed_domains")
            return
        except OSError as error:
            _answer(client, 502, str(error))
            return
        with upstream:
            if forwarded is None:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                upstream.sendall(forwarded)
            upstream.sendall(rest)
            _splice(client, upstream)


def _read_head(client: socket.socket) -> tuple[bytes, bytes]:
    collected = b""
    while b"\r\n\r\n" not in collected:
        piece = client.recv(_CHUNK)
        if not piece or len(collected) > _HEAD_LIMIT:
            raise OSError("no complete request")
        collected += piece
    head, _, rest = collected.partition(b"\r\n\r\n")
    return head, rest


def _target(head: bytes) -> tuple[str, int, bytes | None]:
    """Return host, port and, for a plain request, the head to send upstream; ValueError if neither."""
    first, *headers = head.decode("latin-1").split("\r\n")
    method, target, version = first.split(" ")
    if method == "CONNECT":
        host, _, port = target.rpartition(":")
        if not _NAMED.fullmatch(host):
            raise ValueError(target)
        return host.strip("[]"), int(port), None
    parts = urlsplit(target)
    host = parts.hostname or ""
    if parts.scheme != "http" or not _NAMED.fullmatch(host):
        raise ValueError(target)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    dropped = ("proxy-", "connection:", "keep-alive:", "host:")
    kept = [line for line in headers if not line.lower().startswith(dropped)]
    lines = [f"{method} {path} {version}", f"Host: {parts.netloc.rpartition('@')[2]}", *kept]
    rewritten = "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1")
    return host, parts.port or 80, rewritten


def _answer(client: socket.socket, status: int, text: str) -> None:
    body = f"claude-workers: {text}\n".encode()
    head = f"HTTP/1.1 {status} Refused\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}"
    client.sendall(f"{head}\r\nX-Claude-Workers: refused\r\nConnection: close\r\n\r\n".encode() + body)


def _ready(sides: list[socket.socket]) -> list[socket.socket]:
    """Wait until one of the sockets can be read; poll(2) takes handles of any number."""
    poll = select.poll()
    for side in sides:
        poll.register(side, select.POLLIN)
    numbers = {number for number, _ in poll.poll()}
    return [side for side in sides if side.fileno() in numbers]


def _splice(left: socket.socket, right: socket.socket) -> None:
    """Copy both ways until both sides have closed; each half may close on its own."""
    left.settimeout(None)
    right.settimeout(None)
    other = {left: right, right: left}
    open_sides = [left, right]
    while open_sides:
        for side in _ready(open_sides):
            data = side.recv(_CHUNK)
            if data:
                other[side].sendall(data)
            else:
                open_sides.remove(side)
                with contextlib.suppress(OSError):
                    other[side].shutdown(socket.SHUT_WR)

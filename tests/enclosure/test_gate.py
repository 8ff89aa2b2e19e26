"""The gate over real sockets: what the rules allow goes through unharmed, the rest is answered and noted."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from claude_workers.enclosure.gate import Gate
from claude_workers.enclosure.rules import Rule, Rules
from tests.racing import until

PATIENCE = 10.0
REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def read_all(connection: socket.socket) -> bytes:
    """Read until the other side has closed."""
    return b"".join(iter(lambda: connection.recv(65536), b""))


def read_until(connection: socket.socket, end: bytes) -> bytes:
    """Read until what was read ends so, and not one byte more."""
    data = b""
    while not data.endswith(end):
        piece = connection.recv(1)
        assert piece, data
        data += piece
    return data


class Upstream:
    """A server that keeps what each connection said and answers once it has said `until`."""

    def __init__(self, end: bytes, reply: bytes) -> None:
        self.heard: list[bytes] = []
        self._end, self._reply = end, reply
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._accepting = threading.Thread(target=self._serve, daemon=True)
        self._accepting.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(PATIENCE)
            data = b""
            while not (self._end and data.endswith(self._end)):
                piece = connection.recv(65536)
                data += piece
                if not piece:
                    break
            self.heard.append(data)
            connection.sendall(self._reply)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._listener.close()


Serve = Callable[..., Upstream]
Open = Callable[..., tuple[Gate, list[int]]]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start servers on loopback."""
    made: list[Upstream] = []

    def begin(end: bytes = b"\r\n\r\n", reply: bytes = REPLY) -> Upstream:
        made.append(Upstream(end, reply))
        return made[-1]

    yield begin
    for one in made:
        one.close()


@pytest.fixture
def open_gate() -> Iterator[Open]:
    """Start gates; each comes with the ports it listens on, the proxy's first."""
    gates: list[Gate] = []
    before = threading.stack_size()

    def begin(*allowed: str, forwards: tuple[int, ...] = ()) -> tuple[Gate, list[int]]:
        gate = Gate(Rules(tuple(Rule.parse(one) for one in allowed), forwards))
        listeners = [socket.create_server(("127.0.0.1", 0)) for _ in (0, *forwards)]
        ports = [int(one.getsockname()[1]) for one in listeners]
        gate.serve(listeners)
        gates.append(gate)
        return gate, ports

    yield begin
    for gate in gates:
        gate.close()
    threading.stack_size(before)


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), PATIENCE)


def ask(port: int, *pieces: bytes) -> bytes:
    """Say something to the gate in as many sends as there are pieces; return all it answers."""
    with connect(port) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            client.sendall(piece)
        return read_all(client)


def tunnel(port: int, target: str, rest: bytes = b"") -> socket.socket:
    """Return a connection to `target` through the gate."""
    client = connect(port)
    client.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode() + rest)
    assert read_until(client, b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")
    return client


def test_an_allowed_host_is_connected(serve: Serve, open_gate: Open) -> None:
    upstream = serve(end=b"ping", reply=b"pong")
    gate, [port] = open_gate(f"127.0.0.1:{upstream.port}")
    with tunnel(port, f"127.0.0.1:{upstream.port}") as client:
        client.sendall(b"ping")
        assert read_all(client) == b"pong"
    assert upstream.heard == [b"ping"]
    assert gate.blocked == {}


def test_what_follows_the_request_at_once_is_not_lost(serve: Serve, open_gate: Open) -> None:
    upstream = serve(end=b"ping", reply=b"pong")
    _, [port] = open_gate(f"127.0.0.1:{upstream.port}")
    with tunnel(port, f"127.0.0.1:{upstream.port}", rest=b"ping") as client:
        assert read_all(client) == b"pong"


def test_a_side_that_stops_speaking_still_hears_the_answer(serve: Serve, open_gate: Open) -> None:
    upstream = serve(end=b"", reply=b"x" * 1_000_000)
    _, [port] = open_gate(f"127.0.0.1:{upstream.port}")
    with tunnel(port, f"127.0.0.1:{upstream.port}") as client:
        client.sendall(b"y" * 500_000)
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b"x" * 1_000_000
    assert upstream.heard == [b"y" * 500_000]


def test_a_refused_host_is_answered_noted_and_never_reached(serve: Serve, open_gate: Open) -> None:
    upstream = serve()
    gate, [port] = open_gate("example.com")
    target = f"127.0.0.1:{upstream.port}"
    for _ in range(2):
        answer = ask(port, f"CONNECT {target} HTTP/1.1\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 403 ")
        assert b"allowed_domains" in answer
        assert target.encode() in answer
    assert gate.blocked == {target: 2}
    assert upstream.heard == []


@pytest.mark.parametrize(
    "line",
    [
        "CONNECT 169.254.169.254:80 HTTP/1.1",
        "CONNECT metadata.google.internal:80 HTTP/1.1",
        "CONNECT example.com:22 HTTP/1.1",
        "CONNECT [::1]:443 HTTP/1.1",
        "CONNECT localhost:443 HTTP/1.1",
        "GET http://169.254.169.254/latest/meta-data/ HTTP/1.1",
        "GET http://evil.org/ HTTP/1.1",
        "GET http://example.com:8080/ HTTP/1.1",
        "GET http://example.com@evil.org/ HTTP/1.1",
    ],
)
def test_whatever_is_not_listed_is_refused(line: str, open_gate: Open) -> None:
    gate, [port] = open_gate("example.com", "*.example.com", "localhost")
    assert ask(port, f"{line}\r\nHost: example.com\r\n\r\n".encode()).startswith(b"HTTP/1.1 403 ")
    assert list(gate.blocked.values()) == [1]


def test_an_absolute_request_becomes_one_the_server_understands(serve: Serve, open_gate: Open) -> None:
    upstream = serve()
    place = f"127.0.0.1:{upstream.port}"
    gate, [port] = open_gate(place)
    head = f"GET http://{place}/a/b?c=d&e HTTP/1.1\r\nhost: evil.org\r\nAccept: */*\r\n"
    answer = ask(
        port, f"{head}Proxy-Authorization: x\r\nProxy-Connection: y\r\nConnection: keep-alive\r\n\r\n".encode()
    )
    assert answer == REPLY
    first, *headers = upstream.heard[0].decode().split("\r\n")
    assert first == "GET /a/b?c=d&e HTTP/1.1"
    assert sorted(one for one in headers if one) == ["Accept: */*", "Connection: close", f"Host: {place}"]
    assert gate.blocked == {}


@pytest.mark.parametrize(("target", "path"), [("", "/"), ("/", "/"), ("?x=1", "/?x=1"), ("/a#b", "/a"), ("//a", "//a")])
def test_an_absolute_request_s_path_is_kept(target: str, path: str, serve: Serve, open_gate: Open) -> None:
    upstream = serve()
    place = f"127.0.0.1:{upstream.port}"
    _, [port] = open_gate(place)
    assert ask(port, f"GET http://{place}{target} HTTP/1.1\r\n\r\n".encode()) == REPLY
    assert upstream.heard[0].startswith(f"GET {path} HTTP/1.1\r\n".encode())


def test_a_name_and_a_password_in_a_url_are_no_part_of_the_host(serve: Serve, open_gate: Open) -> None:
    upstream = serve()
    place = f"127.0.0.1:{upstream.port}"
    _, [port] = open_gate(place)
    assert ask(port, f"GET http://ann:secret@{place}/ HTTP/1.1\r\n\r\n".encode()) == REPLY
    assert f"Host: {place}\r\n".encode() in upstream.heard[0]


def test_the_body_of_a_request_goes_along_however_it_comes(serve: Serve, open_gate: Open) -> None:
    upstream = serve(end=b"<end>")
    place = f"127.0.0.1:{upstream.port}"
    _, [port] = open_gate(place)
    body = bytes(range(256)) * 1000 + b"<end>"
    head = f"POST http://{place}/ HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    assert ask(port, head + body[:10], body[10:100_000], body[100_000:]) == REPLY
    sent = upstream.heard[0]
    assert sent.endswith(b"\r\n\r\n" + body)
    assert f"Content-Length: {len(body)}".encode() in sent


def test_a_request_that_comes_byte_by_byte_is_served(serve: Serve, open_gate: Open) -> None:
    upstream = serve()
    place = f"127.0.0.1:{upstream.port}"
    _, [port] = open_gate(place)
    request = f"GET http://{place}/slow HTTP/1.1\r\n\r\n".encode()
    assert ask(port, *(request[one : one + 1] for one in range(len(request)))) == REPLY


@pytest.mark.parametrize(
    "request_",
    [
        b"garbage",
        b"",
        b"GET / HTTP/1.1",
        b"GET https://example.com/ HTTP/1.1",
        b"GET ftp://example.com/ HTTP/1.1",
        b"GET http:///path HTTP/1.1",
        b"GET http://[::1 HTTP/1.1",
        b"GET http://example.com:port/ HTTP/1.1",
        b"GET http://example.com/",
        b"GET http://example.com/ a b HTTP/1.1",
        b"CONNECT example.com HTTP/1.1",
        b"CONNECT example.com: HTTP/1.1",
        b"CONNECT example.com:port HTTP/1.1",
        b"CONNECT  HTTP/1.1",
        b"CONNECT :443 HTTP/1.1",
        b"CONNECT \x1b[2Jexample.com:443 HTTP/1.1",
        b"CONNECT ex\xffample.com:443 HTTP/1.1",
        b"CONNECT a\0b:443 HTTP/1.1",
        b"\x16\x03\x01\x02\x00\x01\x00",
    ],
)
def test_garbage_is_told_that_it_is_none_of_the_gate_s_business(request_: bytes, open_gate: Open) -> None:
    gate, [port] = open_gate("example.com")
    assert ask(port, request_ + b"\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    assert gate.blocked == {}


def test_a_listed_host_that_does_not_answer_is_a_bad_gateway(open_gate: Open) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        closed = unused.getsockname()[1]
    gate, [port] = open_gate(f"127.0.0.1:{closed}")
    answer = ask(port, f"CONNECT 127.0.0.1:{closed} HTTP/1.1\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 502 ")
    assert gate.blocked == {}


@pytest.mark.parametrize("label", ["a" * 64, "a..b"])
def test_a_listed_host_that_cannot_be_looked_up_is_answered_too(label: str, open_gate: Open) -> None:
    _, [port] = open_gate("*.example.com")
    answer = ask(port, f"CONNECT {label}.example.com:443 HTTP/1.1\r\n\r\n".encode())
    assert answer[:10] in {b"HTTP/1.1 5", b"HTTP/1.1 4"}


def test_a_forwarded_port_leads_to_the_same_port_of_this_machine(serve: Serve, open_gate: Open) -> None:
    first, second = serve(end=b"ping", reply=b"first"), serve(end=b"ping", reply=b"second")
    _, [_, *ports] = open_gate(forwards=(first.port, second.port))
    assert [ask(port, b"ping") for port in ports] == [b"first", b"second"]


def test_a_forwarded_port_that_nobody_serves_closes_and_hurts_nothing(serve: Serve, open_gate: Open) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        closed = int(unused.getsockname()[1])
    upstream = serve(end=b"ping", reply=b"pong")
    _, [_, dead, living] = open_gate(forwards=(closed, upstream.port))
    with contextlib.suppress(ConnectionResetError):
        assert ask(dead) == b""
    assert ask(living, b"ping") == b"pong"


def test_a_client_that_leaves_in_the_middle_does_not_hold_others_up(serve: Serve, open_gate: Open) -> None:
    upstream = serve()
    place = f"127.0.0.1:{upstream.port}"
    _, [port] = open_gate(place)
    with connect(port) as leaver:
        leaver.sendall(b"CONNECT exam")
    with connect(port) as sleeper:
        sleeper.sendall(b"CONNECT exam")
        assert ask(port, f"GET http://{place}/ HTTP/1.1\r\n\r\n".encode()) == REPLY


def test_a_head_without_an_end_is_cut_off(serve: Serve, open_gate: Open) -> None:
    upstream = serve()
    place = f"127.0.0.1:{upstream.port}"
    _, [port] = open_gate(place)
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        assert ask(port, b"GET http://x/ HTTP/1.1\r\n", *[b"X: " + b"y" * 60_000 + b"\r\n"] * 20) == b""
    assert ask(port, f"GET http://{place}/ HTTP/1.1\r\n\r\n".encode()) == REPLY


def test_twenty_clients_are_served_at_once(serve: Serve, open_gate: Open) -> None:
    upstream = serve(end=b"ping", reply=b"pong")
    gate, [port] = open_gate(f"127.0.0.1:{upstream.port}")
    open_tunnels = [tunnel(port, f"127.0.0.1:{upstream.port}") for _ in range(20)]

    def use(client: socket.socket) -> bytes:
        with client:
            client.sendall(b"ping")
            return read_all(client)

    with ThreadPoolExecutor(20) as pool:
        refused = [pool.submit(ask, port, b"CONNECT evil.org:443 HTTP/1.1\r\n\r\n") for _ in range(20)]
        assert list(pool.map(use, open_tunnels)) == [b"pong"] * 20
        assert all(one.result().startswith(b"HTTP/1.1 403 ") for one in refused)
    assert gate.blocked == {"evil.org:443": 20}


def test_a_closed_gate_lets_nobody_in(open_gate: Open) -> None:
    gate, [port] = open_gate("example.com")
    gate.close()

    def refused() -> bool:
        try:
            connect(port).close()
        except OSError:
            return True
        return False

    until(refused, "the gate is closed")


def test_a_gate_wants_a_listener_for_each_of_its_ports() -> None:
    gate = Gate(Rules((), (1, 2)))
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(ValueError, match="shorter"):
        gate.serve([listener])
    gate.close()

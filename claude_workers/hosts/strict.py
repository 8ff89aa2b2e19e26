"""The line by fabric, made strict: only a host whose key is known, deadlines on everything, no delay of small packets.

Of itself fabric trusts every key, through a jump host too, and waits for ever on a frozen server.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import paramiko
from fabric import Config, Connection  # type: ignore[import-untyped]
from paramiko.ssh_exception import AuthenticationException, BadHostKeyException, NoValidConnectionsError, SSHException

from claude_workers import files
from claude_workers.errors import Refused, Unreachable, WorkersError
from claude_workers.hosts import known_hosts
from claude_workers.hosts.line import CONNECT, KEPT, Ended, Unreached, check, silent
from claude_workers.hosts.openssh import OpenSSH

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from claude_workers.hosts.tables import Host

_CHUNK = 1 << 16
_TICK = 0.05
# Its background threads print tracebacks of what is told here in a line.
logging.getLogger("paramiko").addHandler(logging.NullHandler())
logging.getLogger("paramiko").propagate = False


class UnknownKey(Refused):
    """A host showed a key that nobody has accepted yet."""

    def __init__(self, name: str, shown: str, key: paramiko.PKey, place: Path) -> None:
        super().__init__(
            f"host {name}: the key of {shown} is not known: {key.get_name()} {key.fingerprint}",
            f"claude-workers host accept {name}, if that fingerprint is its",
        )
        self.shown = shown
        self.key = key
        self.place = place


def remember(unknown: UnknownKey) -> None:
    """Keep a key that a person accepted, for ssh(1), too, where the next look finds it."""
    place = unknown.place.resolve()
    files.make_private(place.parent)
    files.append_line(place, f"{unknown.shown} {unknown.key.get_name()} {unknown.key.get_base64()}")


class _Refusing(paramiko.MissingHostKeyPolicy):
    def __init__(self, name: str, settings: dict[str, Any], revoked: frozenset[bytes]) -> None:
        self._name = name
        self._settings = settings
        self._revoked = revoked

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        """Refuse what nobody accepted."""
        del client
        if key.asbytes() in self._revoked:
            raise Refused(f"host {self._name}: its key was revoked", "find out why it shows that one still")
        raise UnknownKey(self._name, hostname, key, known_hosts.files(self._settings)[0])


class _Strict(Connection):  # type: ignore[misc]
    """A connection, and those of its jump hosts, to machines with known keys."""

    def __init__(self, host: str, *, named: str, **kwargs: Any) -> None:  # noqa: ANN401  as fabric's
        self._set(_named=named)
        super().__init__(host, **kwargs)
        self._set(client=paramiko.SSHClient())
        known = known_hosts.read(known_hosts.files(self.ssh_config))
        for name, key in known.keys_of(known_hosts.name(self.host, self.port), self.ssh_config.get("hostkeyalias")):
            self.client.get_host_keys().add(name, key.get_name(), key)
        self.client.set_missing_host_key_policy(_Refusing(named, self.ssh_config, known.revoked))

    def get_gateway(self) -> Connection | str | None:
        """Return the way through a jump host, as strict as this one."""
        jumps = self.ssh_config.get("proxyjump", "none")
        if jumps == "none":
            return self.ssh_config.get("proxycommand")
        gateway: Connection | None = None
        # The first hop is the one that is reached from here.
        for hop in jumps.split(","):
            if self.derive_shorthand(hop)["host"] == self.original_host:
                return None  # by a wildcard: a jump host is not reached through itself
            more: dict[str, Any] = {"gateway": gateway} if gateway is not None else {}
            gateway = _Strict(hop, named=self._named, config=self.config.clone(), connect_timeout=CONNECT,
                              connect_kwargs=dict(_WAYS), **more)  # fmt: skip
        return gateway


def _prompt(sock: Any, **settings: Any) -> paramiko.Transport:  # noqa: ANN401  as paramiko's
    """Make a transport whose small packets go at once: each would be 40 ms late, of the greeting already."""
    with contextlib.suppress(OSError, AttributeError):  # a jump's channel is no socket
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return paramiko.Transport(sock, **settings)


_WAYS = {
    "banner_timeout": CONNECT, "auth_timeout": CONNECT, "channel_timeout": CONNECT, "transport_factory": _prompt,
}  # fmt: skip


def _config() -> Config:
    """Return what ssh's own files say, and nothing of fabric's."""
    made = Config(lazy=True)
    made.load_ssh_config()
    return made


class Fabric:
    """One host by way of fabric, on one connection for as long as this object lives."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._connection: _Strict | None = None
        self._opening = threading.Lock()

    def connected(self) -> _Strict:
        """Return the open connection, one for all threads; see `line.Line` for what is raised."""
        with self._opening:
            return self._opened()

    def _opened(self) -> _Strict:
        host = self._host
        if self._connection is not None and self._connection.is_connected:
            return self._connection
        options: dict[str, Any] = dict(_WAYS)
        if host.key:
            options |= {"key_filename": str(Path(host.key).expanduser()), "allow_agent": False, "look_for_keys": False}
        with _told(host, Unreached), contextlib.ExitStack() as undo:
            made = _Strict(host.address, named=host.name, user=host.user, port=host.port, config=_config(),
                           connect_timeout=CONNECT, connect_kwargs=options)  # fmt: skip
            undo.callback(_let_go, made)
            made.open()
            undo.pop_all()
        self._connection = made
        return made

    def execute(self, command: str, stdin: bytes, limit: float | None) -> Generator[bytes, None, Ended]:
        """Run a command; see `line.Line`."""
        with _told(self._host, Unreached):
            channel = self._channel()
        with _told(self._host):
            try:
                _begun(channel, command)
                channel.settimeout(limit)
                channel.sendall(stdin)
                channel.shutdown_write()
                said = yield from self._read(channel, limit)
                channel.status_event.wait(limit)
                if not channel.status_event.is_set() or channel.exit_status == -1:
                    raise Unreachable(f"host {self._host.name}: the connection ended", check(self._host.name))
                return Ended(channel.exit_status, said)
            finally:
                _shut(channel)

    def _channel(self) -> paramiko.Channel:
        """Open a channel; on a connection that died meanwhile, once more on a new one."""
        transport: paramiko.Transport = self.connected().transport
        try:
            return transport.open_session(timeout=CONNECT)
        except (SSHException, EOFError, OSError):
            frozen = transport.is_active()
            self.close()
            if frozen:
                raise
            transport = self.connected().transport
            return transport.open_session(timeout=CONNECT)

    def _read(self, channel: paramiko.Channel, limit: float | None) -> Generator[bytes, None, str]:
        """Yield the lines of stdout; return the end of stderr."""
        partial, said = b"", b""
        heard = time.monotonic()
        channel.settimeout(_TICK)
        ended = False
        while not ended:
            if channel.recv_stderr_ready():
                said = (said + channel.recv_stderr(_CHUNK))[-KEPT:]
                heard = time.monotonic()
            try:
                data = channel.recv(_CHUNK)
            except TimeoutError:
                if limit is not None and time.monotonic() > heard + limit:
                    raise silent(self._host.name, limit) from None
                continue
            heard = time.monotonic()
            ended = not data
            *lines, partial = (partial + data).split(b"\n")
            yield from lines
        while channel.recv_stderr_ready():
            said = (said + channel.recv_stderr(_CHUNK))[-KEPT:]
        if partial:
            yield partial
        return said.decode("utf-8", "replace")

    def interactive(self, command: str) -> int:
        """Run a command at this terminal, which ssh(1) alone hands over whole; see `line.Line`."""
        return OpenSSH(self._host).interactive(command)

    def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            _let_go(self._connection)
            self._connection = None


def _let_go(connection: _Strict) -> None:
    with contextlib.suppress(SSHException, OSError, EOFError):
        connection.close()


def _shut(channel: paramiko.Channel) -> None:
    """Close a channel; what it carried is known by then, or told as the failure it was."""
    with contextlib.suppress(SSHException, OSError, EOFError):
        channel.close()


def _begun(channel: paramiko.Channel, command: str) -> None:
    """Have a command begun; paramiko would wait for ever for a server that froze right now."""
    alarm = threading.Timer(CONNECT, _shut, [channel])
    alarm.start()
    try:
        channel.exec_command(command)
    finally:
        alarm.cancel()


@contextlib.contextmanager
def _told(host: Host, kind: type[Unreachable] = Unreachable) -> Iterator[None]:
    """Turn what fabric and paramiko raise into errors of ours; `kind` is how a host is told that does not answer."""
    try:
        yield
    except (SSHException, EOFError, OSError) as error:
        raise _error(host, error, kind) from error


def _error(host: Host, error: SSHException | EOFError | OSError, kind: type[Unreachable]) -> WorkersError:
    remedy = check(host.name)
    if isinstance(error, BadHostKeyException):
        said = f"its key is not the one that is known: {error.key.get_name()} {error.key.fingerprint}"
        return Refused(f"host {host.name}: {said}", "find out why; only then take the old one out of known_hosts")
    if isinstance(error, AuthenticationException) or "authentication methods" in str(error):
        return Refused(f"host {host.name} lets us in with none of our keys", remedy)
    if isinstance(error, NoValidConnectionsError):
        return kind(f"host {host.name}: nobody answers at {host.target}", remedy)
    if isinstance(error, socket.gaierror):
        return kind(f"host {host.name}: {host.address} does not resolve", remedy)
    return kind(f"host {host.name}: {str(error) or 'the connection ended'}", remedy)

"""The allow-list: which host and port an agent may reach, and why an address is refused."""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from claude_workers.errors import BadInput

_HOST = re.compile(r"(?:\*\.)?[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252})|\[[0-9A-Fa-f:.]+\]")
_TUNNELS = tuple(map(ipaddress.ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "fec0::/10")))
DEFAULT_PORTS = frozenset({80, 443})


class Blocked(Exception):
    """A connection the rules refuse; the text says why."""


@dataclass(frozen=True)
class Rule:
    """One entry: a host, or `*.` and a domain; without a port, the ports of http and https."""

    host: str
    port: int | None = None

    @classmethod
    def parse(cls, text: str) -> Rule:
        """Read `host`, `*.domain`, `host:port`; BadInput for anything else or too broad."""
        host, colon, port = text.strip().rpartition(":")
        if not colon or text.endswith("]"):
            host, port = text.strip(), ""
        broad = host.startswith("*.") and "." not in host[2:].strip(".")
        if not _HOST.fullmatch(host) or (port and not (port.isdigit() and 0 < int(port) < 1 << 16)) or broad:
            raise BadInput(
                f"{text!r} is not a host an agent may be allowed",
                "write example.com, *.example.com or example.com:8443",
            )
        return cls(host.strip("[]").lower(), int(port) if port else None)

    def covers(self, host: str, port: int) -> bool:
        """Tell whether the rule names that host and port."""
        if port != self.port and (self.port is not None or port not in DEFAULT_PORTS):
            return False
        if self.host.startswith("*."):
            return host.endswith(self.host[1:])
        return host == self.host


@dataclass(frozen=True)
class Rules:
    """The whole list; `forwards` are ports of this machine's loopback that are passed through."""

    rules: tuple[Rule, ...]
    forwards: tuple[int, ...] = ()

    def address(self, host: str, port: int) -> tuple[str, int]:
        """Return the address to connect to; raise Blocked when the rules refuse it.

        The name is resolved once, here, and that address is used: it cannot change in between.
        """
        host = host.strip("[]").rstrip(".").lower()
        named = [one for one in self.rules if one.covers(host, port)]
        if not named:
            raise Blocked(f"{host}:{port} is not on the allow-list")
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise OSError(f"{host} does not resolve: {error.strerror}") from error
        # An operator who lists a host by name and port means it, private or not.
        explicit = any(one.host == host and (one.port == port or _is_address(host)) for one in named)
        for *_, place in found:
            if explicit or _is_public(str(place[0]).partition("%")[0]):
                return str(place[0]), port
        raise Blocked(f"{host}:{port} leads to a private address")


def _is_public(text: str) -> bool:
    """Tell whether an address is the open Internet's, and no tunnel's or translator's to elsewhere."""
    address = ipaddress.ip_address(text)
    tunnelled = any(address in net for net in _TUNNELS if net.version == address.version)
    return address.is_global and not address.is_multicast and not tunnelled


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def endpoint(url: str) -> tuple[str, int]:
    """Return host and port of an http(s) URL; BadInput when it is none."""
    parts = urlsplit(url)
    try:
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    except (KeyError, ValueError) as error:
        raise BadInput(f"{url!r} is not an http(s) URL", "mend it and refresh the worker") from error
    if not parts.hostname:
        raise BadInput(f"{url!r} names no host", "mend it and refresh the worker")
    return parts.hostname, port


def is_loopback(host: str) -> bool:
    """Tell whether a host names this machine itself."""
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)

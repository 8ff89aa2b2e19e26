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
_SIX = 6
_ASKED = re.compile(r"[A-Za-z0-9_.:-]+")
_SCHEMES = {"http": 80, "https": 443}
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
        written = text.strip(" ")
        host, colon, port = written.rpartition(":")
        if not colon or written.endswith("]"):
            host, colon, port = written, "", ""
        bracketed = host.startswith("[") and not _is_address(host.strip("[]"))
        broad = host.startswith("*.") and "." not in host[2:].strip(".")
        if not _HOST.fullmatch(host) or (colon and not _is_port(port)) or broad or bracketed:
            raise BadInput(
                f"{text!r} is not a host an agent may be allowed",
                "write example.com, *.example.com or example.com:8443",
            )
        return cls(host.strip("[]").rstrip(".").lower(), int(port) if port else None)

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
        if not _ASKED.fullmatch(host):
            raise Blocked("what is no host's name is not on the allow-list")
        named = [one for one in self.rules if one.covers(host, port)]
        if not named:
            raise Blocked(f"{host}:{port} is not on the allow-list")
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise OSError(f"{host} does not resolve") from error
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
    mapped = getattr(address, "ipv4_mapped", None)
    if mapped is not None:
        return _is_public(str(mapped))
    compatible = address.version == _SIX and int(address) < 1 << 32
    return address.is_global and not address.is_multicast and not tunnelled and not compatible


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 6 and 0 < int(text) < 1 << 16  # noqa: PLR2004


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def endpoint(url: str) -> tuple[str, int]:
    """Return host and port of an http(s) URL; BadInput, without the URL's secrets, when it is none."""
    try:
        parts = urlsplit(url)
        port = parts.port or _SCHEMES[parts.scheme]
        named = bool(parts.hostname) and parts.scheme in _SCHEMES
    except (KeyError, ValueError):
        named = False
    if not named:
        raise BadInput("a base URL or registry is no http(s) URL with a host", "mend it and refresh the worker")
    return str(parts.hostname), port


def place(url: str) -> str:
    """Return an http(s) URL's host and port as a rule is written."""
    host, port = endpoint(url)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback(host: str) -> bool:
    """Tell whether a host names this machine itself."""
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)

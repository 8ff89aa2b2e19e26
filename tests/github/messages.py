"""The messages: a request as it came over the wire, and the reply that goes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

_ENTERPRISE = "/api"


@dataclass
class Message:
    """A request: the names of its headers are in small letters."""

    method: str
    path: str
    base: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def pairs(self) -> dict[str, str]:
        """The query's keys and values."""
        return dict(parse_qsl(self.query, keep_blank_values=True))


@dataclass
class Reply:
    """An answer in bytes, or none at all: then the connection is reset."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    reset: bool = False


def received(method: str, target: str, headers: Mapping[str, str], body: bytes) -> Message:
    """Return a request whose path is the same whatever form of address it was sent to.

    GitHub's own form has no prefix, Enterprise's has /api/v3 or /api, and a client that takes us for
    its proxy sends the whole address.
    """
    parts = urlsplit(target)
    base = f"http://{parts.netloc or headers.get('host', 'localhost')}"
    path = parts.path or "/"
    for prefix in (f"{_ENTERPRISE}/v3", _ENTERPRISE):
        if path == prefix or path.startswith(f"{prefix}/"):
            base, path = base + prefix, path.removeprefix(prefix) or "/"
            break
    return Message(method, path, base, parts.query, headers, body)

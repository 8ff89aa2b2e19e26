"""The keys of hosts that somebody accepted, as known_hosts keeps them (sshd(8)); lines of no use are passed over."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import paramiko
from paramiko.hostkeys import HostKeyEntry, InvalidHostKey

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_PORT = 22


@dataclass
class Known:
    """Accepted keys, and the blobs of those that nobody may show any more."""

    entries: list[HostKeyEntry] = field(default_factory=list)
    revoked: frozenset[bytes] = frozenset()

    def keys_of(self, name: str, alias: str | None) -> Iterator[tuple[str, paramiko.PKey]]:
        """Yield the keys of a host, by its name, or by the one that ssh's HostKeyAlias says."""
        wanted, kinds = alias or name, set()
        for entry in self.entries:
            kind = entry.key.get_name()
            if kind in kinds or entry.key.asbytes() in self.revoked:
                continue
            if any(_is(one, wanted) for one in entry.hostnames):
                kinds.add(kind)
                yield name, entry.key


def files(settings: dict[str, Any]) -> list[Path]:
    """Return the files that ssh's settings for a host name; the first is where a new key belongs."""
    named = str(settings.get("userknownhostsfile", "~/.ssh/known_hosts")).split()
    return [Path(one).expanduser() for one in (*named, "/etc/ssh/ssh_known_hosts")]


def name(host: str, port: int) -> str:
    """Return how a host stands in the files."""
    return host if port == _PORT else f"[{host}]:{port}"


def read(places: Iterable[Path]) -> Known:
    """Return what files hold, those that are not there left out."""
    found, revoked = Known(), set()
    for place in places:
        with contextlib.suppress(OSError):
            for line in place.read_text(encoding="utf-8", errors="replace").splitlines():
                mark, _, rest = line.strip().partition(" ")
                if mark == "@revoked":
                    revoked |= {entry.key.asbytes() for entry in _entry(rest)}
                elif not mark.startswith(("@", "#")):
                    found.entries += _entry(line)
    found.revoked = frozenset(revoked)
    return found


def _is(listed: str, name: str) -> bool:
    """Tell whether a name of the files, plain or hashed, is a host's."""
    return listed == name or (listed.startswith("|1|") and paramiko.HostKeys.hash_host(name, listed) == listed)


def _entry(line: str) -> list[HostKeyEntry]:
    """Return a line's key; nothing for a line that holds none that we know."""
    try:
        entry = HostKeyEntry.from_line(line.strip())
    except (paramiko.SSHException, InvalidHostKey, ValueError):
        return []
    return [entry] if entry and entry.key is not None else []

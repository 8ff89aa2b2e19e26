"""The registry of hosts: hosts.toml, one table `[hosts.NAME]` for each place that keeps workers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from claude_workers import names, paths, toml
from claude_workers.errors import BadInput, Busy, NotFound
from claude_workers.hosts import tables
from claude_workers.hosts.tables import Host

if TYPE_CHECKING:
    from pathlib import Path

FILE = "hosts.toml"
_TARGET = re.compile(r"(?:([^@\s]+)@)?(\[[0-9A-Fa-f:.%]+\]|[^@:\s]+)(?::(\d+))?")


def file() -> Path:
    """Return where hosts.toml is."""
    return paths.config_dir() / FILE


def every() -> list[Host]:
    """Return every host, in the order of the file; BadInput, naming file, table and key, for what is wrong in it."""
    data = toml.read(file())
    found = data.pop("hosts", {})
    if data:
        raise BadInput(f"{file()}: unknown key {min(data)!r}", "write tables [hosts.NAME]")
    if not isinstance(found, dict) or not all(isinstance(one, dict) for one in found.values()):
        raise BadInput(f"{file()}: hosts is no table of tables", "write [hosts.NAME]")
    return [tables.checked(name, table, f"{file()} [hosts.{name}]") for name, table in found.items()]


def find(name: str) -> Host:
    """Return a host by its name; NotFound when there is none."""
    for host in every():
        if host.name == name:
            return host
    raise _unknown(name)


def _unknown(name: str) -> NotFound:
    return NotFound(f"there is no host {name}", f"claude-workers host add {name} USER@ADDRESS")


def parsed(name: str, target: str, **given: Any) -> Host:  # noqa: ANN401
    """Return the host that `host add NAME USER@ADDRESS[:PORT]` means; BadInput when it is none."""
    found = _TARGET.fullmatch(target)
    if not found:
        raise BadInput(f"{names.shown(target)} is no address", "write user@address, user@address:port or an ssh alias")
    user, address, port = found.groups()
    said = {"user": user, "address": address.strip("[]"), "port": int(port) if port else None}
    table = {key: value for key, value in {**said, **given}.items() if value is not None}
    return tables.checked(name, table, "host add")


def add(host: Host) -> None:
    """Write a host into hosts.toml, all else in it untouched; Busy when it is there."""
    every()  # what is wrong in the file is told first
    defaults = Host(host.name).to_json()
    with toml.edited(file()) as document:
        written = document.setdefault("hosts", {})
        if host.name in written:
            raise Busy(f"host {host.name} is in {file()} already", f"claude-workers host remove {host.name} first")
        written[host.name] = {
            key: value for key, value in host.to_json().items() if key != "name" and value != defaults[key]
        }


def note(name: str, key: str, value: str) -> None:
    """Write one key of a host's table, all else untouched."""
    find(name)
    with toml.edited(file()) as document:
        document["hosts"][name][key] = value


def remove(name: str) -> Host:
    """Take a host out of hosts.toml and return it; the machine itself is left as it is."""
    host = find(name)
    with toml.edited(file()) as document:
        if document.get("hosts", {}).pop(name, None) is None:
            raise _unknown(name)
    return host

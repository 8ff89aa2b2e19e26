"""The registry of hosts: hosts.toml, one table `[hosts.NAME]` for each machine that is reached over SSH."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from claude_workers import names, paths, toml
from claude_workers.errors import BadInput, Busy, NotFound
from claude_workers.model import Record

FILE = "hosts.toml"
TRANSPORTS = ("fabric", "openssh")
_KINDS = ("ssh",)
_PORTS = range(1, 1 << 16)
_MOST_WORKERS = 1000
# Neither a shell nor ssh's own options can be reached by what these let through.
_ADDRESS = re.compile(r"[A-Za-z0-9_:][A-Za-z0-9_.:%-]{0,252}")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}")
_TARGET = re.compile(r"(?:([^@\s]+)@)?(\[[0-9A-Fa-f:.%]+\]|[^@:\s]+)(?::(\d+))?")


@dataclass(frozen=True)
class Host(Record):
    """One machine: how it is reached, where it keeps its homes (None: where it says), and how many it may have.

    `address` may be a `Host` of ~/.ssh/config, which then says the rest. `key` is a file of this machine.
    """

    name: str
    kind: str = "ssh"
    address: str = ""
    user: str | None = None
    port: int | None = None
    key: str | None = None
    root: str | None = None
    transport: str = "fabric"
    max_workers: int | None = None
    credential_set: str | None = None

    @property
    def target(self) -> str:
        """The machine as people write it: user@address:port."""
        user, port = f"{self.user}@" if self.user else "", f":{self.port}" if self.port else ""
        return f"{user}{f'[{self.address}]' if port and ':' in self.address else self.address}{port}"


def file() -> Path:
    """Return where hosts.toml is."""
    return paths.config_dir() / FILE


def every() -> list[Host]:
    """Return every host, in the order of the file; BadInput, naming file, table and key, for what is wrong in it."""
    data = toml.read(file())
    tables = data.pop("hosts", {})
    if data:
        raise BadInput(f"{file()}: unknown key {min(data)!r}", "write tables [hosts.NAME]")
    if not isinstance(tables, dict) or not all(isinstance(one, dict) for one in tables.values()):
        raise BadInput(f"{file()}: hosts is no table of tables", "write [hosts.NAME]")
    return [_checked(name, table, f"{file()} [hosts.{name}]") for name, table in tables.items()]


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
    return _checked(name, table, "host add")


def add(host: Host) -> None:
    """Write a host into hosts.toml, all else in it untouched; Busy when it is there."""
    every()  # what is wrong in the file is told first
    defaults = Host(host.name).to_json()
    with toml.edited(file()) as document:
        tables = document.setdefault("hosts", {})
        if host.name in tables:
            raise Busy(f"host {host.name} is in {file()} already", f"claude-workers host remove {host.name} first")
        tables[host.name] = {
            key: value for key, value in host.to_json().items() if key == "address" or value != defaults[key]
        }


def remove(name: str) -> Host:
    """Take a host out of hosts.toml and return it; the machine itself is left as it is."""
    host = find(name)
    with toml.edited(file()) as document:
        if document.get("hosts", {}).pop(name, None) is None:
            raise _unknown(name)
    return host


def _checked(name: str, table: dict[str, Any], where: str) -> Host:
    """Return a host as it is written; BadInput, naming `where` and the key, when something is wrong."""
    known = sorted(set(Host.__dataclass_fields__) - {"name"})
    for unknown in sorted(set(table) - set(known)):
        raise BadInput(f"{where}: unknown key {unknown!r}", f"known are {', '.join(known)}")
    try:
        names.worker_id(name)
    except BadInput as error:
        raise BadInput(f"{where}: {names.shown(name)} is no host's name", error.remedy) from error
    for key, value in table.items():
        _check(key, value, f"{where}: {key}")
    if not table.get("address"):
        raise BadInput(f"{where}: address is missing", 'write address = "..."')
    return Host(name, **table)


def _check(key: str, value: object, where: str) -> None:
    remedy = {
        "kind": f"choose {', '.join(_KINDS)}",
        "transport": f"choose {', '.join(TRANSPORTS)}",
        "port": "write a number from 1 to 65535",
        "max_workers": f"write a number from 0 to {_MOST_WORKERS}",
        "address": "write a host's name, an IP address or an ssh alias",
        "user": "write a user's name",
        "key": "write the path of a private key that is on this machine",
        "root": "write a folder of that host, absolute or below ~",
        "credential_set": "write the name of a table [credentials.NAME]",
    }[key]
    if not _sound(key, value):
        raise BadInput(f"{where} = {names.shown(str(value))} cannot be", remedy)


def _has_home(path: str) -> bool:
    try:
        Path(path).expanduser()
    except RuntimeError:
        return False  # of a user that is not here
    return True


def _sound(key: str, value: object) -> bool:
    if key in {"port", "max_workers"}:
        wanted = _PORTS if key == "port" else range(_MOST_WORKERS + 1)
        return isinstance(value, int) and not isinstance(value, bool) and value in wanted
    if not isinstance(value, str) or not value.isprintable():
        return False
    if key == "key":
        return bool(value) and _has_home(value)
    if key == "root":
        return value.startswith(("/", "~/")) and not set(value) <= set("/.")
    wanted_text = {"address": _ADDRESS, "user": _USER}.get(key)
    choices = {"kind": _KINDS, "transport": TRANSPORTS}.get(key)
    return bool(wanted_text.fullmatch(value) if wanted_text else value in choices if choices else value)

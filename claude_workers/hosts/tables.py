"""The tables of hosts.toml: what a host of each kind may say of itself, and what is wrong with what it says."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from claude_workers import names
from claude_workers.errors import BadInput
from claude_workers.machines import sizes
from claude_workers.model import Record

TRANSPORTS = ("fabric", "openssh")
ENGINES = ("podman", "docker")
KINDS = ("ssh", "fly", "container")
_MOST_WORKERS = 1000
# Neither a shell nor ssh's own options can be reached by what these let through.
_ADDRESS = re.compile(r"[A-Za-z0-9_:][A-Za-z0-9_.:%-]{0,252}")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}")
_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_IMAGE = re.compile(r"[a-zA-Z0-9][\w./:@-]{0,254}", re.ASCII)


@dataclass(frozen=True)
class Host(Record):
    """One place that keeps workers: a machine over SSH, or what makes a machine for each of them.

    kind ssh: how it is reached, and where it keeps its homes (None: where it says); `address` may be a
    `Host` of ~/.ssh/config, which then says the rest; `key` is a file of this machine. kind fly: an app and
    what its machines are. kind container: an engine of this machine, an image, `options` for its create.
    `max_workers` may work at a time. `config` is a file of this machine that workers in machines get as
    their config.toml.
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
    app: str | None = None
    org: str | None = None
    region: str | None = None
    fallback_regions: list[str] = field(default_factory=list)
    image: str | None = None
    digest: str | None = None
    size: str = "standard"
    sizes: dict[str, Any] = field(default_factory=dict)
    volume_gb: int = 10
    cpu_kind: str = "shared"
    daily_budget_usd: float | None = None
    weekly_budget_usd: float | None = None
    config: str | None = None
    firewall: bool = True
    engine: str = "podman"
    options: list[str] = field(default_factory=list)

    @property
    def target(self) -> str:
        """The host as people write it: user@address:port, an app, an engine."""
        if self.kind != "ssh":
            return f"app {self.app}" if self.kind == "fly" else f"{self.engine} {self.image}"
        user, port = f"{self.user}@" if self.user else "", f":{self.port}" if self.port else ""
        return f"{user}{f'[{self.address}]' if port and ':' in self.address else self.address}{port}"

    @property
    def by(self) -> str:
        """What asks it: a transport, or its kind."""
        return self.transport if self.kind == "ssh" else self.kind


@dataclass(frozen=True)
class _Key:
    """A key of a table: of which kinds of hosts, whether a value will do, what to write instead."""

    kinds: tuple[str, ...]
    sound: Callable[[Any], bool]
    remedy: str


def _text(value: object) -> bool:
    return isinstance(value, str) and bool(value) and value.isprintable()


def _of(pattern: re.Pattern[str]) -> Callable[[Any], bool]:
    return lambda value: _text(value) and bool(pattern.fullmatch(value))


def _in(choices: tuple[str, ...]) -> Callable[[Any], bool]:
    return lambda value: value in choices


def _number(least: int, most: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _usd(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")


def _key(value: object) -> bool:
    try:
        return _text(value) and bool(Path(str(value)).expanduser())
    except RuntimeError:
        return False  # of a user that is not here


def _folder(value: object) -> bool:
    return _text(value) and str(value).startswith(("/", "~/")) and not set(str(value)) <= set("/.")


def _regions(value: object) -> bool:
    return isinstance(value, list) and all(_of(_SLUG)(one) for one in value)


def _options(value: object) -> bool:
    # With its machine's own network the image's firewall would be the machine's.
    return (
        isinstance(value, list) and all(map(_text, value)) and "host" not in " ".join(value).replace("=", " ").split()
    )


def _sizes(value: object) -> bool:
    return isinstance(value, dict) and all(_of(_SLUG)(name) and _size(table) for name, table in value.items())


def _size(table: object) -> bool:
    known = {"cpus", "memory_mb", "cpu_kind", "usd_per_hour"}
    if not isinstance(table, dict) or set(table) - known or not {"cpus", "memory_mb"} <= set(table):
        return False
    kind, price = table.get("cpu_kind", "shared"), table.get("usd_per_hour", 0)
    cpus, memory = table["cpus"], table["memory_mb"]
    sound = _number(1, 16)(cpus) and _number(256, 131072)(memory) and memory % 256 == 0
    return bool(sound and kind in sizes.CPU_KINDS and _usd(price))


_MACHINES = ("fly", "container")
_KEYS = {
    "kind": _Key(KINDS, _in(KINDS), f"choose {', '.join(KINDS)}"),
    "address": _Key(("ssh",), _of(_ADDRESS), "write a host's name, an IP address or an ssh alias"),
    "user": _Key(("ssh",), _of(_USER), "write a user's name"),
    "port": _Key(("ssh",), _number(1, 65535), "write a number from 1 to 65535"),
    "key": _Key(("ssh",), _key, "write the path of a private key that is on this machine"),
    "root": _Key(("ssh",), _folder, "write a folder of that host, absolute or below ~"),
    "transport": _Key(("ssh",), _in(TRANSPORTS), f"choose {', '.join(TRANSPORTS)}"),
    "max_workers": _Key(KINDS, _number(0, _MOST_WORKERS), f"write a number from 0 to {_MOST_WORKERS}"),
    "credential_set": _Key(KINDS, _text, "write the name of a table [credentials.NAME]"),
    "app": _Key(("fly",), _of(_SLUG), "write the app's name: small letters, digits and -"),
    "org": _Key(("fly",), _of(_SLUG), "write the organization's slug, such as personal"),
    "region": _Key(("fly",), _of(_SLUG), "write a region's code, such as ord"),
    "fallback_regions": _Key(("fly",), _regions, 'write a list of regions, such as ["iad", "sjc"]'),
    "image": _Key(_MACHINES, _of(_IMAGE), "write an image's name, such as registry.fly.io/my-workers:agent"),
    "digest": _Key(_MACHINES, _of(_IMAGE), "host setup NAME --build writes it"),
    "size": _Key(("fly",), _of(_SLUG), "write light, standard, heavy or one of your own sizes"),
    "sizes": _Key(("fly",), _sizes, "write [hosts.NAME.sizes.BIG] with cpus = 8, memory_mb = 16384"),
    "volume_gb": _Key(("fly",), _number(1, 500), "write a number of gigabytes from 1 to 500"),
    "cpu_kind": _Key(("fly",), _in(sizes.CPU_KINDS), f"choose {', '.join(sizes.CPU_KINDS)}"),
    "daily_budget_usd": _Key(("fly",), _usd, "write US dollars, such as 20"),
    "weekly_budget_usd": _Key(("fly",), _usd, "write US dollars, such as 100"),
    "config": _Key(_MACHINES, _key, "write the path of a config.toml that is on this machine"),
    "firewall": _Key(_MACHINES, lambda value: isinstance(value, bool), "write true or false"),
    "engine": _Key(("container",), _in(ENGINES), f"choose {', '.join(ENGINES)}"),
    "options": _Key(("container",), _options, 'write words for the engine\'s create, such as ["--memory", "4g"]'),
}
_NEEDED = {"ssh": ("address",), "fly": ("app", "org", "region", "image"), "container": ("image",)}


def checked(name: str, table: dict[str, Any], where: str) -> Host:
    """Return a host as it is written; BadInput, naming `where` and the key, when something is wrong."""
    kind = table.get("kind", "ssh")
    known = sorted(one for one, key in _KEYS.items() if kind not in KINDS or kind in key.kinds)
    for unknown in sorted(set(table) - set(known)):
        raise BadInput(f"{where}: unknown key {unknown!r}", f"known are {', '.join(known)}")
    try:
        names.worker_id(name)
    except BadInput as error:
        raise BadInput(f"{where}: {names.shown(name)} is no host's name", error.remedy) from error
    for key, value in table.items():
        if not _KEYS[key].sound(value):
            raise BadInput(f"{where}: {key} = {names.shown(str(value))} cannot be", _KEYS[key].remedy)
    for key in _NEEDED[kind]:
        if not table.get(key):
            raise BadInput(f"{where}: {key} is missing", f'write {key} = "..."')
    return Host(name, **table)

"""Opening a host: whatever its kind, the verbs it answers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from claude_workers import paths
from claude_workers.errors import BadInput
from claude_workers.hosts import wire
from claude_workers.hosts.there import There

if TYPE_CHECKING:
    from claude_workers.hosts.housed import Housed
    from claude_workers.hosts.tables import Host
    from claude_workers.machines.machine import Engine, Spec

# What only hosts of a kind need is imported where one is opened.
# ruff: noqa: PLC0415


def there(host: Host) -> There:
    """Return what answers for a host."""
    return There(host, wire.open_line(host)) if host.kind == "ssh" else housed(host)


def housed(host: Host) -> Housed:
    """Return a host that has a machine for each worker; BadInput for one that is a machine itself."""
    from claude_workers.hosts.housed import Housed
    from claude_workers.machines import sizes
    from claude_workers.machines.costs import Terms
    from claude_workers.machines.life import Life

    # A container has what its machine has, which costs what it costs.
    own = {"standard": sizes.Size("standard", 1, 1024, usd_per_hour=0.0)}
    known = own if host.kind == "container" else sizes.known(host.sizes, host.cpu_kind)
    if host.size not in known:
        raise BadInput(f"host {host.name}: there is no size {host.size}", f"choose {', '.join(sorted(known))}")
    terms = Terms(known, host.size, host.daily_budget_usd, host.weekly_budget_usd, host.max_workers)
    return Housed(host, Life(engine(host), host.name, terms))


def engine(host: Host) -> Engine:
    """Return what makes the machines of a host."""
    if host.kind == "container":
        from claude_workers.hosts.in_containers import Containers

        return Containers(host, spec(host), paths.config_dir() / "containers" / host.name)
    if host.kind != "fly":
        raise BadInput(f"host {host.name} is a machine over SSH", "name a host of kind fly or container")
    from claude_workers.fly.api import Fly
    from claude_workers.machines.on_fly import OnFly

    return OnFly(Fly(host.app or ""), spec(host), paths.config_dir() / ".locks")


def spec(host: Host) -> Spec:
    """Return what a host's machines are made of."""
    from claude_workers.machines.machine import Spec

    image = host.image or ""
    if host.digest and host.kind == "fly":
        image = f"{image.partition('@')[0]}@{host.digest}"
    settings = ""
    if host.config:
        path = Path(host.config).expanduser()
        try:
            settings = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(f"host {host.name}: {path} cannot be read: {error}", "mend config in hosts.toml") from error
    return Spec(image, host.region or "", tuple(host.fallback_regions), host.volume_gb, settings, host.firewall)

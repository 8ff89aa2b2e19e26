"""The sizes of machines: what each has, what it costs, and which a task gets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_workers.errors import BadInput
from claude_workers.model import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

KINDS = ("code", "test", "review", "doc", "security")
CPU_KINDS = ("shared", "performance")
# US dollars a month of 30 days, per GB of memory and per CPU: https://fly.io/docs/about/pricing/ for
# started machines. Regions differ; `usd_per_hour` of a size says what yours costs.
_GB, _CPU = 5.005, {"shared": 0.69, "performance": 21.0}
_HOURS = 720.0
_BY_KIND = {"doc": "light", "review": "light", "test": "standard", "security": "heavy"}
_BY_MODEL = {"haiku": "light", "opus": "heavy"}


@dataclass(frozen=True)
class Size(Record):
    """A machine's processors and memory, and what an hour of it costs (unset: by Fly's list)."""

    name: str
    cpus: int
    memory_mb: int
    cpu_kind: str = "shared"
    usd_per_hour: float | None = None

    @property
    def price(self) -> float:
        """US dollars an hour while it is up."""
        if self.usd_per_hour is not None:
            return self.usd_per_hour
        return (self.memory_mb / 1024 * _GB + self.cpus * _CPU[self.cpu_kind]) / _HOURS


BUILT_IN = (Size("light", 1, 1024), Size("standard", 2, 2048), Size("heavy", 4, 4096))


def known(own: Mapping[str, Mapping[str, object]], cpu_kind: str) -> dict[str, Size]:
    """Return every size by its name: the built-in ones of a kind of processor, and a host's own over them."""
    found = {one.name: _of_kind(one, cpu_kind) for one in BUILT_IN}
    for name, table in own.items():
        found[name] = Size.from_json({"cpu_kind": cpu_kind, **table, "name": name})
    return found


def _of_kind(size: Size, cpu_kind: str) -> Size:
    """Return a built-in size with the processors of a kind; of the performance ones each has 2 GB at least."""
    least = 2048 * size.cpus if cpu_kind == "performance" else 0
    return Size(size.name, size.cpus, max(size.memory_mb, least), cpu_kind)


def chosen(sizes: Mapping[str, Size], usual: str, *, asked: str | None, kind: str | None, model: str | None) -> Size:
    """Return the size of a task: as asked for, else by its kind, else by its model, else the host's usual one."""
    by_model = next((size for word, size in _BY_MODEL.items() if word in (model or "")), "")
    guessed = next((one for one in (_BY_KIND.get(kind or "", ""), by_model) if one in sizes), usual)
    name = asked or guessed
    if name not in sizes:
        raise BadInput(f"there is no size {name!r}", f"choose {', '.join(sorted(sizes))}")
    return sizes[name]

"""The machine as its engine tells of it, and the engine: what makes, starts, asks and ends machines."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from claude_workers.model import Record

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from claude_workers.machines.sizes import Size
    from claude_workers.machines.words import Request
    from claude_workers.model import Json

DOWN = frozenset({"stopped", "suspended"})


@dataclass(frozen=True)
class Machine(Record):
    """One worker's machine.

    `state` is Fly's word, whatever the engine. `said` is what it carried out (see `words`), `ended` how it
    ended last ("" while that is not known), `digest` that of its image, `at` when it was last changed.
    """

    id: str
    worker: str
    state: str
    region: str = ""
    volume: str = ""
    version: str = ""
    image: str = ""
    digest: str = ""
    size: str = ""
    ended: str = ""
    at: str = ""
    said: dict[str, str] = field(default_factory=dict)

    @property
    def down(self) -> bool:
        """Whether nothing runs in it."""
        return self.state in DOWN

    @property
    def running(self) -> bool:
        """Whether a command can be run in it."""
        return self.state == "started"


@dataclass(frozen=True)
class Spec:
    """What machines are made of: the image, where they are (`region`, else one of the fallbacks), the volume's size.

    `settings` is the text of a config.toml that workers inside get, "" for none. `wall`: the image's firewall is on.
    """

    image: str
    region: str = ""
    fallback_regions: tuple[str, ...] = ()
    volume_gb: int = 10
    settings: str = ""
    wall: bool = True

    @property
    def env(self) -> dict[str, str]:
        """The variables of a machine; nothing secret is ever among them."""
        return {} if self.wall else {"DANGEROUSLY_SKIP_FIREWALL": "1"}


@dataclass(frozen=True)
class Leftover(Record):
    """Something that no worker owns: `kind` is machine or volume; `why` says how that is known."""

    kind: str
    id: str
    name: str
    why: str


class Engine(Protocol):
    """What has machines. Every method may raise Unreachable; what is asked for twice is done once."""

    def machines(self) -> list[Machine]:
        """Return the machine of every worker."""

    def look(self, machine: Machine) -> Machine:
        """Return a machine as it is now; NotFound when it is gone."""

    def make(self, worker: str, size: Size) -> tuple[Machine, bool]:
        """Return a worker's machine, made with its volume where there is none, and whether it was; not started."""

    def begin(self, machine: Machine, request: Request, size: Size, sets: Sequence[str]) -> Machine:
        """Start a stopped machine on a request; Busy when somebody else does, or it is not stopped."""

    def start(self, machine: Machine) -> None:
        """Start a machine that was to be started and is not."""

    def wait(self, machine: Machine, state: str, seconds: float) -> bool:
        """Tell whether a machine came to a state within `seconds`."""

    def run(
        self, machine: Machine, argv: Sequence[str], stdin: bytes, limit: float | None
    ) -> Generator[bytes, None, Json]:
        """Run a command inside; yield the lines of its stdout and return {status, stderr}."""

    def interactive(self, machine: Machine, argv: Sequence[str]) -> int:
        """Run a command inside at this terminal."""

    def stop(self, machine: Machine, seconds: int) -> None:
        """Ask a machine to stop within `seconds`, and return."""

    def destroy(self, machine: Machine) -> None:
        """Destroy a machine and its volume."""

    def leftovers(self) -> list[Leftover]:
        """Return what no worker owns."""

    def delete(self, leftover: Leftover) -> None:
        """Delete what no worker owns."""

    def keep_secrets(self, sets: Mapping[str, str]) -> None:
        """Keep credential sets where machines are given them from."""

"""The facts of a machine: what it has of all that workers need, looked at by its own shell."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from claude_workers.errors import WorkersError
from claude_workers.hosts import line
from claude_workers.model import Record

if TYPE_CHECKING:
    from claude_workers.hosts.line import Shell

_LIMIT = 60.0
_PROBE = Path(__file__).with_name("probe.sh")


@dataclass(frozen=True)
class Facts(Record):
    """What `probe.sh` says, by the names it uses; "" for what is not there or could not be told.

    `link` is where the program is called, `leads` where that leads, `digest` what is installed there by
    us, `bare` what a shell without a profile finds; `userns` is "yes" or why not.
    """

    uid: str = ""
    user: str = ""
    home: str = ""
    kernel: str = ""
    login_shell: str = ""
    apt: str = ""
    brew: str = ""
    sudo: str = ""
    python: str = ""
    any_python: str = ""
    git: str = ""
    npm: str = ""
    claude: str = ""
    bwrap: str = ""
    userns: str = ""
    apparmor: str = ""
    link: str = ""
    leads: str = ""
    digest: str = ""
    version: str = ""
    host_name: str = ""
    bare: str = ""
    linger: str = ""

    @property
    def root(self) -> bool:
        """Whether we may do all there, by sudo if need be."""
        return self.uid == "0" or self.sudo == "yes"

    @property
    def linux(self) -> bool:
        """Whether it runs Linux."""
        return self.kernel == "Linux"


def ask(shell: Shell, host: str) -> Facts:
    """Return the facts of a machine; nothing is changed there. See `line.Line` for what is raised."""
    output = line.run(shell, ["sh", "-s"], host, stdin=_PROBE.read_bytes(), limit=_LIMIT)
    said = dict(one.rstrip("\r").partition("=")[::2] for one in output)
    known = {one.name for one in dataclasses.fields(Facts)}
    found = Facts(**{name: value.strip() for name, value in said.items() if name in known})
    if not found.uid:
        raise WorkersError(f"host {host} does not say who we are there", "look at what its login shell does")
    return found

"""The identity of a root: a random name kept in it, which tells its claims from those of any other machine.

Paths and machines' names do not: two servers may both be `debian` and keep their homes in /root/workers.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from claude_workers import files

if TYPE_CHECKING:
    from claude_workers.paths import Layout


def of(layout: Layout) -> str:
    """Return a root's identity, given to it now when it has none."""
    files.make_private(layout.root)
    files.create_exclusive(layout.identity, f"{uuid.uuid4()}\n")
    return known(layout)


def known(layout: Layout) -> str:
    """Return a root's identity; "" when it was never given one."""
    return (files.read_inside(layout.root, layout.identity.name) or "").strip()

"""Which forge a repository belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_workers.errors import BadInput
from claude_workers.forge.embedded import EmbeddedForge

if TYPE_CHECKING:
    from claude_workers.forge.seam import Forge
    from claude_workers.model import Repository
    from claude_workers.paths import Layout


def forge_of(layout: Layout, repository: Repository) -> Forge:
    """Return the forge where a repository's issues live."""
    if repository.path is None:
        raise BadInput(
            f"{repository.name} is on GitHub, which this version does not speak yet",
            "clone it and name the clone by its path, such as ./repo",
        )
    return EmbeddedForge(layout, repository)

"""Which forge a repository belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_workers import access, files
from claude_workers.errors import BadInput
from claude_workers.model import Repository

if TYPE_CHECKING:
    from claude_workers.access import Origin
    from claude_workers.forge.github.forge import GitHubForge
    from claude_workers.forge.seam import Forge
    from claude_workers.paths import Layout


def known(layout: Layout) -> list[Repository]:
    """Return the repositories where this root has claims: on GitHub, where it has ever claimed an issue."""
    found = []
    if layout.tickets.exists():
        from claude_workers.forge.embedded import claimed  # noqa: PLC0415

        found += claimed(layout)
    for path in sorted(layout.repositories.glob(layout.claims_memory("*").name)):
        try:
            data = files.read_json(path)
        except ValueError:
            continue
        if data and isinstance(data.get("name"), str) and isinstance(data.get("url"), str):
            found.append(Repository(data["name"], data["url"]))
    return found


def forge_of(layout: Layout, repository: Repository, origin: Origin | None = None) -> Forge:
    """Return the forge where a repository's issues live; its libraries are loaded only here.

    `origin` is the repository with its access, where the caller has found it already.
    """
    if repository.path is None:
        return github(layout, repository, origin)
    return desk(layout, repository)


def desk(layout: Layout, repository: Repository) -> Forge:
    """Return this root's own tickets about a repository, wherever its issues live."""
    from claude_workers.forge.embedded import EmbeddedForge  # noqa: PLC0415

    return EmbeddedForge(layout, repository)


def github(layout: Layout, repository: Repository, origin: Origin | None = None) -> GitHubForge:
    """Return GitHub's view of a repository that is there; BadInput for one that is named by path."""
    if repository.path is not None:
        raise BadInput(f"{repository.path} is not on GitHub", "name it as owner/repo")
    from claude_workers.forge.github.forge import GitHubForge  # noqa: PLC0415

    return GitHubForge(layout, origin or access.origin(repository))

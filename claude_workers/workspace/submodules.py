"""Submodules: those the operator lists are mirrored by the runner, and checked out from our mirrors inside.

Only listed ones: whoever may write to a repository could otherwise name a private one that the
runner's token may read and they may not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from claude_workers import access, git
from claude_workers.errors import BadInput
from claude_workers.git import GitFailed
from claude_workers.model import Repository
from claude_workers.names import owner_repo
from claude_workers.workspace import upstream

if TYPE_CHECKING:
    from claude_workers.paths import Layout
    from claude_workers.workspace.clone import Inside

_ENTRY = re.compile(r"submodule\.(.+)\.(path|url)")
# The new repository borrows our mirror's objects, as the clone itself does.
_CHECKOUT = """
set -eu
cd "$1"
shift
while [ $# -gt 0 ]; do
    path=$1 mirror=$2
    shift 2
    sha=$(git rev-parse --verify --quiet "HEAD:$path") || continue
    mkdir -p "$path"
    git -C "$path" init --quiet
    printf '%s\\n' "$mirror/objects" > "$path/.git/objects/info/alternates"
    git -C "$path" checkout --quiet --detach "$sha"
done
"""


@dataclass(frozen=True)
class Submodule:
    """Where a submodule stands in the tree, and what it is."""

    path: str
    repository: Repository


def of(mirror: Path, commit: str, repository: Repository, listed: tuple[str, ...]) -> list[Submodule]:
    """Return the listed submodules that a commit names."""
    if not listed or upstream.show(mirror, commit, ".gitmodules") is None:
        return []
    words = ("config", "--blob", f"{commit}:.gitmodules", "--null", "--get-regexp", r"^submodule\..*\.(path|url)$")
    try:
        told = git.run(*words, at=mirror).decode("utf-8", "replace")
    except GitFailed:
        return []  # a file that is none: what it would have named is missing, and the agent will see that
    entries: dict[str, dict[str, str]] = {}
    for one in told.split("\0"):
        key, _, value = one.partition("\n")
        found = _ENTRY.fullmatch(key)
        if found:
            entries.setdefault(found[1], {})[found[2]] = value
    known = {name.lower() for name in listed}
    made = [_submodule(entry, repository) for entry in entries.values()]
    return [one for one in made if one and one.repository.name.lower() in known]


def _submodule(entry: dict[str, str], repository: Repository) -> Submodule | None:
    """Return an entry's submodule; None for one on another server or with a path that leads elsewhere."""
    url, path = entry.get("url", ""), entry.get("path", "")
    if url.startswith(("./", "../")):
        url = urljoin(f"{repository.url.removesuffix('.git')}/", url)
    parts = Path(path).parts
    if not parts or path.startswith(("/", "-")) or ".." in parts or ".git" in parts:
        return None
    try:
        name = owner_repo(url)
    except BadInput:
        return None
    server = access.server_of(repository) or access.server()
    return Submodule(path, Repository(name, f"{server}/{name}.git"))


def mirrors(layout: Layout, found: list[Submodule]) -> list[tuple[str, Path]]:
    """Bring our mirrors of submodules up to date and return each path with its mirror."""
    return [(one.path, upstream.mirror(layout, access.origin(one.repository))) for one in found]


def checkout(inside: Inside, folder: Path, mirrored: list[tuple[str, Path]]) -> None:
    """Check submodules out in a clone, each at the commit that its HEAD names."""
    if mirrored:
        inside(_CHECKOUT, str(folder), *[str(word) for pair in mirrored for word in pair])

"""The store: what agents made of a repository, kept apart from the mirror that every worker sees.

`<root>/.repos/<key>.made.git` borrows the mirror's objects and holds `refs/work/<worker>/<task>/*`.
Nothing of it is ever shown inside an enclosure: one worker's unfinished work is no other's to read.
"""

from __future__ import annotations

import os
import re
import tempfile
import uuid
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from claude_workers import files, git
from claude_workers.errors import WorkersError
from claude_workers.lock import locked
from claude_workers.workspace import upstream

if TYPE_CHECKING:
    from pathlib import Path

    from claude_workers.model import Repository
    from claude_workers.paths import Layout

STATE = "refs/carry/state"
_HEADER = b"# v2 git bundle\n"
_LINE = re.compile(rb"(-?)([0-9a-f]{40})(?: (.*))?\n")
_HEADER_LINES = 20_000
_BRANCH = re.compile(r"refs/heads/[A-Za-z0-9][A-Za-z0-9._/-]{0,200}")
_LOCK_WAIT = 600.0


@dataclass(frozen=True)
class Bundle:
    """A bundle's head: what it needs, and what it brings by name."""

    needs: list[str]
    brings: dict[str, str]


def path(layout: Layout, repository: Repository) -> Path:
    """Return where the store of a repository stands."""
    return upstream.bare(layout, repository).with_suffix(".made.git")


def ensure(layout: Layout, repository: Repository) -> Path:
    """Return the store, made where it is missing."""
    place, mirror = path(layout, repository), upstream.bare(layout, repository)
    with locked(layout.repository_lock(place.name), _LOCK_WAIT, f"{repository.name}'s store is in use"):
        git.make_bare(place)
        files.write_atomic(place / "objects" / "info" / "alternates", f"{mirror}/objects\n")
    return place


def read_head(stream: IO[bytes]) -> Bundle:
    """Read a bundle's head, leaving the stream at its pack; WorkersError for anything but a bundle."""
    if stream.readline(len(_HEADER)) != _HEADER:
        raise WorkersError("what came out of the enclosure is no bundle")
    needs: list[str] = []
    brings: dict[str, str] = {}
    for _ in range(_HEADER_LINES):
        line = stream.readline(4096)
        if line == b"\n":
            return Bundle(needs, brings)
        found = _LINE.fullmatch(line)
        if not found:
            break
        if found[1]:
            needs.append(found[2].decode())
        elif found[3]:
            brings[found[3].decode("utf-8", "replace")] = found[2].decode()
    raise WorkersError("what came out of the enclosure is no bundle that we take")


def take(store: Path, bundle: IO[bytes]) -> Bundle:
    """Take a bundle's objects, checked one by one; return its head, which brings a state.

    Branches whose names we would not give are left out. WorkersError when an object is broken or missing.
    """
    head = read_head(bundle)
    if STATE not in head.brings:
        raise WorkersError("the bundle names no state")
    os.lseek(bundle.fileno(), bundle.tell(), os.SEEK_SET)  # git reads on from the handle, past our buffer
    git.run("index-pack", "--stdin", "--fix-thin", "--strict", "--fsck-objects", at=store, stdin=bundle)
    named = {name: sha for name, sha in head.brings.items() if name == STATE or _BRANCH.fullmatch(name)}
    # Every object that these commits reach must be here before a ref says so.
    git.run("rev-list", "--objects", "--quiet", *named.values(), "--not", "--all", at=store)
    return Bundle(head.needs, named)


def keep(store: Path, named: dict[str, str], kept: str) -> str:
    """Name what was taken as `refs/work/<kept>/*`; return its state."""
    state = named[STATE]
    git.unlock(store / "refs" / "work" / kept)  # nobody but this task's runner, which is us, writes there
    for name, sha in named.items():
        if name == STATE:
            continue
        git.run("update-ref", f"refs/work/{kept}/{name.removeprefix('refs/')}", f"{sha}^{{commit}}", at=store)
    git.run("update-ref", f"refs/work/{kept}/state", f"{state}^{{commit}}", at=store)
    return state


def give(store: Path, mirror: Path, sha: str, target: Path) -> None:
    """Write a bundle of one commit's history beyond the mirror to a file, to be checked out elsewhere."""
    known = git.text("for-each-ref", "--format=^%(objectname)", "refs/upstream", at=mirror).splitlines()
    if upstream.is_mirrored(mirror, sha):  # git makes no bundle of nothing
        known = [f"^{one}" for one in git.text("rev-parse", f"{sha}^@", at=store).split()]
    # A name of its own: another runner may give from this store at the same moment.
    name = f"refs/carry/{uuid.uuid4().hex}"
    git.run("update-ref", name, sha, at=store)
    try:
        with tempfile.TemporaryFile() as wanted:
            wanted.write("\n".join([name, *known, ""]).encode())
            wanted.seek(0)
            git.run("bundle", "create", "--quiet", str(target), "--stdin", at=store, stdin=wanted)
    finally:
        git.run("update-ref", "-d", name, at=store)

"""Merged work: whether a rescue holds anything that its upstream has not, and taking it out of its store."""

from __future__ import annotations

import contextlib
import tempfile
from typing import IO, TYPE_CHECKING

from claude_workers import git
from claude_workers.workspace.rescues import PUSHED, heads

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from claude_workers.model import Rescue

# Runners write their own refs meanwhile: whatever holds a ref's lock here could make one of them fail.
_APART = ("gc.packRefs=false", "gc.reflogExpire=never", "gc.reflogExpireUnreachable=never")


def refs(place: Path, below: str) -> dict[str, str]:
    """Return the refs of a repository below a name, each by the rest of its own."""
    listed = git.text("for-each-ref", "--format=%(refname) %(objectname)", below, at=place).splitlines()
    return {name.removeprefix(f"{below}/"): sha for name, _, sha in (line.partition(" ") for line in listed)}


def needed(store: Path, mirror: Path, rescue: Rescue) -> str:
    """Return why a rescue is needed yet, "" when all of it lies in upstream's branches as the mirror knows them.

    The worker's own branches do not count: published is not merged, and upstream may drop them.
    """
    held = refs(store, _place(rescue))
    if held.pop("state", None) != rescue.state:
        return "it was changed this moment"
    tree, *parents = git.text("log", "-1", "--format=%T %P", rescue.state, at=store).split()
    if not parents or git.text("rev-parse", f"{parents[0]}^{{tree}}", at=store) != tree:
        return "it holds what was never committed"
    own = (f"{rescue.branch}/", f"w{rescue.worker}/", PUSHED)
    others = [sha for name, sha in heads(mirror).items() if not f"{name}/".startswith(own)]
    if _listed(store, (*held.values(), *parents), others, "--max-count=1"):
        return "it holds commits that are not merged upstream"
    return ""


def bundle(store: Path, mirror: Path, rescue: Rescue) -> bytes:
    """Return all refs of a rescue as a git bundle, without what upstream's branches hold."""
    held, known = refs(store, _place(rescue)), heads(mirror)
    with _fed([*(f"{_place(rescue)}/{name}" for name in held), *(f"^{sha}" for sha in known.values())]) as lines:
        return git.run("bundle", "create", "--quiet", "-", "--stdin", at=store, stdin=lines)


def size(store: Path, mirror: Path, rescue: Rescue) -> int:
    """Return the bytes of those objects of a rescue that upstream's branches do not hold as well."""
    held, known = refs(store, _place(rescue)), heads(mirror)
    return int(_listed(store, held.values(), known.values(), "--objects", "--disk-usage"))


def drop(store: Path, rescue: Rescue) -> None:
    """Take a rescue's refs out of its store, all or none; the objects go by `prune`, in time."""
    place = _place(rescue)
    with _fed(f"delete {place}/{name} {sha}" for name, sha in refs(store, place).items()) as lines:
        git.run("update-ref", "--stdin", at=store, stdin=lines)


def prune(store: Path) -> None:
    """Let git collect what no ref of a store names, two weeks after it was written; the caller holds its lock."""
    git.run(*(word for option in _APART for word in ("-c", option)), "gc", "--quiet", at=store)


def _place(rescue: Rescue) -> str:
    return f"refs/work/{rescue.worker}/{rescue.task_id}"


def _listed(store: Path, wanted: Iterable[str], known: Iterable[str], *options: str) -> str:
    """Return what rev-list says of commits, and of what they reach beyond those that are known."""
    with _fed([*wanted, *(f"^{one}" for one in known)]) as lines:
        return git.run("rev-list", *options, "--stdin", at=store, stdin=lines).decode().strip()


@contextlib.contextmanager
def _fed(lines: Iterable[str]) -> Iterator[IO[bytes]]:
    with tempfile.TemporaryFile() as stream:
        stream.write("".join(f"{line}\n" for line in lines).encode())
        stream.seek(0)
        yield stream

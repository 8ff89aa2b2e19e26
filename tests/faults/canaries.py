"""Canaries: secrets that sing wherever they turn up, and the places where they are listened for."""

from __future__ import annotations

import base64
import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, quote_plus

_OWN_FILES = frozenset({".env", ".zshenv", ".forge"})
# Below a home: Claude's transcripts, the clone, and what the agent writes to leave a word for its runner.
_MAY_HOLD = (".claude", "github", "tmp/outbox")
# There the agent or git chooses the modes: it is enough that nobody can come so far.
_NOT_OURS = (".claude", ".cache", "github", "tmp")


@dataclass(frozen=True)
class Canary:
    """A secret: what it is of, its value, and the workers whose processes may know it."""

    name: str
    value: str
    workers: tuple[str, ...]

    @property
    def songs(self) -> set[bytes]:
        """The spellings by which it is known."""
        plain = self.value
        texts = {plain, json.dumps(plain)[1:-1], json.dumps(plain, ensure_ascii=False)[1:-1]}
        texts |= {quote(plain), quote(plain, safe=""), quote_plus(plain)}
        return {one.encode() for one in texts} | {base64.b64encode(f"{who}{plain}".encode()) for who in _NAMED}


_NAMED = ("", "x-access-token:", "bob:")


@dataclass
class Cage:
    """The canaries of a test, and what was heard of them where."""

    canaries: list[Canary]
    searched: Counter[str] = field(default_factory=Counter)
    leaked: set[str] = field(default_factory=set)
    found: set[str] = field(default_factory=set)

    def listen(self, place: str, kind: str, content: bytes | str) -> None:
        """Search one place."""
        self.searched[kind] += 1
        data = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
        self.leaked |= {f"{one.name} in {place}" for one in self.canaries if any(song in data for song in one.songs)}

    def search(self, root: Path, *others: Path) -> None:
        """Search every file and name of the root and of other folders; the root's are for their owner alone."""
        for path in _below(root):
            relative = path.relative_to(root).parts
            self._look_at(path, open_to_us=_allowed(relative), kind="file of the root")
            if _loose(relative, path) or _reachable(root, path):
                self.leaked.add(f"{path} has permissions for others")
        for folder in others:
            for path in _below(folder):
                self._look_at(path, open_to_us=False, kind="other file")

    def _look_at(self, path: Path, *, open_to_us: bool, kind: str) -> None:
        if open_to_us:
            self.searched["file that may hold them"] += 1
            self.found |= {one.name for one in self.canaries if path.is_file() and one.value.encode() in _content(path)}
            return
        self.listen(f"the name {path}", "name", os.fsencode(path.name))
        if path.is_symlink():
            self.listen(f"the link {path}", "name", os.readlink(os.fsencode(path)))
        elif path.is_file():
            self.listen(str(path), kind, path.read_bytes())

    def __str__(self) -> str:
        """Count."""
        places = ", ".join(f"{count} x {kind}" for kind, count in sorted(self.searched.items()))
        return f"{len(self.canaries)} canaries planted; searched {places}; {len(self.leaked)} leaked"


def _below(folder: Path) -> Iterator[Path]:
    yield folder
    for at, folders, names in os.walk(folder):
        yield from (Path(at, name) for name in (*folders, *names))


def _allowed(relative: tuple[str, ...]) -> bool:
    """Tell whether a path below the root may hold a secret: a home's own, the agent's, or git's objects."""
    inner = "/".join(relative[1:])
    return bool(_OWN_FILES & set(relative[1:2])) or _within(inner, _MAY_HOLD) or "objects" in relative


def _within(inner: str, folders: tuple[str, ...]) -> bool:
    return any(inner == one or inner.startswith(f"{one}/") for one in folders)


def _loose(relative: tuple[str, ...], path: Path) -> bool:
    """Tell whether a path that we made has permissions for others."""
    ours = not _within("/".join(relative[1:]), _NOT_OURS) and not any(one.endswith(".git") for one in relative[:-1])
    return ours and not path.is_symlink() and bool(path.lstat().st_mode & 0o077)


def _content(path: Path) -> bytes:
    return b"" if path.is_symlink() else path.read_bytes()


def _reachable(root: Path, path: Path) -> bool:
    """Tell whether anybody else has a permission on a path and on every folder above it, up to the root."""
    chain = [path, *(one for one in path.parents if one == root or one.is_relative_to(root))]
    try:
        return all(one.lstat().st_mode & 0o077 for one in chain) and not path.is_symlink()
    except FileNotFoundError:
        return False  # it went away meanwhile

"""The view: what of the host's system an enclosure shows, read-only and without its secrets."""

from __future__ import annotations

import contextlib
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from claude_workers.enclosure.toolchain import SYSTEM
from claude_workers.errors import WorkersError

if TYPE_CHECKING:
    from collections.abc import Iterable

# Where machines keep secrets beside what everybody reads, and how deep they are looked for.
_COPIED = 1 << 20
_LOOKS = 10
_NEEDED = ("/etc/alternatives", "/etc/ld.so.cache", "/etc/passwd", "/etc/group")
_WITH_SECRETS = (("/etc", 5), ("/opt", 2), ("/usr/local", 2))


@dataclass
class View:
    """What of the host is shown: bubblewrap's options, and the open handles they name."""

    options: list[str] = field(default_factory=list)
    handles: list[int] = field(default_factory=list)

    def close(self) -> None:
        """Let go of the handles: bubblewrap has its own by now."""
        for handle in self.handles:
            os.close(handle)
        self.handles.clear()


def system_view(hidden: Iterable[Path] = ()) -> View:
    """Return the system read-only, as it is this moment, without its secrets.

    `hidden` are private folders that are covered where they lie in what is shown. Where a name vanishes
    between two looks, as in an upgrade of the system's packages, all is looked at again.
    """
    for _ in range(_LOOKS):
        view = View(_folders(SYSTEM))
        with contextlib.suppress(FileNotFoundError):
            _complete(view, hidden)
            return view
        view.close()
    raise WorkersError("the system's folders change all the time", "wait for its package manager to finish")


def _complete(view: View, hidden: Iterable[Path]) -> None:
    emptied = []
    for name, depth in _WITH_SECRETS:
        if not os.path.isdir(name) or os.path.islink(name):
            continue
        if _has_secrets(name, depth):
            view.options += ["--tmpfs", name]
            _show(view, name, depth)
            emptied.append(name)
        elif name == "/etc":
            view.options += ["--ro-bind", name, name]
    view.options += _covers(hidden, SYSTEM)
    view.options += [word for name in emptied for word in ("--remount-ro", name)]


def sealed_view(hidden: Iterable[Path] = ()) -> View:
    """Return the little of the system that its own programs need to run on files: no settings, nothing local."""
    shown = tuple(name for name in SYSTEM if name != "/opt")
    view = View([*_folders(shown), *_covers([Path("/usr/local")], shown), *_covers(hidden, shown)])
    for name in _NEEDED:
        view.options += ["--ro-bind", name, name] if os.path.exists(name) else []
    return view


def _folders(names: Iterable[str]) -> list[str]:
    """Return the options that show folders of the system as they are, links as links."""
    options: list[str] = []
    for name in names:
        if os.path.islink(name):
            options += ["--symlink", os.readlink(name), name]
        elif os.path.isdir(name):
            options += ["--ro-bind", name, name]
    return options


def _covers(hidden: Iterable[Path], shown: Iterable[str]) -> list[str]:
    """Return the options that cover private folders where they lie in what is shown."""
    places = tuple(shown)
    covered = sorted(path for path in hidden if path.is_dir() and any(path.is_relative_to(one) for one in places))
    return [word for path in covered for word in ("--tmpfs", str(path))]


def _kind(entry: os.DirEntry[str]) -> str:
    """Return link, folder or file; "" for what everybody may not read or is neither."""
    mode = entry.stat(follow_symlinks=False).st_mode
    if stat.S_ISLNK(mode):
        return "link"
    if stat.S_ISDIR(mode) and mode & stat.S_IROTH and mode & stat.S_IXOTH:
        return "folder"
    return "file" if stat.S_ISREG(mode) and mode & stat.S_IROTH else ""


def _has_secrets(folder: str, depth: int) -> bool:
    with os.scandir(folder) as entries:
        for entry in entries:
            kind = _kind(entry)
            if not kind or (kind == "folder" and depth and _has_secrets(entry.path, depth - 1)):
                return True
    return False


def _show(view: View, folder: str, depth: int) -> None:
    """Show what of a folder everybody may read.

    A secret is never bound and masked: a mask is gone when the file under it is replaced outside.
    Files are copied in, for bubblewrap's time grows with the square of its mounts.
    """
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda one: one.name)
    for entry in found:
        kind = _kind(entry)
        if kind == "link":
            view.options += ["--symlink", os.readlink(entry.path), entry.path]
        elif kind == "folder" and depth and _has_secrets(entry.path, depth - 1):
            view.options += ["--dir", entry.path]
            _show(view, entry.path, depth - 1)
        elif kind == "file" and entry.stat().st_size <= _COPIED:
            view.handles.append(os.open(entry.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW))
            view.options += ["--perms", "0644", "--file", str(view.handles[-1]), entry.path]
        elif kind:
            view.options += ["--ro-bind", entry.path, entry.path]

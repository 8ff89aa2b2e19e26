"""The files of a golden home: found without following a link, hashed, copied unless they hold a token."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from claude_workers.errors import Refused
from claude_workers.model import Record

if TYPE_CHECKING:
    from collections.abc import Iterator

# Files that programs keep logins in, and how tokens begin that are worth something to others.
_LOGINS = frozenset({".credentials.json", "credentials.json", "credentials.toml", "credentials", ".netrc", ".npmrc",
                     ".git-credentials", ".env", ".pypirc", "hosts.yml", "auth.json", "token.json",
                     "application_default_credentials.json"})  # fmt: skip
_LOGIN_FOLDERS = frozenset({".docker", ".aws", ".ssh", ".gnupg", ".kube", "gcloud"})
_TOKEN = re.compile(
    rb"sk-ant-[A-Za-z0-9_-]{12}|gh[pousr]_[A-Za-z0-9]{20}|github_pat_[A-Za-z0-9_]{20}|fm[12][ar]?_[A-Za-z0-9+/=]{20}"
    rb"|glpat-[A-Za-z0-9_-]{20}|npm_[A-Za-z0-9]{30}|AKIA[0-9A-Z]{16}|xox[abp]-[0-9A-Za-z-]{20}|_authToken=[^\s$]{8}"
    rb"|-----BEGIN [A-Z ]*PRIVATE KEY-----"
)
_CHUNK, _OVERLAP = 1 << 20, 4096


@dataclass(frozen=True)
class Entry(Record):
    """One file or link of a snapshot: its path in the home, its mode, its content's hash or where it leads."""

    path: str
    mode: int
    size: int
    sha256: str = ""
    target: str = ""


def walked(root: Path, folder: str) -> Iterator[Entry]:
    """Yield the files and links below a folder, none followed."""
    for parent, _, names, _ in _tree(root / folder):
        for name in names:
            entry = entry_of(root, os.path.relpath(os.path.join(parent, name), root))
            if entry is not None:
                yield entry


def _tree(folder: Path) -> Iterator[tuple[str, list[str], list[str], int]]:
    """Walk a folder without following links; links to folders are among the files."""
    for parent, folders, names, handle in os.fwalk(folder, follow_symlinks=False):
        links = [one for one in folders if stat.S_ISLNK(os.lstat(os.path.join(parent, one)).st_mode)]
        yield parent, folders, [*names, *links], handle


def entry_of(root: Path, path: str) -> Entry | None:
    """Return an entry for a file or link; None for what is neither, or leads out of the home."""
    status = os.lstat(root / path) if os.path.lexists(root / path) else None
    if status is None:
        return None
    if stat.S_ISLNK(status.st_mode):
        target = os.readlink(root / path)
        inside = os.path.normpath(os.path.join(os.path.dirname(path), target))
        return None if os.path.isabs(target) or inside.startswith("..") else Entry(path, 0, 0, target=target)
    if not stat.S_ISREG(status.st_mode):
        return None
    handle = os.open(root / path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as stream:
        hashed = hashlib.file_digest(stream, "sha256").hexdigest()
        return Entry(path, stat.S_IMODE(status.st_mode) & 0o777, status.st_size, hashed)


def copy(source: Path, to: Path, entry: Entry, secrets: list[bytes]) -> None:
    """Copy a file; Refused when it holds a token, or one of `secrets`, or is where a program keeps a login."""
    if source.name in _LOGINS or _LOGIN_FOLDERS & set(Path(entry.path).parts[:-1]):
        raise Refused(f"{entry.path} is where a program keeps a login", "delete it, save again")
    handle = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as stream, to.open("wb") as made:
        before = b""
        while piece := stream.read(_CHUNK):
            looked = before + piece
            if _TOKEN.search(looked) or any(one in looked for one in secrets):
                raise Refused(f"{entry.path} holds a token", "delete it, save again")
            before = looked[-_OVERLAP:]
            made.write(piece)
    to.chmod(entry.mode)

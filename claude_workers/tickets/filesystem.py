"""The file system of the database: a write-ahead log needs memory that its users share, which no network has."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

_MOUNTS = "/proc/self/mounts"
_NETWORK = re.compile(
    r"nfs\d?|cifs|smb\w*|afs|ceph|lustre|9p|virtiofs|webdav|fuse\.(sshfs|rclone|s3fs|glusterfs|ceph\S*)"
)
_LOOK = 10.0


def network(path: Path) -> str:
    """Return the kind of the network file system that a path is on; "" for a local one, or where nobody can tell."""
    place = os.path.realpath(path)
    found = [(where, kind) for where, kind in _mounts() if _is_below(place, where)]
    kind = max(found, key=lambda one: len(one[0]), default=("", ""))[1]
    return kind if _NETWORK.fullmatch(kind) else ""


def _is_below(place: str, where: str) -> bool:
    return place == where or place.startswith(where.rstrip("/") + "/")


def _mounts() -> list[tuple[str, str]]:
    """Return every mount point with its file system's kind, as Linux or mount(8) of macOS tells them."""
    try:
        lines = Path(_MOUNTS).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return _told_by_mount()
    fields = (line.split(" ") for line in lines)
    return [(one[1].replace("\\040", " "), one[2]) for one in fields if len(one) > 2]  # noqa: PLR2004


def _told_by_mount() -> list[tuple[str, str]]:
    try:
        said = subprocess.run(["mount"], capture_output=True, text=True, check=False, timeout=_LOOK).stdout
    except (OSError, subprocess.TimeoutExpired):
        return []
    return re.findall(r"^.* on (.+) \((\w+)", said, re.MULTILINE)

"""A database on a network file system is told: its write-ahead log cannot be trusted there."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from claude_workers.tickets import filesystem

LINUX = """\
/dev/sda / ext4 rw 0 0
server:/home /net/home nfs4 rw 0 0
host:/x /net/my\\040share fuse.sshfs rw 0 0
tmpfs /net/home/tmp tmpfs rw 0 0
"""
MACOS = "/dev/disk3s1 on / (apfs, local)\n//me@nas/x on /Volumes/x (smbfs, nodev)\n"


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/home/x", ""), ("/net/home/me/tickets.db", "nfs4"), ("/net/my share/t.db", "fuse.sshfs"),
     ("/net/home/tmp/t.db", ""), ("/net/homer/t.db", "")],
)  # fmt: skip
def test_on_linux_the_longest_mount_point_counts(
    path: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mounts").write_text(LINUX, encoding="utf-8")
    monkeypatch.setattr(filesystem, "_MOUNTS", str(tmp_path / "mounts"))
    assert filesystem.network(Path(path)) == kind


def test_on_macos_mount_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filesystem, "_MOUNTS", str(tmp_path / "absent"))
    told = subprocess.CompletedProcess(["mount"], 0, MACOS, "")
    monkeypatch.setattr(subprocess, "run", lambda *_given, **_more: told)
    assert filesystem.network(Path("/Volumes/x/t.db")) == "smbfs"
    assert filesystem.network(Path("/Users/me/t.db")) == ""

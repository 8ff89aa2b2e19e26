"""An ordinary account of this machine, made for a test: another user, with a home of its own and no rights."""

from __future__ import annotations

import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Self

from tests.conftest import STAND_IN

_PREFIX = "cw-"


class Account:
    """A user that may log in with a key, and has an agent: the stand-in."""

    def __init__(self, client: Path) -> None:
        self.home = Path(tempfile.mkdtemp(prefix=_PREFIX))
        self.name = self.home.name.lower().replace("_", "-")
        # A password of `*` is none that can be given, and yet the account is not locked.
        subprocess.run(
            [
                "useradd",
                "--home-dir",
                self.home,
                "--shell",
                "/bin/bash",
                "--password",
                "*",
                "--no-create-home",
                self.name,
            ],
            check=True,
        )
        self.uid, self.gid = pwd.getpwnam(self.name).pw_uid, pwd.getpwnam(self.name).pw_gid
        self._key = client.with_suffix(".pub")

    def __enter__(self) -> Self:
        self.home.chmod(0o755)
        self.write(".ssh/authorized_keys", self._key.read_text("utf-8"))
        # As Debian's: what comes after is for interactive shells alone.
        self.write(".bashrc", "case $- in *i*) ;; *) return ;; esac\necho hello from a profile\n")
        self.write(".local/bin/claude", STAND_IN.read_text("utf-8"))
        (self.home / ".local/bin/claude").chmod(0o755)
        self.own("")
        return self

    def own(self, name: str) -> None:
        """Give a part of the home to the account."""
        subprocess.run(["chown", "-hR", f"{self.uid}:{self.gid}", self.home / name], check=True)

    def write(self, name: str, text: str) -> None:
        """Write a file of the account's home."""
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def __exit__(self, *_: object) -> None:
        subprocess.run(["pkill", "-KILL", "-U", str(self.uid)], check=False)
        subprocess.run(["userdel", "--force", self.name], check=False, capture_output=True)
        shutil.rmtree(self.home, ignore_errors=True)

"""A machine that loses its power: a process tree of its own, on a disk of its own that is cut off and started again.

The disk is an ext4 image behind a loop device. Power is lost by killing the tree's init and copying
the image as it stands: what the file system had not yet written to it is gone, as it would be.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import KEPT, STAND_IN, make_repository, missing

_SIZE = "256M"
_PAUSE = 0.05


def require() -> None:
    """Skip, or fail in CI, where no such machine can be had."""
    for program in ("unshare", "mkfs.ext4", "mount"):
        if not shutil.which(program):
            missing(program)
    if os.geteuid() != 0 or not os.path.exists("/dev/loop-control"):
        pytest.skip("a disk of one's own takes root and loop devices")


class Machine:
    """A disk with a root of homes and a repository, and the process tree that works on it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._image = folder / "disk-0.img"
        self._boots = 0
        self._init: subprocess.Popen[bytes] | None = None
        self.disk = folder / "disk"
        self.disk.mkdir()
        subprocess.run(["truncate", "-s", _SIZE, self._image], check=True)
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", self._image], check=True)
        self._mount()
        self.calc = make_repository(self.disk / "calc")
        (self.disk / "config").mkdir()
        (self.disk / "config/config.toml").write_text("disk_floor = 0\nmax_attempts = 9\n", encoding="utf-8")
        self.run("init", "01")
        subprocess.run(["sync", "-f", self.disk], check=True)

    @property
    def environment(self) -> dict[str, str]:
        """What its programs find."""
        return {
            **{name: os.environ[name] for name in KEPT if name in os.environ},
            "HOME": str(self.disk),
            "CLAUDE_WORKERS_ROOT": str(self.disk / "workers"),
            "CLAUDE_WORKERS_CONFIG_DIR": str(self.disk / "config"),
            "CLAUDE_WORKERS_CLAUDE": str(STAND_IN),
            "ANTHROPIC_API_KEY": "sk-ant-test-key-0123456789",
        }

    def run(self, *words: str) -> str:
        """Run the command line outside of the machine, as its disk stands."""
        done = subprocess.run(self._command(*words), env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _command(self, *words: str) -> list[str]:
        return [sys.executable, "-P", "-m", "claude_workers", *words]

    def boot(self, script: str) -> None:
        """Start the machine; its init runs a shell script, in which `cw` is the command line, and stays."""
        started = self._folder / f"started-{self._boots}"
        wrapped = f'cw() {{ {shlex.join(self._command())} "$@"; }}\n{{ {script}\n}} >"$0.log" 2>&1'
        inner = ["sh", "-c", f'{wrapped}\necho $? >"$0"; exec sleep 1000', str(started)]
        argv = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", *inner]
        self._init = subprocess.Popen(argv, env=self.environment, start_new_session=True)
        self._started = started

    def told(self) -> bool:
        """Tell whether the script has ended, and well."""
        return self._started.exists() and self._started.read_text().strip() == "0"

    def ready(self) -> None:
        """Wait until the script has ended well."""
        deadline = time.monotonic() + 60
        while not self.told():
            assert time.monotonic() < deadline, Path(f"{self._started}.log").read_text(encoding="utf-8")
            time.sleep(0.02)

    def cut(self) -> None:
        """Take the power away, and let the disk be what had reached it."""
        self._halt()
        self._boots += 1
        after = self._folder / f"disk-{self._boots}.img"
        subprocess.run(["cp", "--sparse=always", self._image, after], check=True)
        self._unmount()
        self._image.unlink()
        self._image = after
        self._mount()

    def close(self) -> None:
        """Switch it off for good."""
        self._halt()
        self._unmount()
        self._image.unlink(missing_ok=True)

    def _halt(self) -> None:
        if self._init:
            os.killpg(self._init.pid, signal.SIGKILL)
            self._init.wait()
            self._init = None
            _until_nobody_uses(self.disk)

    def _mount(self) -> None:
        subprocess.run(["mount", "-o", "loop,commit=1", self._image, self.disk], check=True)

    def _unmount(self) -> None:
        deadline = time.monotonic() + 20
        while subprocess.run(["umount", self.disk], capture_output=True, check=False).returncode:
            assert time.monotonic() < deadline, "something outlives its machine"
            time.sleep(_PAUSE)


def _until_nobody_uses(disk: Path) -> None:
    deadline = time.monotonic() + 20
    while any(_uses(pid, disk) for pid in os.listdir("/proc") if pid.isdigit()):
        assert time.monotonic() < deadline, "something outlives its machine"
        time.sleep(_PAUSE)


def _uses(pid: str, disk: Path) -> bool:
    try:
        opened = [os.readlink(f"/proc/{pid}/fd/{one}") for one in os.listdir(f"/proc/{pid}/fd")]
        return any(one.startswith(f"{disk}/") for one in [*opened, os.readlink(f"/proc/{pid}/cwd")])
    except OSError:
        return False

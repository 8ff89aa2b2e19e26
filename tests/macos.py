"""A simulated macOS: an interpreter that takes itself for Apple's, without /proc, and programs that speak as there.

What is simulated is what the manual pages of macOS say (ps(1), sysctl(3), find(1)); nothing of it was run there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parent.parent

_PRETENDED = """
import fcntl, os, select, shutil, signal, socket, sys, types
# Before the platform is another: what the standard library decides by it as it is loaded.
import asyncio, ctypes.util, multiprocessing, selectors, ssl, subprocess, urllib.request, uuid, webbrowser

sys.platform = "darwin"
for module, names in {
    os: ("pidfd_open", "memfd_create", "sched_getaffinity", "O_PATH", "fdatasync", "eventfd", "getxattr",
         "posix_fadvise", "posix_fallocate", "copy_file_range", "splice", "setns", "unshare"),
    signal: ("pidfd_send_signal",), select: ("epoll",), fcntl: ("F_OFD_SETLK",),
}.items():
    for name in names:
        if hasattr(module, name):
            delattr(module, name)
which = shutil.which
shutil.which = lambda name, *rest, **more: (
    None if name in {"setpriv", "systemd-run", "loginctl", "bwrap", "socat"} else which(name, *rest, **more)
)


def hide(event, arguments):
    if event in {"open", "os.listdir", "os.scandir"} and isinstance(arguments[0], (str, bytes)):
        path = os.fsdecode(arguments[0])
        if path.startswith(("/proc", "/sys/")):
            raise FileNotFoundError(2, "this is no Linux", path)


sys.addaudithook(hide)
"""

_PS = r"""#!/usr/bin/env -S python3 -I -S
import os, sys, time

def shown(pid):
    with open(f"/proc/{pid}/stat") as stream:
        fields = stream.read().rpartition(")")[2].split()
    boot = next(int(line.split()[1]) for line in open("/proc/stat") if line.startswith("btime"))
    started = time.gmtime(boot + int(fields[19]) // 100)
    ticks = int(fields[11]) + int(fields[12])
    spent = f"{ticks // 6000}:{ticks // 100 % 60:02d}.{ticks % 100:02d}"
    return f"{pid:>5} {fields[1]:>5} {fields[0]:<4} {spent:>9} {time.strftime('%a %b %e %H:%M:%S %Y', started)}"

def environment(pid):
    words = [open(f"/proc/{pid}/{name}", "rb").read().split(b"\0") for name in ("cmdline", "environ")]
    # macOS shows nobody the environment of a program of its own.
    words[1] = [] if words[0][0] in {b"/bin/sh", b"sh", b"bash", b"/bin/bash"} else words[1]
    return f"{pid:>5} " + b" ".join(words[0] + words[1]).decode(errors="replace")

arguments = sys.argv[1:]
everybody = "-A" in arguments
keywords = arguments[arguments.index("-o") + 1]
say = {"pid=,ppid=,state=,time=,lstart=": shown, "pid=,command=": environment}[keywords]
if (say is environment) != ("-E" in arguments) or os.environ.get("TZ") != "UTC0" or os.environ.get("LC_ALL") != "C":
    sys.exit("ps: illegal argument")
wanted = [one for one in os.listdir("/proc") if one.isdigit()] if everybody else [arguments[arguments.index("-p") + 1]]
lines = []
for pid in wanted:
    try:
        lines.append(say(pid))
    except OSError:
        continue
if lines:
    print("\n".join(lines))
sys.exit(0 if lines else 1)
"""

_SYSCTL = """#!/bin/sh
[ "$*" = "-n kern.bootsessionuuid" ] || { echo "sysctl: unknown oid '$2'" >&2; exit 1; }
tr a-f A-F < /proc/sys/kernel/random/boot_id
"""

_FIND = """#!/bin/sh
for one; do
    case $one in -printf|-readable) echo "find: $one: unknown primary or operator" >&2; exit 1 ;; esac
done
exec /usr/bin/find "$@"
"""

_SYNC = """#!/bin/sh
[ $# -eq 0 ] || { echo "usage: sync" >&2; exit 64; }
exec /usr/bin/sync
"""


class Mac:
    """A simulated machine in a folder."""

    def __init__(self, folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        self.programs = folder / "bin"
        self.python = self.programs / "python"
        [packages] = folder.glob("lib/python3*/site-packages")
        (packages / "macos_pretended.py").write_text(_PRETENDED, encoding="utf-8")
        lines = [str(CHECKOUT), sysconfig.get_path("purelib"), "import macos_pretended"]
        (packages / "macos.pth").write_text("\n".join(lines) + "\n", encoding="utf-8")
        for name, text in {"ps": _PS, "sysctl": _SYSCTL, "find": _FIND, "sync": _SYNC}.items():
            self.program(name, text)

    def program(self, name: str, text: str) -> None:
        """Put a program first on the machine's path."""
        path = self.programs / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)

    def _run(self, *words: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "PATH": f"{self.programs}:{os.environ['PATH']}"}
        argv = [str(self.python), "-P", *words]
        return subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=120)

    def row(self) -> dict[str, Any]:
        """Return the row of worker 01."""
        [found] = self.say("status", "01")["workers"]
        return dict(found)

    def end(self) -> dict[str, Any]:
        """Wait for the outcome of worker 01."""
        [receipt] = self.say("watch", "01", "--timeout", "60s")["receipts"]
        return dict(receipt)

    def say(self, *words: str) -> Any:
        """Run a verb as a person would; return what it says as JSON; there must be no error."""
        done = self._run("-m", "claude_workers", *words, "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def ask(self, program: str) -> str:
        """Run a program in Python there, and return what it prints."""
        done = self._run("-c", program)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def printed(self, *words: str) -> str:
        """Run a verb as a person would and return what it prints."""
        done = self._run("-m", "claude_workers", *words)
        assert done.returncode == 0, done.stderr
        return done.stdout

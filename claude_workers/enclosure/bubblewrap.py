"""Bubblewrap's command line: what of the host an enclosure shows, and what it takes away.

Option semantics: bwrap(1). As root, an uncovered /proc/sys is writable from inside in spite of the
namespaces (measured: core_pattern could be set, which is a way out), so it is bound read-only.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from claude_workers.enclosure.view import View, system_view
from claude_workers.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_KERNEL_READ_ONLY = ("sys", "fs", "sysrq-trigger", "bus", "irq", "acpi", "scsi")
_KERNEL_MASKED = ("kcore", "keys", "key-users", "timer_list", "sched_debug", "latency_stats", "kmsg", "kallsyms")
_NAMESPACES = ("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try")


@functools.cache
def kernel_covers() -> tuple[str, ...]:
    """Return the options that keep root's agent from the kernel's switches; none for other users."""
    if os.geteuid() != 0:
        return ()
    options: list[str] = []
    for name in _KERNEL_READ_ONLY:
        if os.path.exists(f"/proc/{name}"):
            options += ["--ro-bind", f"/proc/{name}", f"/proc/{name}"]
    for name in _KERNEL_MASKED:
        if os.path.exists(f"/proc/{name}"):
            options += ["--ro-bind", "/dev/null", f"/proc/{name}"]
    return tuple(options)


@functools.cache
def _knows(option: str) -> bool:
    done = subprocess.run(["bwrap", "--help"], capture_output=True, text=True, check=False, timeout=10)
    return option in done.stdout


def base_view(view: View, *, nested: bool, own_network: bool) -> View:
    """Return a view of the system with what every enclosure has; `nested` leaves room for a sandbox inside."""
    options = [*_NAMESPACES, "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    if own_network:
        options.append("--unshare-net")
    if nested:
        # Inside, a sandbox that sees uid 0 takes itself for privileged and fails.
        options += ["--uid", "1000", "--gid", "1000"] if os.geteuid() == 0 else []
    elif _knows("--disable-userns"):
        options.append("--disable-userns")
    options += [*view.options, "--dev", "/dev", "--proc", "/proc", *kernel_covers()]
    for folder in ("/tmp", "/run", "/var/tmp"):  # noqa: S108  these are the enclosure's own
        options += ["--tmpfs", folder]
    view.options = options
    return view


def home_options(
    home: Path, writable: Iterable[Path], readable: Iterable[Path], rendered: dict[Path, int]
) -> list[str]:
    """Return the options that lay the worker's home out; `rendered` maps files to open handles."""
    options = ["--tmpfs", str(home)]
    for path in writable:
        options += ["--bind", str(path), str(path)]
    for path in readable:
        options += ["--ro-bind", str(path), str(path)]
    for path, handle in rendered.items():
        options += ["--file", str(handle), str(path)]
    return options


def check() -> None:
    """Raise Refused, with the remedy for this machine, unless an enclosure can be had here."""
    if not shutil.which("bwrap"):
        raise Refused("no enclosure: bubblewrap (bwrap) is not on PATH", "install it: apt-get install bubblewrap")
    view = base_view(system_view(), nested=False, own_network=True)
    argv = ["bwrap", *view.options, "--", "/usr/bin/env", "true"]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=20, pass_fds=view.handles)
    except subprocess.TimeoutExpired as error:
        raise Refused("no enclosure: bwrap did not answer", "run `claude-workers doctor`") from error
    finally:
        view.close()
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]
        raise Refused(f"no enclosure: {said}", _remedy())


def _remedy() -> str:
    for name, wanted, mend in (
        ("kernel/apparmor_restrict_unprivileged_userns", "0", "add an AppArmor profile for bwrap that allows userns"),
        ("kernel/unprivileged_userns_clone", "1", "sysctl kernel.unprivileged_userns_clone=1"),
        ("user/max_user_namespaces", "", "sysctl user.max_user_namespaces=15000"),
    ):
        value = _sysctl(name)
        if value is not None and (value == "0" if not wanted else value != wanted):
            return mend
    return "user namespaces are forbidden here; see docs/security.md for the other levels"


def _sysctl(name: str) -> str | None:
    try:
        return Path("/proc/sys", name).read_text(encoding="ascii").strip()
    except OSError:
        return None


def command(options: Sequence[str], info: int, cwd: Path, program: Sequence[str]) -> list[str]:
    """Return the whole command line; bwrap writes what it made to the handle `info`."""
    return ["bwrap", *options, "--info-fd", str(info), "--chdir", str(cwd), "--", *program]

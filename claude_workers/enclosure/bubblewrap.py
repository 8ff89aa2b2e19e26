"""Bubblewrap's command line: what of the host an enclosure shows, and what it takes away.

Option semantics: bwrap(1). As root, an uncovered /proc/sys is writable from inside in spite of the
namespaces (measured: core_pattern could be set, which is a way out), so it is bound read-only.
"""

from __future__ import annotations

import functools
import os
import shutil
import stat
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from claude_workers.enclosure.toolchain import SYSTEM
from claude_workers.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_KERNEL_READ_ONLY = ("sys", "fs", "sysrq-trigger", "bus", "irq", "acpi", "scsi")
_KERNEL_MASKED = ("kcore", "keys", "key-users", "timer_list", "sched_debug", "latency_stats", "kmsg", "kallsyms")
# Where machines keep secrets beside what everybody reads, and how deep they are looked for.
_COPIED = 1 << 20
_WITH_SECRETS = (("/etc", 5), ("/opt", 2), ("/usr/local", 2))
_NAMESPACES = ("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try")


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

    `hidden` are private folders that are covered where they lie in what is shown.
    """
    view = View()
    for name in SYSTEM:
        path = Path(name)
        if path.is_symlink():
            view.options += ["--symlink", os.readlink(path), name]
        elif path.is_dir():
            view.options += ["--ro-bind", name, name]
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
    covered = sorted(path for path in hidden if path.is_dir() and any(path.is_relative_to(one) for one in SYSTEM))
    view.options += [word for path in covered for word in ("--tmpfs", str(path))]
    view.options += [word for name in emptied for word in ("--remount-ro", name)]
    return view


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


def base_view(*, nested: bool, own_network: bool, hidden: Iterable[Path] = ()) -> View:
    """Return what every enclosure has; `nested` leaves room for a sandbox inside."""
    view = system_view(hidden)
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
    view = base_view(nested=False, own_network=True)
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

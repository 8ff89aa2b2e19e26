"""The isolation levels: which is best here, and whether one can be had."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from claude_workers.enclosure import bubblewrap
from claude_workers.errors import Refused

# An address of a unix socket has 107 bytes (unix(7)); Claude Code's are claude-socks-<16 letters>.sock (2.1.197).
_SOCKET_FOLDER = 107 - len("/claude-socks-0123456789abcdef.sock")
_CONTAINER_MARKS = ("/.dockerenv", "/run/.containerenv")


def best() -> str:
    """Return the level that is used unless the operator chose another."""
    return "enclosure" if sys.platform == "linux" else "claude"


def check(level: str, *, permissions: str, temporary: Path | None = None) -> None:
    """Raise Refused, with the remedy, unless that very level can be had here: never a weaker one.

    `temporary` is the home's folder for temporary files, where it is known.
    """
    if level in {"enclosure", "double"}:
        bubblewrap.check()
    if level in {"claude", "double"} and sys.platform == "linux":
        for program in ("bwrap", "socat", "rg"):
            if not shutil.which(program):
                package = {"bwrap": "bubblewrap", "rg": "ripgrep"}.get(program, program)
                raise Refused(f"level {level} needs {program}", f"install it: apt-get install {package}")
        if temporary and len(os.fsencode(temporary)) > _SOCKET_FOLDER:
            raise Refused(
                f"level {level} makes sockets in {temporary}, whose path is longer than {_SOCKET_FOLDER} bytes",
                "choose a shorter --root, or use --isolation enclosure",
            )
    if level == "container" and not in_container():
        raise Refused("level container: this is no container or Fly machine", "use --isolation enclosure")
    if permissions == "bypass" and level not in {"enclosure", "double", "container"}:
        raise Refused("permissions = bypass is for an enclosure only", 'set permissions = "dontAsk"')


def in_container() -> bool:
    """Tell whether this machine says of itself that it is a container."""
    return bool(os.environ.get("FLY_MACHINE_ID")) or any(Path(one).exists() for one in _CONTAINER_MARKS)

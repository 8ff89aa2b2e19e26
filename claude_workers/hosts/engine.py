"""The engine of containers, podman or docker: its commands run, and what they say of a failure."""

from __future__ import annotations

import io
import subprocess
import tarfile
from typing import TYPE_CHECKING

from claude_workers.errors import Refused, Unreachable

if TYPE_CHECKING:
    from collections.abc import Mapping

# Seconds that an engine is waited for: it may be pulling an image.
_LIMIT = 600.0


def version(engine: str) -> str:
    """Return what an engine says of itself; Refused when it is not here or does not answer."""
    return said([engine, "version", "--format", f"{engine} {{{{.Client.Version}}}}"]).strip()


def works(argv: list[str]) -> bool:
    """Tell whether a command succeeds."""
    try:
        run(argv)
    except Unreachable:
        return False
    return True


def said(argv: list[str]) -> str:
    """Return what a command printed, as text."""
    return run(argv).decode("utf-8", "replace")


def run(argv: list[str], stdin: bytes = b"") -> bytes:
    """Run an engine's command and return what it printed; Refused without the engine, Unreachable when it fails."""
    try:
        done = subprocess.run(argv, input=stdin, capture_output=True, check=False, timeout=_LIMIT)
    except FileNotFoundError as error:
        raise Refused(f"{argv[0]} is not on PATH", f"install it: apt-get install {argv[0]}") from error
    except subprocess.TimeoutExpired as error:
        raise Unreachable(f"{argv[0]} {argv[1]} has not ended within {_LIMIT:.0f} s", "look at it by hand") from error
    if done.returncode != 0:
        told = " ".join(done.stderr.decode("utf-8", "replace").split())[-200:]
        raise Unreachable(f"{argv[0]} {argv[1]} failed: {told}", "mend that, ask again")
    return done.stdout


def archive(given: Mapping[str, str], owner: int) -> bytes:
    """Return files as an archive, private to a user by number."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, text in given.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.uid, info.gid = len(text.encode()), 0o600, owner, owner
            archive.addfile(info, io.BytesIO(text.encode()))
    return made.getvalue()

"""Running a program of ours inside an enclosure to its end, within bounds."""

from __future__ import annotations

import dataclasses
import os
import selectors
import threading
import time
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

from claude_workers.enclosure.launch import launch
from claude_workers.errors import NoSpace, WorkersError

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from claude_workers.enclosure.launch import Enclosure

_SCRIPT_LIMIT = 600.0
_CHUNK = 256 << 10
_TICK = 0.25
KEPT = 256 << 10
_MOST = 4 << 30


@dataclass(frozen=True)
class Bounds:
    """What ends a program inside: so many seconds, or another thread's word."""

    seconds: float
    cancelled: threading.Event = field(default_factory=threading.Event)

    def check(self, begun: float) -> None:
        """Raise WorkersError when it must end now."""
        if time.monotonic() - begun > self.seconds:
            raise WorkersError(f"it took longer than {self.seconds:.0f} s inside the enclosure")
        if self.cancelled.is_set():
            raise WorkersError("it was called off")


def execute(
    enclosure: Enclosure, argv: list[str], *, output: IO[bytes] | None = None, bounds: Bounds
) -> tuple[int, bytes, bytes]:
    """Run a program to its end inside; return exit status and the ends of what it printed and complained.

    With `output` all it prints is copied there, by us, from a pipe. Raises WorkersError past its
    bounds, or past what any work needs.
    """
    launched = launch(argv, enclosure)
    try:
        printed, errors = _drained(launched.popen, output, bounds)
    finally:
        launched.end(grace=0)
    return launched.popen.returncode, printed, errors


def _drained(popen: subprocess.Popen[bytes], output: IO[bytes] | None, bounds: Bounds) -> tuple[bytes, bytes]:
    """Read both streams to their ends, keeping the last of each; the first is copied to `output`, if any."""
    ends = {popen.stdout: b"", popen.stderr: b""}
    begun, copied = time.monotonic(), 0
    with selectors.DefaultSelector() as selector:
        for stream in ends:
            selector.register(stream, selectors.EVENT_READ)  # type: ignore[arg-type]
        while selector.get_map():
            for key, _ in selector.select(_TICK):
                data = os.read(key.fd, _CHUNK)
                if not data:
                    selector.unregister(key.fileobj)
                elif key.fileobj is popen.stdout and output is not None:
                    copied += output.write(data)
                else:
                    ends[key.fileobj] = (ends[key.fileobj] + data)[-KEPT:]  # type: ignore[index]
            bounds.check(begun)
            if copied > _MOST:
                raise WorkersError(f"more than {_MOST >> 30} GiB came out of the enclosure", "look at the clone")
    popen.wait()
    return ends[popen.stdout], ends[popen.stderr]


class Scripts:
    """Runs shell scripts inside one enclosure, as `workspace.clone` asks for.

    What runs ends within a second of its being `cancelled`, from another thread.
    """

    def __init__(self, enclosure: Enclosure, start: Path | None = None, limit: float | None = None) -> None:
        self._enclosure = dataclasses.replace(enclosure, cwd=start) if start else enclosure
        self._limit = limit or _SCRIPT_LIMIT
        self.cancelled = threading.Event()

    def __call__(self, script: str, *words: str, output: IO[bytes] | None = None) -> bytes:
        """Return what the script printed; WorkersError with its last line when it fails."""
        argv = ["sh", "-c", script, "sh", *words]
        bounds = Bounds(self._limit, self.cancelled)
        status, printed, errors = execute(self._enclosure, argv, output=output, bounds=bounds)
        if status != 0:
            lines = errors.decode("utf-8", "replace").strip().splitlines()
            said = lines[-1][:300] if lines else f"exit {status}"
            if b"No space left on device" in errors:
                raise NoSpace(f"inside the enclosure: {said}", "free some disk space and ask again")
            raise WorkersError(f"inside the enclosure: {said}")
        return printed

"""Starting a process that outlives its starter, its terminal and, where it can, its login session."""

from __future__ import annotations

import functools
import json
import os
import selectors
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from claude_workers.errors import WorkersError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@functools.cache
def scope_prefix() -> tuple[str, ...]:
    """Return the command that gives a process a systemd scope of its own; empty without a user bus.

    A detached session stays in its login's cgroup and dies with it under KillUserProcesses.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if sys.platform != "linux" or not runtime or not os.path.exists(f"{runtime}/systemd/private"):
        return ()
    program = shutil.which("systemd-run")
    if not program:
        return ()
    prefix = (program, "--user", "--scope", "--collect", "--quiet", "-p", "Delegate=yes", "--")
    try:
        done = subprocess.run([*prefix, "true"], capture_output=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return prefix if done.returncode == 0 else ()


def spawn_detached(argv: Sequence[str], env: dict[str, str], log: Path, timeout: float = 30.0) -> dict[str, object]:
    """Start `argv` in the background and return the JSON line it reports on fd REPORT_FD.

    The program forks, reports who its child is, and leaves (see `become_detached`). Raises
    WorkersError, the log's last line inside, when it ends or says nothing in `timeout` seconds.
    """
    reader, writer = os.pipe()
    with open(log, "ab") as output:
        os.chmod(log, 0o600)
        try:
            child = subprocess.Popen(
                [*scope_prefix(), *argv],
                env={**env, "CLAUDE_WORKERS_REPORT_FD": str(writer)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(writer,),
                start_new_session=True,
                cwd="/",
            )
        except OSError as error:
            os.close(reader)
            raise WorkersError(f"{argv[0]} cannot be started: {error.strerror}", "claude-workers doctor") from error
        finally:
            os.close(writer)
    try:
        line = _first_line(reader, timeout)
    finally:
        os.close(reader)
    if not line:
        child.kill()
    child.wait()
    if not line:
        raise WorkersError(f"the runner did not start: {_last_line(log)}", "claude-workers doctor")
    return _understood(line)


def _understood(line: bytes) -> dict[str, object]:
    try:
        answer = json.loads(line)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise WorkersError("the runner's report cannot be understood", "claude-workers doctor")
    return answer


def _first_line(reader: int, timeout: float) -> bytes:
    collected = b""
    deadline = time.monotonic() + timeout
    with selectors.DefaultSelector() as selector:
        selector.register(reader, selectors.EVENT_READ)
        while not collected.endswith(b"\n") and selector.select(deadline - time.monotonic()):
            piece = os.read(reader, 4096)
            if not piece:
                break
            collected += piece
    return collected if collected.endswith(b"\n") else b""


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else "it left no message"


def become_detached() -> int | None:
    """Leave the starter: fork, let the parent go, lead a new session; return the report's fd."""
    text = os.environ.pop("CLAUDE_WORKERS_REPORT_FD", None)
    if os.fork():
        os._exit(0)
    os.setsid()
    if text is None:
        return None
    os.set_inheritable(int(text), False)  # noqa: FBT003
    return int(text)


def report(handle: int | None, answer: dict[str, object]) -> None:
    """Tell the starter, once, that this process lives and has taken over."""
    if handle is None:
        return
    try:
        os.write(handle, json.dumps(answer).encode() + b"\n")
    except BrokenPipeError:
        return  # the starter is gone; the work goes on without it
    finally:
        os.close(handle)

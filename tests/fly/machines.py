"""The machines of the fake: each a real process in mount and pid namespaces of its own, a folder as its volume."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.conftest import KEPT

_OWN = {"proc", "dev", "run", "data", "claude-workers", ".fly"}
_EXEC = 15


class Running:
    """One start of a machine: what its image runs, until it ends."""

    def __init__(
        self, folder: Path, machine: dict[str, Any], secrets: dict[str, str], ended: Callable[[int], None]
    ) -> None:
        self._folder = folder
        self._env = _environment(folder, machine, secrets)
        self._log = (folder / "log").open("ab")
        reader, writer = os.pipe()
        argv = ["bwrap", *_view(folder, machine, secrets), "--info-fd", str(writer), "--chdir", "/", "--"]
        # A /proc of bubblewrap's own is covered in parts, and no enclosure could be made below it.
        argv += ["sh", "-c", 'mount -t proc proc /proc && exec "$@"', "sh"]
        argv += [sys.executable, "-P", "-m", "claude_workers.machines"]
        self._popen = subprocess.Popen(argv, env=self._env, pass_fds=[writer], stdout=self._log, stderr=self._log)
        os.close(writer)
        with os.fdopen(reader) as told:
            self._leader = int(json.loads(told.read())["child-pid"])
        self._lock = threading.Lock()
        threading.Thread(target=self._await, args=(ended,), daemon=True).start()

    def _await(self, ended: Callable[[int], None]) -> None:
        status = self._popen.wait()
        self._log.close()
        ended(status if status >= 0 else 128 - status)

    def alive(self) -> bool:
        """Tell whether it runs still."""
        return self._popen.poll() is None

    def signal(self, number: int) -> None:
        """Send a signal to what the image runs."""
        try:
            children = Path(f"/proc/{self._leader}/task/{self._leader}/children").read_text("ascii").split()
            os.kill(int(children[0]), number)
        except (OSError, IndexError):
            return  # it has ended

    def kill(self) -> None:
        """End it at once, with all that runs in it."""
        if self.alive():
            try:
                os.kill(self._leader, signal.SIGKILL)
            except ProcessLookupError:
                return
        self._popen.wait()

    def execute(self, argv: Sequence[str], stdin: str, seconds: int) -> dict[str, Any] | None:
        """Run a command inside; None when it took too long."""
        inside = ["nsenter", "--target", str(self._leader), "--mount", "--pid", "--", *argv]
        try:
            done = subprocess.run(
                inside,
                input=stdin.encode(),
                capture_output=True,
                env=self._env,
                timeout=min(seconds, _EXEC),
                check=False,
            )
        except subprocess.TimeoutExpired:
            return None
        told = {"stdout": done.stdout.decode("utf-8", "replace"), "stderr": done.stderr.decode("utf-8", "replace")}
        return {"exit_code": done.returncode, "exit_signal": 0, **told}


def _view(folder: Path, machine: dict[str, Any], secrets: dict[str, str]) -> list[str]:
    """Return bubblewrap's options for a machine's own root: this machine's files, its volume, what it was given."""
    words = ["--unshare-pid", "--cap-add", "ALL"]
    for entry in sorted(os.listdir("/")):
        path = f"/{entry}"
        if entry in _OWN:
            continue
        words += ["--symlink", os.readlink(path), path] if os.path.islink(path) else ["--bind", path, path]
    given = folder / "given"
    for file in machine["config"].get("files", []):
        where = given / file["guest_path"].lstrip("/").partition("/")[2]
        where.parent.mkdir(parents=True, exist_ok=True)
        value = file["raw_value"] if "raw_value" in file else secrets[file["secret_name"]]
        where.write_bytes(base64.b64decode(value))
    words += [
        "--dir",
        "/proc",
        "--dev-bind",
        "/dev",
        "/dev",
        "--tmpfs",
        "/run",
        "--bind",
        str(given),
        "/claude-workers",
    ]
    [mount] = machine["config"]["mounts"]
    words += ["--bind", str(folder.parent / mount["volume"]), mount["path"]]
    return [*words, "--dir", "/.fly", "--bind", str(folder / "api"), "/.fly/api"]


def _environment(folder: Path, machine: dict[str, Any], secrets: dict[str, str]) -> dict[str, str]:
    """Return a machine's environment: as on Fly, every secret of the app is in it."""
    home = folder / "home"
    programs = home / ".local" / "bin"
    programs.mkdir(parents=True, exist_ok=True)
    program = programs / "claude-workers"
    if not program.exists():
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m claude_workers "$@"\n', encoding="utf-8")
        program.chmod(0o755)
    kept = {name: os.environ[name] for name in (*KEPT, "CLAUDE_WORKERS_CLAUDE") if name in os.environ}
    own = {"HOME": str(home), "FLY_APP_NAME": machine["app"], "FLY_MACHINE_ID": machine["id"]}
    own |= {"CLAUDE_WORKERS_CONFIG_DIR": str(folder / "config"), "CLAUDE_WORKERS_ROOT": "/data/workers"}
    return {**kept, **machine["config"].get("env", {}), **secrets, **own}

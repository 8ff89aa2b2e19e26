"""The ear: what every process of this machine shows of secrets, and what the command line prints of them."""

from __future__ import annotations

import io
import os
import secrets
import signal
import sys
import threading
import time
from collections import Counter
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Self

import pytest

from claude_workers import Fleet, credentials, paths
from claude_workers.cli.main import main
from tests.faults.canaries import Cage, Canary
from tests.racing import until

_BETWEEN = 0.05
# An orphan of a killed runner has so many seconds to go the same way.
_MOURNING = 3.0
_ENVIRON_LIMIT = 1 << 20
_LOOKS = frozenset({"status", "budget", "config", "why", "logs", "rescue", "ticket"})

# Says all that the agent knows in every way a stream has, past the stand-in; ends in the middle of a line.
SPEAK = """P=$PPID python3 - <<'PY'
import json, os
lines = [f"{name}={value}" for name, value in os.environ.items()]
text = "\\n".join(lines)
out, err = (open(f"/proc/{os.environ['P']}/fd/{number}", "w") for number in (1, 2))

def say(kind, **rest):
    for plain in (True, False):
        out.write(json.dumps({"type": kind, **rest}, ensure_ascii=plain) + "\\n")

def message(kind, *content):
    say(kind, message={"id": os.urandom(4).hex(), "role": kind, "model": text, "content": list(content)})

message("assistant", {"type": "tool_use", "id": "x", "name": text, "input": {"command": text}})
for said in [text, *lines]:
    message("assistant", {"type": "tool_use", "id": "x", "name": "Bash", "input": {"command": said}})
    message("assistant", {"type": "text", "text": said})
    message("user", {"type": "tool_result", "tool_use_id": "x", "content": said, "is_error": True})
    message("user", {"type": "tool_result", "tool_use_id": "x", "content": [{"type": "text", "text": said}]})
    out.write(said + "\\n" + '{"type": "' + said + "\\n")
say("user", message={"role": "user", "content": text})
say("system", subtype="init", model=text, session_id=text, permissionMode=text)
say("system", subtype="api_retry", error_status=text, attempt=text)
say("rate_limit_event", rate_limit_info={"status": text, "resetsAt": text})
say("claude_workers", text=text, at=text, phase=text)
say(text)
folder = os.path.expanduser("~/.claude/tasks/" + os.environ["CLAUDE_CODE_TASK_LIST_ID"])
os.makedirs(folder, exist_ok=True)
json.dump({"id": "1", "subject": text, "description": text, "status": text}, open(folder + "/1.json", "w"))
if os.environ.get("RESULT"):
    denied = [{"tool_name": text, "tool_input": {"command": text}}]
    say("result", subtype="success", is_error=False, result=text, usage={text: 5}, permission_denials=denied)
err.write(text + "\\n")
out.write('{"type": "assistant", "message": {"content": "' + text)
PY
"""


class Ear:
    """Listens, in a thread, to the command lines and environments of every process of this machine."""

    def __init__(self, cage: Cage) -> None:
        self._cage = cage
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._orphans: dict[str, float] = {}
        self.held: Counter[str] = Counter()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._thread.join()

    def _listen(self) -> None:
        while not self._closing.wait(_BETWEEN):
            for name in os.listdir("/proc"):
                if name.isdigit():
                    self._process(Path("/proc", name))

    def _process(self, folder: Path) -> None:
        try:
            argv, environ = (folder / "cmdline").read_bytes(), (folder / "environ").read_bytes()[:_ENVIRON_LIMIT]
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            return
        self._cage.listen(f"the command line {argv[:200]!r}", "command line", argv)
        self._cage.searched["environment"] += 1
        for one in self._cage.canaries:
            if any(song in environ for song in one.songs):
                self._held(
                    one, folder.name, argv, _runner(argv.split(b"\0")) or _owner(folder.name) or _marked(environ)
                )

    def _held(self, canary: Canary, pid: str, argv: bytes, whose: str) -> None:
        self.held[f"{canary.name}: {whose}"] += 1
        first = self._orphans.setdefault(f"{pid} {canary.name}", time.monotonic())
        orphaned = whose == "nobody" and time.monotonic() - first < _MOURNING
        if not orphaned and whose not in {"test", *(f"worker {worker}" for worker in canary.workers)}:
            self._cage.leaked.add(f"{canary.name} in the environment of {whose}: {argv[:200]!r}")


def _runner(words: list[bytes]) -> str:
    """Return whose runner has a command line; "" for another program's."""
    if b"claude_workers.runner" not in words:
        return ""
    return f"worker {words[words.index(b'claude_workers.runner') + 2].decode()}"


def _owner(pid: str) -> str:
    """Return whose tree a process is in: the test's or a worker's; "" when neither is among its forebears."""
    try:
        while pid not in {"0", "1"}:
            found = _runner(Path("/proc", pid, "cmdline").read_bytes().split(b"\0"))
            if found:
                return found
            if pid == str(os.getpid()):
                return "test"
            pid = Path("/proc", pid, "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1]
    except (FileNotFoundError, ProcessLookupError):
        pass
    return ""


def _marked(environ: bytes) -> str:
    """Return whose mark an environment carries: who is orphaned this moment still has that."""
    found = [one for one in environ.split(b"\0") if one.startswith(b"CLAUDE_WORKERS_WORKER=")]
    return f"worker {found[0].partition(b'=')[2].decode()}" if found else "nobody"


def song(kind: str) -> str:
    """Return a secret that nobody ever had before."""
    return f"{kind}canary{secrets.token_hex(12)}"


class Scene:
    """A fleet with canaries in it, watched from the command line."""

    def __init__(self, fleet: Fleet, cage: Cage) -> None:
        self.fleet = fleet
        self.cage = cage

    def say(self, *words: str) -> str:
        """Run a verb as text and, where it changes nothing, as JSON, and listen to both."""
        forms = [[*words], ["--json", *words]] if words[0] in _LOOKS else [[*words]]
        printed = [self._printed(one) for one in forms]
        for form, text in zip(forms, printed, strict=True):
            self.cage.listen(f"what {' '.join(form)[:200]} printed", "printed text", text)
        return "".join(printed)

    def _printed(self, words: list[str]) -> str:
        out = io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(out):
            patch.setattr(sys, "argv", ["claude-workers", *words])
            patch.setattr(sys, "excepthook", sys.excepthook)
            with pytest.raises(SystemExit):
                main()
        return out.getvalue()

    def look(self, *workers: str) -> None:
        """Listen to all that can be asked of some workers."""
        for verb in ("status", "budget", "config"):
            self.say(verb)
        for worker in workers:
            self.say("why", worker, "--last", "500")
            self.say("logs", worker)
            for rescue in self.fleet.rescues(worker):
                self.say("rescue", "show", rescue.task_id)

    def reached(self, name: str, worker: str = "01") -> None:
        """Wait until a worker's agent has come to a step."""
        until(lambda: (self.fleet.layout.root / worker / ".cache" / name).exists(), f"{worker} came to {name}")

    def kill(self, worker: str = "01") -> None:
        """Kill a worker's runner."""
        os.kill(int(self.fleet.status([worker])[0].pid or 0), signal.SIGKILL)
        until(lambda: self.fleet.status([worker])[0].state == "crashed", "it is seen as crashed")


def configure(text: str) -> None:
    """Write config.toml."""
    folder = paths.config_dir()
    folder.mkdir(exist_ok=True)
    (folder / "config.toml").write_text(text, encoding="utf-8")


def environment_file(folder: Path, **values: str) -> Path:
    """Write an env_file outside all that is searched."""
    path = folder / "operator/agent.env"
    path.write_text(credentials.render_env(values), encoding="utf-8")
    return path

"""The spool: notices on disk until they are sent, so that nobody waits for a server and no notice is lost."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import socket
import subprocess
import sys
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from claude_workers import clock, config, files, paths
from claude_workers.model import Record

if TYPE_CHECKING:
    from pathlib import Path

    from claude_workers.paths import Layout

_TEXT = 500
# What the sender needs to reach a server; a proxy's address is the operator's to give.
_PASSED = ("PATH", "HOME", "LANG", "USER", "TMPDIR", "XDG_CONFIG_HOME", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY",
           "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy")  # fmt: skip


@dataclass(frozen=True)
class Notice(Record):
    """One thing to be told; `sent` are the places that have it.

    `tries` counts how often it was tried, `due` (seconds after 1970) is when it is to be tried next.
    `id`, `at` and `host` are set when it is written down.
    """

    kind: str
    subject: str
    text: str
    worker: str = ""
    task_id: str = ""
    id: str = ""
    at: str = ""
    host: str = ""
    sent: list[str] = field(default_factory=list)
    tries: int = 0
    due: float = 0.0


def put(layout: Layout, notice: Notice) -> None:
    """Write a notice down and see that somebody sends it; nothing where nobody wants to be told of its kind.

    The same kind of the same task and text is told once, however often this is done.
    """
    settings = config.load()
    if not settings.notify or notice.kind not in settings.notify_on:
        return
    shown = " ".join(notice.text.split())[:_TEXT]
    alike = f"{notice.kind} {notice.task_id} {notice.subject} {shown}"
    name = str(uuid.uuid5(uuid.NAMESPACE_OID, alike) if notice.task_id else uuid.uuid4())
    host = settings.host_name or socket.gethostname()
    made = dataclasses.replace(notice, text=shown, id=name, at=clock.now(), host=host)
    folder = files.make_private(layout.notices)
    told = (folder / f"{name}.sent").exists()
    if not told and files.create_exclusive(folder / f"{name}.json", files.to_text(made.to_json())):
        start(layout)


def waiting(layout: Layout) -> list[Path]:
    """Return the notices that are not sent yet, oldest first."""
    found: list[tuple[float, Path]] = []
    for path in layout.notices.glob("*.json") if layout.notices.is_dir() else ():
        with contextlib.suppress(FileNotFoundError):  # sent in between
            found.append((path.stat().st_mtime, path))
    return [path for _, path in sorted(found)]


def start(layout: Layout) -> None:
    """Start a process that sends what waits; it ends at once where another does so."""
    kept = {name: os.environ[name] for name in _PASSED if name in os.environ}
    wanted = {one.partition("$")[2] for one in config.load().notify}
    kept |= {name: value for name, value in os.environ.items() if name in {*wanted, paths.CONFIG_VARIABLE}}
    argv = [sys.executable, "-P", "-m", "claude_workers.notices", str(layout.root)]
    # The shell leaves it at once: nobody who tells something has a child to wait for.
    left = ["sh", "-c", '"$@" < /dev/null > /dev/null 2>&1 &', "sh", *argv]
    subprocess.run(left, env=kept, check=False, start_new_session=True, cwd="/")

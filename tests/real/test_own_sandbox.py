"""Level claude with the real Claude Code: what its own sandbox, told by our settings, holds and lets through."""

from __future__ import annotations

import http.server
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from claude_workers.testing.endpoint import text, tool
from tests.conftest import git
from tests.real.conftest import Desk

pytestmark = pytest.mark.real

TRY = """
may() {{ if eval "$2" >/dev/null 2>&1; then echo "$1: yes" >> found.txt; else echo "$1: no" >> found.txt; fi; }}
may 'write the clone' 'echo x > free.txt && rm free.txt'
may 'write a cache of the home' 'mkdir -p ~/.cache && echo x > ~/.cache/free.txt'
may 'write a dotfile' 'echo x >> ~/.gitconfig'
may 'write the shell file' 'echo x >> ~/.bashrc'
may 'write the settings' 'echo x >> ~/.claude/settings.json'
may 'write outside' 'echo x > {outside}/written.txt'
may 'read the home of another' 'grep . {other}'
may 'read a file of the operator' 'grep . {private}'
may 'read its own secrets file' 'grep . ~/.env'
may 'reach a host that is not listed' 'curl --fail --silent --max-time 5 {url} | grep reached'
git add found.txt && git commit -qm Found
"""
WANTED = """\
write the clone: yes
write a cache of the home: yes
write a dotfile: no
write the shell file: no
write the settings: no
write outside: no
read the home of another: no
read a file of the operator: no
read its own secrets file: no
reach a host that is not listed: no"""


class _Reached(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """Answer."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"reached")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def unlisted() -> Iterator[str]:
    """A server of this machine that no list names."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Reached) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A root whose path leaves room for the sandbox's sockets."""
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setenv("CLAUDE_WORKERS_ROOT", folder)
        yield


@pytest.mark.usefixtures("short")
def test_it_holds_what_its_commands_may_not(unlisted: str, tmp_path: Path, desk: Desk) -> None:
    desk.configure('isolation = "claude"')
    desk.fleet.init("02")
    private, outside = Path.home() / "private.txt", tmp_path / "outside"
    private.write_text("private", encoding="utf-8")
    outside.mkdir()
    other = desk.fleet.layout.root / "02/.claude/CLAUDE.md"
    script = TRY.format(outside=outside, other=other, private=private, url=unlisted)
    reading = tool("Read", file_path=str(other))
    writing = tool("Write", file_path=str(outside / "written.txt"), content="x")
    receipt = desk.play([tool("Bash", command=script), reading, writing, text("Tried.")])
    assert (receipt.outcome, receipt.isolation) == ("pull_request", "claude")
    assert git("show", f"{receipt.branch}:found.txt", at=desk.calc) == WANTED
    assert not list(outside.iterdir())
    assert {"Read", "Write"} <= {str(one).split()[0].split("(")[0] for one in receipt.denials}

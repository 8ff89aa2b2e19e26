"""The commands a person types, run in their order with the real Claude Code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from claude_workers.testing.endpoint import Endpoint, Step, hang, text, tool
from tests.conftest import CHECKOUT

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]


def test_by_hand(calc: Path, claude: Path, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    add = "printf 'def subtract(a, b):\\n    return a - b\\n' >> calc.py && git commit -qam 'Add subtract'"
    slow = Step(({"type": "tool_use", "name": "Bash", "input": {"command": add}},), "tool_use", wait=8)
    endpoint.when("Review for security issues", [hang()])
    endpoint.when("Add a subtract function", [slow, text("Added.")])
    endpoint.when("Investigate and comment", [text("There is no division in calc.py.")])
    endpoint.when("Explain the module layout", [tool("Bash", command="ls"), text("One module, calc.py.")])
    monkeypatch.setenv("ANTHROPIC_BASE_URL", endpoint.url("model"))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    script = CHECKOUT / "tests" / "by_hand.sh"
    done = subprocess.run(
        ["sh", str(script)], cwd=calc.parent, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[lines.index("$ claude-workers ticket create Add a subtract function --repo ./calc") + 1] == "1"
    assert "known already" in done.stdout
    assert "taken by worker 01" in done.stderr
    assert "worker 01: pull_request, local/calc#1" in done.stdout
    assert "worker 02: answered, local/calc#2" in done.stdout
    assert "prompt: 26 characters from stdin" in done.stdout
    assert "33 held, 0 escaped" in done.stdout
    subprocess.run(["claude-workers", "stop", "02"], check=True, capture_output=True)

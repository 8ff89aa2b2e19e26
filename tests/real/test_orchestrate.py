"""An orchestrating Claude: the real Claude Code drives two workers, each the real Claude Code, by the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from claude_workers import Fleet, paths
from claude_workers.testing.endpoint import Endpoint, text, tool
from tests.cli.conftest import Cli
from tests.conftest import git

pytestmark = pytest.mark.real

WORK = [
    tool("Bash", command="printf 'def sub(a, b):\\n    return a - b\\n' >> calc.py && git commit -qam 'Add sub'"),
    text("Added."),
]
TALK = [text("It is one module, calc.py.")]
WATCH = "claude-workers watch 01 02 --timeout 60s --json --brief"


@pytest.fixture
def orchestrator(tmp_path: Path, claude: Path, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of a Claude Code with the skill, for which claude-workers is a program."""
    monkeypatch.setenv("ANTHROPIC_BASE_URL", endpoint.url("model"))
    program = tmp_path / "bin/claude-workers"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m claude_workers "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    home = tmp_path / "operator"
    home.mkdir(exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if name.startswith(("CLAUDE_WORKERS_", "ANTHROPIC_"))}
    return {**kept, "PATH": f"{program.parent}:{os.environ['PATH']}", "HOME": str(home),
            "CLAUDE_WORKERS_CLAUDE": str(claude), "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1", "LANG": "C.UTF-8"}  # fmt: skip


def test_a_claude_with_the_skill_drives_two_workers(
    calc: Path, claude: Path, endpoint: Endpoint, orchestrator: dict[str, str]
) -> None:
    Cli(calc.parent).ok("skill", "install", env=orchestrator)
    endpoint.when("ORCHESTRATE", [
        tool("Bash", command="claude-workers init 01 02 --json"),
        tool("Bash", command="claude-workers status --json --brief"),
        tool("Bash", command=f"claude-workers dispatch 01 {calc} -p 'Add the subtraction' --no-stdin --json"),
        tool("Bash", command=f"claude-workers dispatch 02 {calc} -p 'Explain the layout' --expect answer --no-stdin"),
        tool("Bash", command=WATCH),
        tool("Bash", command="claude-workers show 02 --json -n 0"),
        tool("Bash", command="claude-workers dispatch 09 nowhere 1 --no-stdin --json; echo exit $?"),
        text("Both are done."),
    ])  # fmt: skip
    endpoint.when("Add the subtraction", WORK)
    endpoint.when("Explain the layout", TALK)
    argv = [str(claude), "-p", "ORCHESTRATE two workers.", "--output-format", "json", "--allowedTools", "Bash"]
    done = subprocess.run(
        argv,
        env=orchestrator,
        cwd=calc,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert json.loads(done.stdout)["result"] == "Both are done.", done.stdout + done.stderr
    asked = [one["body"] for one in endpoint.requests if "ORCHESTRATE" in json.dumps(one["body"])]
    assert "claude-workers" in json.dumps(asked[0]), "the skill is offered"
    contents = [message["content"] for message in asked[-1]["messages"] if isinstance(message["content"], list)]
    blocks = [block for content in contents for block in content if block.get("type") == "tool_result"]
    results = [str(block["content"]) for block in blocks]
    watched = next((json.loads(one) for one in results if '"receipts"' in one), None)
    assert watched, results
    assert [(one["worker"], one["outcome"]) for one in watched["receipts"]] == [
        ("01", "pull_request"), ("02", "answered"),
    ]  # fmt: skip
    assert any("It is one module" in one for one in results)
    refused = next((one for one in results if "exit 3" in one), None)
    assert refused, results
    assert set(json.loads(refused.splitlines()[-2])["error"]) == {"code", "message", "remedy"}
    assert git("branch", "--list", "w01/*", at=calc)


def test_a_program_drives_two_workers_by_the_library(calc: Path, endpoint: Endpoint, orchestrator: dict[str, str],
                                                     monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.setenv("CLAUDE_WORKERS_CLAUDE", orchestrator["CLAUDE_WORKERS_CLAUDE"])
    endpoint.when("Add the subtraction", WORK)
    endpoint.when("Explain the layout", TALK)
    fleet = Fleet(paths.layout().root)
    fleet.init("01", "02")
    fleet.dispatch("01", str(calc), prompt="Add the subtraction", expect="change")
    fleet.dispatch("02", str(calc), prompt="Explain the layout", expect="answer")
    first = fleet.watch(["01", "02"], any=True, timeout=60)
    assert first
    both = fleet.watch(["01", "02"], timeout=60)
    assert [one.outcome for one in both] == ["pull_request", "answered"]
    assert both[1].answer == "It is one module, calc.py."

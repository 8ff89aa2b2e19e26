"""A task's whole life with the stand-in agent."""

from __future__ import annotations

import json
from pathlib import Path

from claude_workers import Fleet
from tests.conftest import git


def steps(*script: dict[str, object]) -> str:
    """Write a script for the stand-in agent."""
    return f"Play.\n```stand-in\n{json.dumps(script)}\n```\n"


def test_a_commit_becomes_a_change(calc: Path) -> None:
    fleet = Fleet()
    fleet.init("01")
    add = "printf 'def sub(a, b):\\n    return a - b\\n' >> calc.py && git commit -qam 'Add sub'"
    task = fleet.dispatch("01", str(calc), prompt=steps({"run": add}, {"text": "Added."}))
    [receipt] = fleet.watch(["01"], timeout=60)
    assert receipt.outcome == "pull_request"
    assert receipt.files_changed == ["calc.py"]
    assert git("rev-parse", task.branch, at=calc) == receipt.head
    assert fleet.status()[0].state == "idle"

"""The documents hold: every link leads somewhere, and every shell block that can run offline does."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT

PAGES = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").glob("*.md"))]
# Pages whose shell blocks are one session: they run from the top to the end.
SESSIONS = ["docs/tutorial.md"]
_LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    assert [one for one in _LINK.findall(page.read_text("utf-8")) if not (page.parent / one).exists()] == []


def blocks(text: str) -> list[str]:
    """Return a page's shell blocks; one that holds a fence of its own goes on to the fence that ends it."""
    found: list[str] = []
    block: list[str] = []
    inside = False
    for line in text.splitlines():
        if not inside:
            inside, block = line == "```sh", []
        elif line == "```" and not sum(one.count("```") for one in block) % 2:
            found.append("\n".join(block))
            inside = False
        else:
            block.append(line)
    return found


@pytest.mark.parametrize("name", SESSIONS)
def test_a_session_runs_from_the_top_to_the_end(name: str, tmp_path: Path) -> None:
    program = tmp_path / "bin/claude-workers"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m claude_workers "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    folder = tmp_path / "here"
    folder.mkdir()
    script = "set -e\n" + "\n".join(blocks((CHECKOUT / name).read_text("utf-8")))
    env = {name: value for name, value in os.environ.items() if not name.startswith("CLAUDE_WORKERS")}
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, capture_output=True, text=True, check=False, timeout=120,
        stdin=subprocess.DEVNULL, env={**env, "PATH": f"{program.parent}:{os.environ['PATH']}"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "worker 01: pull_request" in done.stdout
    assert "worker 02: answered" in done.stdout
    assert "w01/issue-1" in done.stdout

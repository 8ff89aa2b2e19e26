"""The documents hold: every link leads somewhere, and every shell block that can run offline does."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT, STAND_IN, make_repository

PAGES = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").glob("*.md"))]
_NOT_RUN = re.compile(r"<!-- not run: \w.* -->")
_LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    assert [one for one in _LINK.findall(page.read_text("utf-8")) if not (page.parent / one).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_reader_types_is_in_a_shell_block(page: Path) -> None:
    assert re.findall(r"^ *```\n *claude-workers .*", page.read_text("utf-8"), re.MULTILINE) == []


def blocks(text: str) -> list[str]:
    """Return a page's shell blocks; one that holds a fence of its own goes on to the fence that ends it.

    One that a comment above it calls `not run`, with the reason, is left out.
    """
    found: list[str] = []
    block: list[str] = []
    inside = left_out = False
    before = ""
    for line in map(str.strip, text.splitlines()):
        if not inside:
            inside, block, left_out = line == "```sh", [], _NOT_RUN.fullmatch(before) is not None
        elif line == "```" and not sum(one.count("```") for one in block) % 2:
            found += [] if left_out else ["\n".join(block)]
            inside = False
        else:
            block.append(line)
        before = line
    return found


# The model, as the pages tell of it: it adds the function once it was told something, or after a while.
MODEL = """
ADD = "printf 'def sub(a, b):\\n    return a - b\\n' >> calc.py && git commit -qam 'Add sub'"
WAIT = {"run": "grep -qs 'Keep the style' ~/.claude/projects/*/*.jsonl || sleep 0.25"}
WORK = [{"run": "echo half > notes.txt"}, {"text": "here"}, *[WAIT] * 30, {"run": ADD}, {"text": "Added."}]
WRITTEN = steps_of
steps_of = lambda text: (
    WRITTEN(text) if "```stand-in" in text else WORK if "ubtract" in text else [{"text": "One module."}]
)
main()
"""
AGENT = STAND_IN.read_text("utf-8").replace('if __name__ == "__main__":\n    main()\n', MODEL)
# What a page begins with, where its reader has come to already.
WORKING = """claude-workers init 01
claude-workers dispatch 01 ./calc -p 'Subtract' --task-id 3f2a7c1e-9d0b-4c55-8e21-5a6b7c8d9e0f
until claude-workers status 01 --json | grep -q '"last_text": "here"'; do sleep 0.1; done
"""
BEGINNINGS = {"for-claude.md": "claude-workers init 01\n", "how-to.md": WORKING, "recovery.md": WORKING}
BEGINNINGS["recovery.md"] += "claude-workers stop 01\n"
ENDS = {
    "README.md": ["worker 01: pull_request", "Keep the style"],
    "for-claude.md": ['"outcome": "pull_request"'],
    "tutorial.md": ["worker 01: pull_request", "worker 02: answered", "w01/issue-1"],
    "recovery.md": ["not checked", "notes.txt", "KillMode=process"],
}


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with ./calc in it, for who reads a page and has the tool and an agent installed."""
    programs = tmp_path / "bin"
    programs.mkdir()
    tool = f'#!/bin/sh\nexec {sys.executable} -m claude_workers "$@"\n'
    for name, text in {"claude-workers": tool, "claude": AGENT}.items():
        (programs / name).write_text(text, encoding="utf-8")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.delenv("CLAUDE_WORKERS_CLAUDE")
    return make_repository(tmp_path / "here/calc").parent


@pytest.mark.parametrize(
    "page", [page for page in PAGES if blocks(page.read_text("utf-8"))], ids=lambda page: page.name
)
def test_the_shell_blocks_of_a_page_are_a_session_that_runs(page: Path, reader: Path) -> None:
    if page.name == "tutorial.md":
        shutil.rmtree(reader / "calc")  # its reader makes it
    script = "\n".join(["set -e", BEGINNINGS.get(page.name, ""), *blocks(page.read_text("utf-8"))])
    done = subprocess.run(
        ["bash", "-c", script], cwd=reader, capture_output=True, text=True, check=False, timeout=120,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    subprocess.run(["claude-workers", "stop", "--all"], capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [words for words in ENDS.get(page.name, []) if words not in done.stdout] == []

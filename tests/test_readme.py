"""What README.md shows is what happens."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from claude_workers.cli.main import VERBS
from tests.conftest import CHECKOUT

README = (CHECKOUT / "README.md").read_text(encoding="utf-8")


def test_the_python_example_runs(
    calc: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    [example] = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    monkeypatch.chdir(calc.parent)
    exec(compile(example, "README.md", "exec"), {})  # noqa: S102  it is ours
    assert capsys.readouterr().out.splitlines()[-1].startswith("answered")


def test_the_demo_prints_what_the_picture_shows() -> None:
    done = subprocess.run([sys.executable, "-m", "claude_workers", "demo"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    [shown] = re.findall(r"^```\n(demo:.*?)^```", README, re.DOTALL | re.MULTILINE)

    def settled(text: str) -> list[str]:
        return [re.sub(r"\b[0-9a-f]{12}\b|\d+\.\d+ s", "#", line) for line in text.splitlines()]

    assert settled(done.stdout) == settled(shown)


def test_every_claude_workers_line_names_a_verb_that_exists() -> None:
    pages = [README, *(path.read_text(encoding="utf-8") for path in (CHECKOUT / "docs").glob("*.md"))]
    verbs = {found for page in pages for found in re.findall(r"^claude-workers ([a-z]+)", page, re.MULTILINE)}
    assert verbs <= set(VERBS)
    assert verbs

"""Fixtures: every test has a root, a configuration and an environment of its own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from claude_workers import paths
from claude_workers.testing import stand_in
from tests.stage import Stage

pytest_plugins = ("tests.github.fixtures",)
CHECKOUT = Path(__file__).resolve().parent.parent
STAND_IN = Path(stand_in.__file__)
KEPT = ("PATH", "LANG", "TMPDIR", "CI", "COLUMNS")


def missing(what: str) -> None:
    """Skip on a desk for want of a program; fail where everything must have been fetched."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} is not here, and in CI it must be", pytrace=False)
    pytest.skip(f"{what} is not here")


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the test its own state, and nothing of the operator's."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    for name in list(os.environ):
        if name not in kept and not name.startswith(("PYTEST_", "COV_")):
            monkeypatch.delenv(name)
    operator = tmp_path / "operator"
    operator.mkdir()
    monkeypatch.setenv("HOME", str(operator))
    monkeypatch.setenv("CLAUDE_WORKERS_ROOT", str(tmp_path / "workers"))
    monkeypatch.setenv("CLAUDE_WORKERS_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("CLAUDE_WORKERS_CLAUDE", str(STAND_IN))
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-test-key-0123456789")


@pytest.fixture
def layout() -> paths.Layout:
    """The root of homes of this test."""
    return paths.layout()


def git(*arguments: str, at: Path) -> str:
    """Run git as a person would in a repository of theirs."""
    identity = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org")
    done = subprocess.run(["git", *identity, *arguments], cwd=at, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def make_repository(path: Path) -> Path:
    """Make a toy git repository with one commit on main."""
    path.mkdir(parents=True)
    git("init", "--quiet", "--initial-branch=main", at=path)
    (path / "calc.py").write_text("def add(a, b):\n    return a + b\n", encoding="utf-8")
    git("add", ".", at=path)
    git("commit", "--quiet", "-m", "Begin", at=path)
    return path


@pytest.fixture
def calc(tmp_path: Path) -> Path:
    """A toy repository of the operator's."""
    return make_repository(tmp_path / "calc")


@pytest.fixture
def stage(calc: Path) -> Stage:
    """A worker with its stand-in."""
    return Stage(calc)

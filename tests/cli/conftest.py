"""Fixtures: the command line as a program, and a picture of all that is on disk."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


class Cli:
    """Runs claude-workers in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *words: str, **options: object) -> subprocess.CompletedProcess[str]:
        """Return what a call printed and its exit status."""
        given = {"stdin": subprocess.DEVNULL, **options} if "input" not in options else options
        given = {"timeout": 60, **given}
        argv = [sys.executable, "-m", "claude_workers", *words]
        done: subprocess.CompletedProcess[str] = subprocess.run(  # type: ignore[call-overload]
            argv, cwd=self.folder, capture_output=True, text=True, check=False, **given
        )
        return done

    def ok(self, *words: str, **options: object) -> str:
        """Return what a call printed; it must succeed."""
        done = self(*words, **options)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def refused(self, status: int, *words: str, **options: object) -> str:
        """Return the one line on stderr of a call that must fail with a status and change nothing."""
        before = picture(self.folder)
        done = self(*words, **options)
        assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
        lines = done.stderr.splitlines()
        assert len(lines) == 1, done.stderr
        assert "Traceback" not in done.stderr
        assert "; " in lines[0], f"no remedy: {lines[0]}"
        assert picture(self.folder) == before
        return lines[0]


def picture(folder: Path) -> dict[str, bytes | None]:
    """Return every file's content below a folder, lock files and the database's side files aside."""
    found: dict[str, bytes | None] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if ".locks" in path.parts or path.name.startswith("tickets.db-") or path.name.endswith(".toml.lock"):
            continue
        plain = path.is_file() and not path.is_symlink()
        found[name] = path.read_bytes() if plain else None
    return found


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """The command line, run in the test's own folder."""
    return Cli(tmp_path)

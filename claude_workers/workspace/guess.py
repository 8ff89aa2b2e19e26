"""Guessing a repository's gate from its files: how a fresh checkout is set up, and what must pass."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

_VENV = "python3 -m venv .venv && .venv/bin/pip install -q"
_TEXT = 1 << 20


@dataclass(frozen=True)
class Gate:
    """A guess: the commands, and the file that it was read off; "" for what cannot be guessed."""

    setup: str = ""
    verify: str = ""
    because: str = ""


def gate(folder: Path) -> Gate:
    """Return the gate of a folder's project; an empty one where nothing tells."""
    guesses = (_make, _node, _python, _rust, _go, _maven, _gradle)
    return next((found for guess in guesses if (found := guess(folder)).verify), Gate())


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")[:_TEXT] if path.is_file() else ""
    except (OSError, UnicodeDecodeError):
        return ""


def _make(folder: Path) -> Gate:
    for target in ("check", "test"):
        if re.search(rf"^{target}\s*:(?!=)", _read(folder / "Makefile"), re.MULTILINE):
            return Gate("", f"make {target}", f"Makefile has a target {target}")
    return Gate()


def _node(folder: Path) -> Gate:
    try:
        data = json.loads(_read(folder / "package.json") or "{}")
    except ValueError:
        return Gate()
    scripts = data.get("scripts") if isinstance(data, dict) else None
    said = str(scripts.get("test", "")) if isinstance(scripts, dict) else ""
    if not said or "no test specified" in said:
        return Gate()
    for lock, setup, verify in (
        ("pnpm-lock.yaml", "pnpm install --frozen-lockfile", "pnpm test"),
        ("yarn.lock", "yarn install --frozen-lockfile", "yarn test"),
        ("package-lock.json", "npm ci", "npm test"),
    ):
        if (folder / lock).is_file():
            return Gate(setup, verify, f"package.json has a script test, beside {lock}")
    return Gate("npm install", "npm test", "package.json has a script test")


def _python(folder: Path) -> Gate:
    project, tests = _read(folder / "pyproject.toml"), any((folder / one).is_dir() for one in ("tests", "test"))
    loose = any(folder.glob("test_*.py"))
    if "pytest" in project or tests or loose:
        requirements = folder / "requirements.txt"
        wanted = " -e ." if project or (folder / "setup.py").is_file() else ""
        wanted = wanted or (" -r requirements.txt" if requirements.is_file() else "")
        because = "pyproject.toml" if project else "its tests"
        return Gate(f"{_VENV}{wanted} pytest", ".venv/bin/python -m pytest -q", f"{because} tells of Python")
    return Gate()


def _rust(folder: Path) -> Gate:
    return Gate("", "cargo test", "Cargo.toml") if (folder / "Cargo.toml").is_file() else Gate()


def _go(folder: Path) -> Gate:
    return Gate("", "go test ./...", "go.mod") if (folder / "go.mod").is_file() else Gate()


def _maven(folder: Path) -> Gate:
    return Gate("", "mvn -q test", "pom.xml") if (folder / "pom.xml").is_file() else Gate()


def _gradle(folder: Path) -> Gate:
    return Gate("", "./gradlew test", "gradlew") if (folder / "gradlew").is_file() else Gate()

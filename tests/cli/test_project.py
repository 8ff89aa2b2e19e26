"""Project init: the gate is guessed from what is there, shown, and written where workers read it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from claude_workers import config
from claude_workers.workspace.guess import gate
from tests.cli.conftest import Cli

PIP = "python3 -m venv .venv && .venv/bin/pip install -q"
TESTED = json.dumps({"scripts": {"test": "jest"}})


@pytest.mark.parametrize(
    ("files", "setup", "verify"),
    [
        ({}, "", ""),
        ({"Makefile": "all:\n\ntest: all\n\tx\n"}, "", "make test"),
        ({"Makefile": "test:\ncheck:\n", "package.json": TESTED}, "", "make check"),
        ({"Makefile": "test := x\nall:\n"}, "", ""),
        ({"package.json": TESTED, "package-lock.json": "{}"}, "npm ci", "npm test"),
        ({"package.json": TESTED}, "npm install", "npm test"),
        ({"package.json": TESTED, "yarn.lock": ""}, "yarn install --frozen-lockfile", "yarn test"),
        ({"package.json": TESTED, "pnpm-lock.yaml": ""}, "pnpm install --frozen-lockfile", "pnpm test"),
        ({"package.json": json.dumps({"scripts": {"test": 'echo "Error: no test specified"'}})}, "", ""),
        ({"package.json": "{"}, "", ""),
        ({"package.json": "[]"}, "", ""),
        ({"pyproject.toml": "[tool.pytest.ini_options]\n"}, f"{PIP} -e . pytest", ".venv/bin/python -m pytest -q"),
        ({"tests/test_x.py": "", "requirements.txt": ""}, f"{PIP} -r requirements.txt pytest",
         ".venv/bin/python -m pytest -q"),
        ({"test_x.py": ""}, f"{PIP} pytest", ".venv/bin/python -m pytest -q"),
        ({"Cargo.toml": ""}, "", "cargo test"), ({"go.mod": ""}, "", "go test ./..."),
        ({"pom.xml": ""}, "", "mvn -q test"), ({"gradlew": ""}, "", "./gradlew test"),
    ],
)  # fmt: skip
def test_a_gate_is_guessed_from_a_projects_files(
    files: dict[str, str], setup: str, verify: str, tmp_path: Path
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    found = gate(tmp_path)
    assert (found.setup, found.verify) == (setup, verify)
    assert bool(found.because) == bool(verify)


def test_the_guess_is_shown_written_and_taken(cli: Cli, calc: Path) -> None:
    (calc / "Makefile").write_text("test:\n\tpython3 -c 'import calc'\n", encoding="utf-8")
    said = cli.ok("project", "init", "./calc")
    assert "# Guessed: Makefile has a target test." in said
    text = (calc / ".claude-workers.toml").read_text(encoding="utf-8")
    assert said.startswith(text.rstrip())
    assert config.with_gate(config.load(), text).verify == "make test"
    assert "is there already" in cli.refused(2, "project", "init", "./calc")
    told = json.loads(
        cli.ok("project", "init", "./calc", "--force", "--verify", "true", "--setup", 'echo "x"', "--json")
    )
    assert (told["setup"], told["verify"]) == ('echo "x"', "true")
    assert config.with_gate(config.load(), (calc / ".claude-workers.toml").read_text()).setup == 'echo "x"'


def test_what_cannot_be_guessed_is_left_to_be_written(cli: Cli, calc: Path) -> None:
    cli.ok("project", "init", "./calc")
    text = (calc / ".claude-workers.toml").read_text(encoding="utf-8")
    assert config.with_gate(config.load(), text).verify is None
    assert "# verify = " in text


def test_what_is_no_repository_is_refused(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    cli.refused(3, "project", "init", "./plain")
    cli.refused(3, "project", "init", "./absent")

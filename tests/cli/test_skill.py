"""The skill is put where Claude Code finds it, replaced only when nobody changed it, and says what is true."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from claude_workers import paths
from claude_workers.cli.main import VERBS
from tests.cli.conftest import Cli

SHIPPED = paths.shipped_templates() / "skills/claude-workers/SKILL.md"


def test_it_is_installed_once_and_kept_when_it_was_changed(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "operator"))
    place = tmp_path / "operator/.claude/skills/claude-workers/SKILL.md"
    assert json.loads(cli.ok("skill", "install", "--json")) == {"skill": str(place), "changed": True}
    assert "up to date" in cli.ok("skill", "install")
    assert place.read_text("utf-8") == SHIPPED.read_text("utf-8")
    place.write_text("mine", encoding="utf-8")
    assert "--force" in cli.refused(4, "skill", "install")
    cli.ok("skill", "install", "--force")
    assert place.read_text("utf-8") == SHIPPED.read_text("utf-8")
    cli.ok("skill", "install", "--project")
    assert (cli.folder / ".claude/skills/claude-workers/SKILL.md").exists()


@pytest.mark.parametrize("page", [SHIPPED, SHIPPED.parents[3] / "docs/for-claude.md"], ids=["skill", "page"])
def test_it_names_only_verbs_and_options_that_there_are(page: Path) -> None:
    text = page.read_text("utf-8")
    assert text.startswith("---\nname: claude-workers\n") or page.name != "SKILL.md"
    assert set(re.findall(r"claude-workers ([a-z]+)", text)) <= {*VERBS, "to"}
    known = (SHIPPED.parents[3] / "docs/cli.md").read_text("utf-8") + "--json --help"
    assert {one for one in re.findall(r"--[a-z][a-z-]+", text) if one not in known} == set()

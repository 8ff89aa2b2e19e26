"""The verb skill install."""

from __future__ import annotations

from pathlib import Path

import click

from claude_workers import files, paths
from claude_workers.cli.common import Call, print_json
from claude_workers.errors import Busy

_NAME = "claude-workers"


@click.group()
def skill() -> None:
    """Teach your own Claude Code to drive workers.

    \b
    claude-workers skill install
    """


@skill.command()
@click.option("--project", is_flag=True, help="For the repository here alone, in ./.claude/skills.")
@click.option("--force", is_flag=True, help="Replace a skill of that name that was changed.")
@click.pass_obj
def install(call: Call, *, project: bool, force: bool) -> None:
    """Put the skill where Claude Code finds it: ~/.claude/skills, or the repository's.

    \b
    claude-workers skill install
    claude-workers skill install --project
    """
    base = Path.cwd() if project else Path.home()
    place = base / ".claude" / "skills" / _NAME / "SKILL.md"
    shipped = (paths.shipped_templates() / "skills" / _NAME / "SKILL.md").read_text(encoding="utf-8")
    if place.is_dir():
        raise Busy(f"{place} is a folder", "move it away")
    present = place.read_text(encoding="utf-8", errors="replace") if place.exists() else None
    if present not in {None, shipped} and not force:
        raise Busy(f"{place} is there already, and is another", "look at it, or replace it with --force")
    files.make_private(place.parent)
    files.write_atomic(place, shipped, 0o644)
    if call.json:
        print_json({"skill": str(place), "changed": present != shipped})
    else:
        click.echo(f"{place}: {'installed' if present != shipped else 'up to date'}")

"""Templates: the shipped files, the user's beside them, and `{{name}}` filled in strictly."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from claude_workers import paths
from claude_workers.errors import BadInput

if TYPE_CHECKING:
    from pathlib import Path

_VARIABLE = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")
WORKER_FILES = (".claude/CLAUDE.md", ".claude/settings.json", ".zshenv", "prompt.md")


def read(relative: str) -> str:
    """Return a worker template: the user's file under templates/worker/, else the shipped one."""
    for folder in (paths.config_dir() / "templates", paths.shipped_templates()):
        path = folder / "worker" / relative
        if path.is_file():
            return _text(path)
    raise BadInput(f"there is no template {relative}", "reinstall claude-workers")


def named_prompt(name: str) -> str:
    """Return a prompt template of the user's by name; BadInput naming those that exist."""
    folder = paths.config_dir() / "prompts"
    known = sorted(path.stem for path in folder.glob("*.md")) if folder.is_dir() else []
    if name not in known:
        listed = f"there are: {', '.join(known)}" if known else f"put NAME.md into {folder}"
        raise BadInput(f"there is no prompt template {name[:40]!r}", listed)
    return _text(folder / f"{name}.md")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"template {path} cannot be read: {error}", "mend or remove it") from error


def fill(text: str, values: dict[str, str], where: str) -> str:
    """Return `text` with every `{{name}}` replaced; BadInput for a name that has no value.

    Values are inserted as they stand: a `{{...}}` inside one is never expanded.
    """

    def value(found: re.Match[str]) -> str:
        if found[1] not in values:
            known = ", ".join(sorted(values))
            raise BadInput(f"{where}: unknown variable {{{{{found[1]}}}}}", f"known are {known}")
        return values[found[1]]

    return _VARIABLE.sub(value, text)

"""Templates: the shipped files, the user's beside them, and `{{name}}` filled in strictly."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from claude_workers import paths
from claude_workers.errors import BadInput

if TYPE_CHECKING:
    from pathlib import Path

_VARIABLE = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")
# What a prompt template may name; the last two say the same as others, for templates written elsewhere.
PROMPT_VARIABLES = ("repository", "repoName", "issueNumber", "branchName", "workerId", "prompt", "task",
                    "workBranch", "machineId")  # fmt: skip
WORKER_FILES = (".claude/CLAUDE.md", ".claude/settings.json", ".zshenv", "prompt.md")


def read(relative: str) -> str:
    """Return a worker template: the user's file under templates/worker/, else the shipped one."""
    for folder in (paths.config_dir() / "templates", paths.shipped_templates()):
        path = folder / "worker" / relative
        if path.is_file():
            return _text(path)
    raise BadInput(f"there is no template {relative}", "reinstall claude-workers")


def prompts() -> list[str]:
    """Return the names of the user's prompt templates."""
    folder = paths.config_dir() / "prompts"
    return sorted(path.stem for path in folder.glob("*.md")) if folder.is_dir() else []


def named_prompt(name: str) -> str:
    """Return a prompt template of the user's by name; BadInput naming those that exist."""
    folder, known = paths.config_dir() / "prompts", prompts()
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

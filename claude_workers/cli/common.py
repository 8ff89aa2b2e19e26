"""What every verb shares: the global options, before or after the verb, and how results are printed."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import click

from claude_workers import paths
from claude_workers.cli.hostname import HOST
from claude_workers.errors import elsewhere

if TYPE_CHECKING:
    from claude_workers.fleet import Fleet

NO_LOGIN = "export ANTHROPIC_API_KEY or CLAUDE_CODE_OAUTH_TOKEN (claude setup-token), then claude-workers refresh"
_COLOURS = {
    "idle": "green", "busy": "yellow", "waiting": "cyan", "stopped": "blue", "crashed": "red", "unknown": "magenta",
    "pull_request": "green", "answered": "green",
}  # fmt: skip

# How the events of an agent's log begin.
MARKS = {"runner": "=", "text": "◇", "tool": "→", "output": " ", "refused": "!", "error": "!", "result": "■",
         "prompt": "<", "system": "·"}  # fmt: skip
_SUBSCRIPTIONS = frozenset({"token", "login"})

AnyCommand = TypeVar("AnyCommand", bound=click.Command)


@dataclass
class Call:
    """The global options of one call."""

    root: str | None = None
    db: str | None = None
    on: str | None = None
    local: bool = False
    json: bool = False
    no_color: bool = False
    verbose: bool = False
    wire: int | None = None

    @property
    def fleet(self) -> Fleet:
        """The fleet under the chosen root."""
        from claude_workers.fleet import Fleet  # noqa: PLC0415  start-up cost

        return Fleet(self.root, on=self.on, local=self.local)

    @property
    def layout(self) -> paths.Layout:
        """Where this machine's homes are; Elsewhere when another machine was named."""
        self.check_here()
        return paths.layout(self.root, self.db)

    def check_here(self) -> None:
        """Raise Elsewhere when another machine was named: `relay` asks it then."""
        if self.on is not None and self.on != "local":
            raise elsewhere(self.on)

    def style(self, text: str, key: str) -> str:
        """Colour a text by the state or outcome it tells, where colours are seen and wanted."""
        plain = self.no_color or os.environ.get("NO_COLOR") or not sys.stdout.isatty()
        return text if plain else click.style(text, fg=_COLOURS.get(key, "red"))


def keep(ctx: click.Context, param: click.Parameter, value: object) -> None:
    """Keep an option's value in the call, wherever on the line it stands."""
    if value not in {None, False} and param.name:
        setattr(ctx.ensure_object(Call), param.name, value)


def _globals() -> list[click.Option]:
    shared = {"callback": keep, "expose_value": False}
    return [
        click.Option(["--root"], metavar="DIR", help="The folder that holds the homes.", **shared),  # type: ignore[arg-type]
        click.Option(["--on"], metavar="HOST", help="Ask this host.", type=HOST, **shared),  # type: ignore[arg-type]
        click.Option(["--local"], is_flag=True, help="Ask this machine only.", **shared),  # type: ignore[arg-type]
        click.Option(["--json"], is_flag=True, help="Print JSON.", **shared),  # type: ignore[arg-type]
        click.Option(["--no-color"], is_flag=True, help="Print without colours.", **shared),  # type: ignore[arg-type]
        click.Option(["--wire"], type=int, hidden=True, help="Answer another machine.", **shared),  # type: ignore[arg-type]
        click.Option(["-v", "--verbose"], is_flag=True, help="Say more when something fails.", **shared),  # type: ignore[arg-type]
    ]


def with_globals(command: AnyCommand) -> AnyCommand:
    """Give a command, and the commands below it, the global options once."""
    if not any(param.name == "verbose" for param in command.params):
        command.params.extend(_globals())
        command.context_settings.setdefault("help_option_names", ["-h", "--help"])
    if isinstance(command, click.Group):
        for child in command.commands.values():
            with_globals(child)
    return command


def money(usd: float, pays: str) -> str:
    """Return a price; a subscription pays none, so that it is marked as the list's."""
    return f"{'list ' if pays in _SUBSCRIPTIONS else ''}${usd:.2f}" if usd else ""


def print_json(data: object) -> None:
    """Print one JSON value on one line, in ASCII: a text may hold what no terminal should see, or is no Unicode."""
    click.echo(json.dumps(data))


def width() -> int:
    """Return the terminal's columns; 120 where there is no terminal."""
    return shutil.get_terminal_size((120, 24)).columns


def table(rows: list[list[str]], columns: int, *, styles: dict[int, list[str]] | None = None) -> list[str]:
    """Return rows as aligned lines of at most `columns`; the last column takes what is left.

    `styles` gives, by column, ready-coloured texts to show instead of the plain ones.
    """
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]) - 1)]
    used = sum(widths) + 2 * len(widths)
    lines = []
    for number, row in enumerate(rows):
        cells = []
        for index, size in enumerate(widths):
            shown = styles[index][number] if styles and index in styles else row[index]
            cells.append(shown + " " * (size - len(row[index])))
        last = row[-1]
        space = max(columns - used, 8)
        cells.append(last if len(last) <= space else last[: space - 1] + "…")
        lines.append("  ".join(cells).rstrip())
    return lines

"""The command line's page: docs/cli.md, written from every verb's own help."""

from __future__ import annotations

import click

from claude_workers.cli.main import VERBS, cli

_HEAD = """# The command line

Every verb's own help, as `claude-workers VERB --help` prints it. The options `--root --on --local
--json --no-color -v` of the whole program stand before or after any verb and are left out here.
This page is written by `scripts/pages.py`.
"""
_GLOBAL = {"root", "on", "local", "json", "no_color", "verbose", "help"}


def page() -> str:
    """Return the page's text."""
    top = click.Context(cli, info_name="claude-workers", terminal_width=100, max_content_width=100)
    parts = [_HEAD, _block(cli, top)]
    for name in VERBS:
        command = cli.get_command(top, name)
        assert command is not None
        parts += _verbs(command, click.Context(command, parent=top, info_name=name), 2)
    return "\n".join(parts)


def _verbs(command: click.Command, ctx: click.Context, depth: int) -> list[str]:
    """Return a command's part, and those of the commands below it."""
    parts = [f"{'#' * depth} {ctx.command_path.removeprefix('claude-workers ')}\n", _block(command, ctx)]
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            child = command.get_command(ctx, name)
            assert child is not None
            parts += _verbs(child, click.Context(child, parent=ctx, info_name=name), depth + 1)
    return parts


def _block(command: click.Command, ctx: click.Context) -> str:
    for param in command.params:
        if param.name in _GLOBAL and isinstance(param, click.Option):
            param.hidden = True
    command.add_help_option = False
    return f"```\n{command.get_help(ctx)}\n```\n"

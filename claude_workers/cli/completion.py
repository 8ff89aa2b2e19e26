"""The verb completion."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

PROGRAM, VARIABLE = "claude-workers", "_CLAUDE_WORKERS_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]), metavar="SHELL")
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion of verbs, options, ids and repositories for bash, zsh or fish.

    \b
    claude-workers completion bash >> ~/.bashrc
    claude-workers completion zsh >> ~/.zshrc
    claude-workers completion fish > ~/.config/fish/completions/claude-workers.fish
    """
    made = get_completion_class(shell)
    root = ctx.find_root()
    if made is not None:
        click.echo(made(root.command, {}, PROGRAM, VARIABLE).source())

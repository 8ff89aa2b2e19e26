"""The verbs of a project: init."""

from __future__ import annotations

import json
from pathlib import Path

import click

from claude_workers.cli.common import Call, print_json
from claude_workers.errors import BadInput


@click.group()
def project() -> None:
    """Make a repository ready for workers.

    \b
    claude-workers project init ./calc
    """


@project.command()
@click.argument("folder", default=".", metavar="[DIR]")
@click.option("--verify", metavar="COMMAND", help="What must pass before anything is published.  [default: guessed]")
@click.option("--setup", metavar="COMMAND", help="What prepares a fresh checkout.  [default: guessed]")
@click.option("--force", is_flag=True, help="Replace the file that is there.")
@click.pass_obj
def init(call: Call, folder: str, verify: str | None, setup: str | None, *, force: bool) -> None:
    """Write a repository's .claude-workers.toml, its gate guessed from its files; nothing is run or committed.

    \b
    claude-workers project init
    claude-workers project init ./calc --verify "make test"
    """
    from claude_workers import config, files  # noqa: PLC0415  start-up cost
    from claude_workers.workspace import guess, upstream  # noqa: PLC0415

    top = Path(upstream.local(folder, call.layout).url)
    if not (top / ".git").exists():
        raise BadInput(f"{top} has no working tree", "name a clone of it")
    place = top / config.GATE_FILE
    if place.exists() and not force:
        raise BadInput(f"{place} is there already", "edit it, or add --force")
    found = guess.gate(top)
    chosen = {"setup": found.setup if setup is None else setup, "verify": found.verify if verify is None else verify}
    text = _text(chosen, found.because if verify is None else "")
    config.with_gate(config.load(), text)
    files.write_atomic(place, text, 0o644)
    if call.json:
        print_json({"path": str(place), **chosen, "because": found.because})
        return
    click.echo(text.rstrip())
    click.echo(f"\nwritten to {place}; look at it, then commit it: it counts as it stands at the base's tip")


def _text(chosen: dict[str, str], because: str) -> str:
    """Return the file: what is not known is a comment that says what would be written there."""
    lines = [
        f"# Guessed: {because}." if because else "# What workers' changes must pass, and how a checkout is set up."
    ]
    examples = {"setup": '"npm ci"', "verify": '"npm test"; without it every change is published as unverified'}
    for name, value in chosen.items():
        lines.append(f"{name} = {json.dumps(value)}" if value else f"# {name} = {examples[name]}")
    return "\n".join(lines) + "\n"

"""The verb service print."""

from __future__ import annotations

import sys

import click

from claude_workers.cli.common import Call, print_json


@click.group()
def service() -> None:
    """Keep recovering as a service of this machine.

    \b
    claude-workers service print
    """


@service.command("print")
@click.option("--systemd", "kind", flag_value="systemd", help="A systemd user unit.")
@click.option("--launchd", "kind", flag_value="launchd", help="A launchd job.")
@click.pass_obj
def print_(call: Call, kind: str | None) -> None:
    """Print a service that runs `recover --watch`; nothing is installed.

    \b
    claude-workers service print > ~/.config/systemd/user/claude-workers.service
    """
    from claude_workers.pool import service as printing  # noqa: PLC0415  start-up cost

    chosen = kind or ("launchd" if sys.platform == "darwin" else "systemd")
    made = printing.launchd(call.layout) if chosen == "launchd" else printing.systemd(call.layout)
    if call.json:
        print_json({"kind": chosen, "text": made})
    else:
        click.echo(made, nl=False)

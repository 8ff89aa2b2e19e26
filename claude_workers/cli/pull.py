"""The verb pull."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from claude_workers.cli.common import Call, print_json
from claude_workers.cli.params import Duration
from claude_workers.errors import WorkersError

if TYPE_CHECKING:
    from claude_workers.workspace.pull import Pulled


@click.command()
@click.argument("folder", default=".", metavar="[DIR]")
@click.option("--watch", is_flag=True, help="Go on pulling, until Ctrl-C.")
@click.option("--interval", type=Duration(), default="5", help="Seconds between two looks.  [default: 5]")
@click.pass_obj
def pull(call: Call, folder: str, interval: float, *, watch: bool) -> None:
    """Bring your working tree to what workers merged: fast-forward, or not at all.

    \b
    claude-workers pull
    claude-workers pull ./calc --watch --interval 5
    """
    from claude_workers.workspace.pull import pull as take  # noqa: PLC0415  start-up cost

    call.check_here()
    if not watch:
        _told(call, take(folder), quiet=False)
        return
    failed = ""
    while True:
        try:
            _told(call, take(folder), quiet=True)
            failed = ""
        except WorkersError as error:
            if str(error) != failed:  # what stands in the way is said once
                click.echo(f"claude-workers: {error}", err=True)
            failed = str(error)
        time.sleep(interval)


def _told(call: Call, found: Pulled, *, quiet: bool) -> None:
    if quiet and not found.new:
        return
    if call.json:
        print_json(found.to_json())
    elif found.new:
        click.echo(f"{found.branch}: {found.new} new commit{'s' if found.new > 1 else ''}, now at {found.head[:12]}")
    else:
        click.echo(f"{found.branch} is up to date")

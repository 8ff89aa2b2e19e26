"""The verbs pause and resume."""

from __future__ import annotations

import click

from claude_workers.cli.common import Call, print_json


@click.command()
@click.argument("reason", required=False, default="", metavar="[REASON]")
@click.pass_obj
def pause(call: Call, reason: str) -> None:
    """Let nothing new be dispatched on this machine; what runs goes on.

    \b
    claude-workers pause "the registry is down"
    """
    before = call.fleet.paused
    made = call.fleet.pause(reason)
    if call.json:
        print_json({"paused": made.to_json()})
    else:
        why = f" ({made.reason})" if made.reason else ""
        already = "paused already since" if before else "paused since"
        click.echo(f"{already} {made.at}{why}: what runs goes on; claude-workers resume ends it")


@click.command()
@click.pass_obj
def resume(call: Call) -> None:
    """Let tasks be dispatched again.

    \b
    claude-workers resume
    """
    ended = call.fleet.resume()
    if call.json:
        print_json({"paused": None, "ended": ended.to_json()})
    else:
        click.echo(f"dispatching goes on; it {ended.told}")

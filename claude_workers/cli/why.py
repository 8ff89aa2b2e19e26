"""The verb why."""

from __future__ import annotations

import click

from claude_workers.cli.common import Call, print_json
from claude_workers.cli.params import WORKER


@click.command()
@click.argument("worker", metavar="ID", type=WORKER)
@click.option("--forge", is_flag=True, help="Ask the forge, too, who holds the issue.")
@click.option("--last", type=click.IntRange(0), default=20, show_default=True, help="How many events of its log.")
@click.pass_obj
def why(call: Call, worker: str, *, forge: bool, last: int) -> None:
    """Show the evidence for a worker's state: what was looked at, when, what it said, and what was not.

    \b
    claude-workers why 01
    claude-workers why 01 --forge --last 50
    """
    found = call.fleet.why(worker, last=last, forge=forge)
    if call.json:
        print_json(found.to_json())
        return
    click.echo(
        f"worker {worker} is {call.style(found.state, found.state)}" + (f": {found.reason}" if found.reason else "")
    )
    wide = max(len(one.what) for one in found.evidence)
    for one in found.evidence:
        click.echo(f"  {one.what:{wide}}  {one.said}" + (f"  [{one.at}]" if one.at else ""))
    for event in found.events:
        click.echo(f"{event.at}  {event.kind}: {event.text}")

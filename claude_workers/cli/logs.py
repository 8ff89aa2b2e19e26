"""The verb logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from claude_workers.cli.common import MARKS, Call, print_json
from claude_workers.cli.params import WORKER

if TYPE_CHECKING:
    from claude_workers.model import LogEvent


@click.command()
@click.argument("worker", metavar="ID", type=WORKER)
@click.option("-f", "--follow", is_flag=True, help="Go on until the task ends.")
@click.option(
    "-n", "--lines", type=click.IntRange(min=0), default=50, show_default=True, help="How many to begin with."
)
@click.option("--since", metavar="CURSOR", help="Begin right after this cursor, as --json gives it.")
@click.option("--raw", is_flag=True, help="The agent's own JSON lines.")
@click.pass_obj
def logs(  # noqa: PLR0913  one parameter an option
    call: Call, worker: str, *, follow: bool, lines: int, since: str | None, raw: bool
) -> None:
    """Show what a worker's agent says and does, of the current task or the last.

    \b
    claude-workers logs 01 -f
    """
    fleet = call.fleet
    cursor = since
    if since is None:
        recent = list(fleet.events(worker))
        shown = [event for event in recent if (event.raw if raw else event.kind or call.wire)]
        for event in shown[len(shown) - lines if lines < len(shown) else 0 :] if lines else []:
            show_event(call, event, raw=raw)
        cursor = recent[-1].cursor if recent else None
    if follow or since is not None:
        for event in fleet.events(worker, since=cursor, follow=follow):
            show_event(call, event, raw=raw)


def show_event(call: Call, event: LogEvent, *, raw: bool = False) -> None:
    """Print one event of a log; nothing of one that shows nothing."""
    if raw:
        if event.raw:
            click.echo(event.raw)
    elif call.wire:
        print_json(event.to_json())
    elif not event.kind:
        return
    elif call.json:
        print_json({"cursor": event.cursor, "at": event.at, "kind": event.kind, "text": event.text})
    else:
        # An agent's further lines are set in: none of them can look like the runner's own.
        text = event.text.replace("\n", "\n  ")
        click.echo(f"{MARKS.get(event.kind, ' ')} {text}")

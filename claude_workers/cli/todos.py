"""The verb todos."""

from __future__ import annotations

import click

from claude_workers.cli.common import Call, print_json
from claude_workers.cli.params import WORKER

_ICONS = {"completed": "✓", "in_progress": "→", "pending": "○"}


@click.command()
@click.argument("worker", required=False, metavar="[ID]", type=WORKER)
@click.pass_obj
def todos(call: Call, worker: str | None) -> None:
    """Show the task list that an agent keeps of its own; no ID: of every worker that has a task.

    \b
    claude-workers todos 01
    """
    found = call.fleet.todos(worker)
    if call.json:
        print_json({"todos": [one.to_json() for one in found]})
        return
    for one in found:
        click.echo(f"worker {one.worker}:" + ("" if one.items else " it keeps no list"))
        for item in one.items:
            click.echo(f"  {_ICONS[item.status]} {item.subject}")
    if not found:
        click.echo("no worker has a task")

"""The verbs stop and restart."""

from __future__ import annotations

import click

from claude_workers.cli.common import Call, print_json


@click.command()
@click.argument("worker", metavar="ID")
@click.pass_obj
def stop(call: Call, worker: str) -> None:
    """Stop a worker's task: its whole process tree has ended when this returns."""
    task = call.fleet.stop(worker)
    if call.json:
        print_json({"task": task.to_json()})
    else:
        click.echo(f"stopped worker {worker}; claude-workers restart {worker} continues")


@click.command()
@click.argument("worker", metavar="ID")
@click.pass_obj
def restart(call: Call, worker: str) -> None:
    """Continue a stopped, crashed or waiting task: same session, same branch."""
    task = call.fleet.restart(worker)
    if call.json:
        print_json({"task": task.to_json()})
    else:
        click.echo(f"restarted worker {worker}, attempt {task.attempt}, task {task.task_id}")

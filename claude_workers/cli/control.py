"""The verbs stop and restart."""

from __future__ import annotations

import click

from claude_workers.cli.common import Call, print_json
from claude_workers.cli.params import WORKER
from claude_workers.errors import BadInput
from claude_workers.model import Task


@click.command()
@click.argument("worker", required=False, metavar="ID", type=WORKER)
@click.option("--all", "every", is_flag=True, help="Every task of this machine.")
@click.pass_context
def stop(ctx: click.Context, worker: str | None, *, every: bool) -> None:
    """Stop a worker's task: its whole process tree has ended when this returns.

    \b
    claude-workers stop 01
    claude-workers stop --all
    """
    call: Call = ctx.obj
    if every == (worker is not None):
        raise BadInput("say which task", "name a worker, or --all")
    if worker is None:
        ctx.exit(_stop_all(call))
    task = call.fleet.stop(worker)
    if call.json:
        print_json({"task": task.to_json()})
    else:
        click.echo(f"stopped worker {worker}; claude-workers restart {worker} continues")


def _stop_all(call: Call) -> int:
    """Stop every task, print what became of each, and return the exit status."""
    found = call.fleet.stop_all()
    stopped = [one for one in found if isinstance(one, Task)]
    left = [one for one in found if not isinstance(one, Task)]
    if call.json:
        errors = [{"code": one.code, "message": one.message, "remedy": one.remedy} for one in left]
        print_json({"tasks": [one.to_json() for one in stopped], "errors": errors})
    else:
        for one in stopped:
            click.echo(f"stopped worker {one.worker}; claude-workers restart {one.worker} continues")
        for error in left:
            click.echo(str(error), err=True)
        if not found:
            click.echo("no worker has a task that could be stopped")
    return 1 if left else 0


@click.command()
@click.argument("worker", metavar="ID", type=WORKER)
@click.pass_obj
def restart(call: Call, worker: str) -> None:
    """Continue a stopped, crashed or waiting task: same session, same branch.

    \b
    claude-workers restart 01
    """
    task = call.fleet.restart(worker)
    if call.json:
        print_json({"task": task.to_json()})
    elif task.state == "waiting":
        click.echo(f"worker {worker} waits: {task.wait_for}: {task.reason}")
    else:
        click.echo(f"restarted worker {worker}, attempt {task.attempt}, task {task.task_id}")

"""The verb update."""

from __future__ import annotations

import shlex

import click

from claude_workers.cli.common import Call, print_json


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say how it would be done.")
@click.pass_context
def update(ctx: click.Context, *, dry_run: bool) -> None:
    """Upgrade the tool the way it was installed (uv tool, pipx, pip, a checkout), then refresh every home.

    Refused while a runner lives: the new version would come under its feet.

    \b
    claude-workers update
    claude-workers update --dry-run
    """
    call: Call = ctx.obj
    if dry_run:
        way = call.fleet.update_way()
        if call.json:
            print_json(way.to_json())
        else:
            commands = " && ".join(shlex.join(one) for one in way.commands)
            click.echo(f"installed by {way.how}: {commands or 'run that again, on the machine that did'}")
        return
    done = call.fleet.update()
    failed = [said for said in done.refreshed.values() if said.startswith("failed")]
    if call.json:
        print_json(done.to_json())
    else:
        click.echo(f"{done.way.how}: {done.before} -> {done.after}")
        for worker, said in done.refreshed.items():
            click.echo(f"worker {worker}: {said or 'nothing changed'}")
    ctx.exit(1 if failed else 0)

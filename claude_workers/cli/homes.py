"""The verbs of homes: init, refresh, reset, remove."""

from __future__ import annotations

import click

from claude_workers.cli.common import NO_LOGIN, Call, print_json
from claude_workers.cli.params import WORKER
from claude_workers.errors import WorkerBusy


@click.command()
@click.argument("workers", nargs=-1, required=True, metavar="ID...", type=WORKER)
@click.option("--credentials", metavar="NAME", help="Bind them to [credentials.NAME] of config.toml.")
@click.option("--worker-label", metavar="LABEL", help="What its issues are labelled, behind worker:.")
@click.option("--golden", metavar="NAME", help="Give them the snapshot NAME; see golden.")
@click.pass_obj
def init(
    call: Call, workers: tuple[str, ...], credentials: str | None, worker_label: str | None, golden: str | None
) -> None:
    """Make workers: an isolated home each, with the credentials of your environment, or of a set.

    \b
    claude-workers init 01 02
    claude-workers init 03 --credentials team
    """
    fleet = call.fleet
    made = fleet.init(*workers, credentials=credentials, label=worker_label, golden=golden)
    places = {home.worker: f" in {home.path}" for home in made}
    if call.json:
        print_json({"workers": list(dict.fromkeys(workers))})
        return
    rows = fleet.status(list(dict.fromkeys(workers)))
    for row in rows:
        click.echo(f"made worker {row.address}{places.get(row.address, '')}")
    without = next((row for row in rows if row.credentials is None), None)
    if without:
        there = f"claude-workers host push-credentials {without.host}, or login {without.address}"
        click.echo(f"no login yet: {NO_LOGIN if without.host == 'local' else there}", err=True)


@click.command()
@click.argument("workers", nargs=-1, metavar="[ID...]", type=WORKER)
@click.pass_obj
def refresh(call: Call, workers: tuple[str, ...]) -> None:
    """Render credentials and templates again; no ID: every worker that is not at work.

    A value you no longer have in your environment is kept, never emptied.

    \b
    claude-workers refresh 01
    """
    fleet = call.fleet
    chosen = workers or tuple(row.address for row in fleet.status())
    for worker in chosen:
        try:
            changed = fleet.refresh(worker)
        except WorkerBusy as error:
            if workers:
                raise
            click.echo(f"not refreshed: {error}", err=True)
            continue
        if call.json:
            print_json({"worker": worker, "changed": changed})
        else:
            click.echo(f"worker {worker}: {', '.join(changed) if changed else 'nothing changed'}")


@click.command()
@click.argument("worker", metavar="ID", type=WORKER)
@click.option("--discard", is_flag=True, help="Give up work that cannot be rescued.")
@click.pass_obj
def reset(call: Call, worker: str, *, discard: bool) -> None:
    """Free a worker whose task will not go on; its work is kept first.

    \b
    claude-workers reset 01
    """
    receipt = call.fleet.reset(worker, discard=discard)
    if call.json:
        print_json({"worker": worker, "receipt": receipt.to_json() if receipt else None})
    elif receipt:
        click.echo(f"worker {worker} is idle; its task ended as {receipt.outcome}")
    else:
        click.echo(f"worker {worker} is idle; its unreadable task file was moved aside")


@click.command()
@click.argument("worker", metavar="ID", type=WORKER)
@click.option("--discard", is_flag=True, help="Give up work that is kept nowhere else.")
@click.pass_obj
def remove(call: Call, worker: str, *, discard: bool) -> None:
    """Delete a worker's home; refused while it holds work that is kept nowhere else.

    The records of its tasks, and its part of `history`, go with it; rescued work stays.

    \b
    claude-workers remove 01
    """
    brought = call.fleet.remove(worker, discard=discard)
    if call.json:
        print_json({"worker": worker, "removed": True, "brought": [str(one) for one in brought]})
        return
    click.echo(f"removed worker {worker}")
    for one in brought:
        click.echo(f"its work is kept in {one}: git fetch {one} 'refs/work/*:refs/rescued/*'")

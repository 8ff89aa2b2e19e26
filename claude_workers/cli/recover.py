"""The verb recover."""

from __future__ import annotations

import click

from claude_workers.cli.common import Call, print_json
from claude_workers.cli.params import WORKER, Duration

_COLOURS = {"resumed": "busy", "woken": "busy", "waits": "waiting", "released": "idle", "cleared": "idle"}


@click.command()
@click.argument("workers", nargs=-1, metavar="[ID...]", type=WORKER)
@click.option("--watch", is_flag=True, help="Keep doing it, as a service does.")
@click.option("--interval", type=Duration(), default="15s", show_default=True, help="With --watch: between two looks.")
@click.pass_context
def recover(ctx: click.Context, workers: tuple[str, ...], *, watch: bool, interval: float) -> None:
    """Bring this machine's tasks back to work: after a crash, a reboot, a limit's end.

    Crashed tasks are resumed in the same session and branch, within their attempts; waiting ones whose
    time has come are woken; claims of workers that are not at them are released; what dead runs left
    is cleared away. Done twice, the second time does nothing. Exit 1 when something needs a person.

    \b
    claude-workers recover
    claude-workers recover --watch --interval 30s
    """
    call: Call = ctx.obj
    if watch and interval < 1:
        raise click.UsageError("--interval is at least a second")
    if watch and workers:
        raise click.UsageError("--watch looks after all workers: name none")
    failed, did = False, 0
    for one in call.fleet.recovering(interval) if watch else call.fleet.recover(workers):
        did += 1
        failed = failed or one.did in {"failed", "given-up"}
        if call.json:
            print_json(one.to_json())
        else:
            click.echo(_line(call, one.worker, one.did, one.said), err=one.did == "failed")
    if not did and not call.json:
        click.echo("nothing to recover")
    ctx.exit(1 if failed else 0)


def _line(call: Call, worker: str, did: str, said: str) -> str:
    who = f"worker {worker}: " if worker else ""
    return f"{who}{call.style(did, _COLOURS.get(did, 'crashed'))}, {said}"

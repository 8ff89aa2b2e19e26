"""The verbs golden save, list, apply, diff and remove."""

from __future__ import annotations

import base64

import click

from claude_workers.cli import stdin
from claude_workers.cli.common import Call, print_json, table, width
from claude_workers.cli.params import WORKER
from claude_workers.home import golden as snapshots


@click.group()
def golden() -> None:
    """Keep what a home has learnt, without its credentials: settings, instructions, tools, caches.

    \b
    claude-workers golden save 01 python
    claude-workers golden apply python 02
    claude-workers init 03 --golden python
    """


@golden.command()
@click.argument("worker", metavar="ID", type=WORKER)
@click.argument("name", metavar="NAME")
@click.pass_obj
def save(call: Call, worker: str, name: str) -> None:
    """Take a snapshot of an idle worker's home; refused when a file in it holds a token.

    It has .claude/CLAUDE.md, .claude/settings.json and the folders that `persist` names.

    \b
    claude-workers golden save 01 python
    """
    made = call.fleet.golden.save(worker, name)
    if call.json:
        print_json({"golden": made.to_json()})
    else:
        click.echo(f"golden {made.name}: {len(made.entries)} files, {made.size} bytes, {made.digest[:12]}")


@golden.command("list")
@click.pass_obj
def list_(call: Call) -> None:
    """List the snapshots.

    \b
    claude-workers golden list
    """
    found = call.fleet.golden.every()
    if call.json:
        print_json({"goldens": [one.to_json() for one in found]})
        return
    if not found:
        click.echo("no golden homes yet: claude-workers golden save ID NAME")
        return
    rows = [["NAME", "OF", "MADE", "FILES", "BYTES", "DIGEST"]]
    rows += [[one.name, one.worker, one.made_at[:16], str(len(one.entries)), str(one.size), one.digest[:12]]
             for one in found]  # fmt: skip
    for line in table(rows, width()):
        click.echo(line)


@golden.command()
@click.argument("name", metavar="NAME")
@click.argument("worker", metavar="ID", type=WORKER)
@click.pass_obj
def apply(call: Call, name: str, worker: str) -> None:
    """Put a snapshot into an idle worker's home, in the place of what is there; credentials stay its own.

    `refresh` renders the templates again, over the snapshot's instructions and settings.

    \b
    claude-workers golden apply python 02
    """
    made = call.fleet.golden.apply(name, worker)
    if call.json:
        print_json({"golden": made.to_json()})
    else:
        click.echo(f"worker {worker} has golden {name}, {len(made.entries)} files")


@golden.command()
@click.argument("name", metavar="NAME")
@click.argument("worker", metavar="ID", type=WORKER)
@click.pass_context
def diff(ctx: click.Context, name: str, worker: str) -> None:
    """Say in which files a worker's home is not as a snapshot; exit 1 when there are any.

    \b
    claude-workers golden diff python 02
    """
    call: Call = ctx.obj
    found = call.fleet.golden.diff(name, worker)
    if call.json:
        print_json({"differences": found})
    else:
        for one in found:
            click.echo(f"{one['what']}: {one['path']}")
        if not found:
            click.echo(f"worker {worker} is as golden {name}")
    ctx.exit(1 if found else 0)


@golden.command(hidden=True)
@click.argument("name", metavar="NAME")
@click.argument("worker", metavar="ID", type=WORKER)
@click.pass_obj
def pack(call: Call, name: str, worker: str) -> None:
    """Print a snapshot for another machine to keep; ID is the worker whose machine is asked.

    \b
    claude-workers golden pack python 01
    """
    del worker
    print_json({"content": base64.b64encode(snapshots.packed(call.layout, name)).decode()})


@golden.command(hidden=True)
@click.argument("worker", metavar="ID", type=WORKER)
@click.pass_obj
def unpack(call: Call, worker: str) -> None:
    """Keep the snapshot that another machine sends on standard input.

    \b
    claude-workers golden unpack 01
    """
    del worker
    print_json({"golden": snapshots.unpack(call.layout, base64.b64decode(stdin.read_all())).to_json()})


@golden.command()
@click.argument("name", metavar="NAME")
@click.pass_obj
def remove(call: Call, name: str) -> None:
    """Delete a snapshot; homes it was put into keep what they have.

    \b
    claude-workers golden remove python
    """
    call.fleet.golden.remove(name)
    if call.json:
        print_json({"removed": name})
    else:
        click.echo(f"golden {name} is deleted")

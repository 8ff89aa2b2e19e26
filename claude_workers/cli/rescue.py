"""The verbs rescue list, show and restore."""

from __future__ import annotations

import click

from claude_workers.cli.common import Call, print_json, table, width
from claude_workers.cli.params import WORKER
from claude_workers.workspace.rescues import BEFORE


@click.group()
def rescue() -> None:
    """Look at the work that is kept of every task, and put it into a folder again.

    \b
    claude-workers rescue list
    claude-workers rescue restore 01 --to ./back
    """


@rescue.command("list")
@click.argument("worker", required=False, metavar="[ID]", type=WORKER)
@click.pass_obj
def list_(call: Call, worker: str | None) -> None:
    """List what is kept, of every task or of one worker's; the latest last.

    \b
    claude-workers rescue list 01
    """
    found = call.fleet.rescues(worker)
    if call.json:
        print_json({"rescues": [one.to_json() for one in found]})
        return
    if not found:
        click.echo("nothing is kept yet: work is rescued while agents work, and before it is left")
        return
    rows = [["TASK", "WORKER", "REPOSITORY", "KEPT", "COMMITS", "UNCOMMITTED", "BRANCH"]]
    rows += [
        [short_id(one.task_id), one.worker, one.repo, one.at[:19], str(one.commits), str(one.changed), one.branch]
        for one in found
    ]
    for line in table(rows, width()):
        click.echo(line)


@rescue.command(hidden=True)
@click.argument("worker", metavar="ID", type=WORKER)
@click.pass_obj
def bundles(call: Call, worker: str) -> None:
    """Print what is kept of a worker and lies nowhere else, as git bundles, for another machine to keep.

    \b
    claude-workers rescue bundles 01
    """
    from claude_workers.pool import rescues  # noqa: PLC0415  start-up cost

    print_json({"bundles": [one.to_json() for one in rescues.bundles(call.layout, worker)]})


@rescue.command()
@click.argument("task", metavar="TASK|ID")
@click.pass_obj
def show(call: Call, task: str) -> None:
    """Show what is kept of a task (its id or the beginning), or of a worker's latest.

    \b
    claude-workers rescue show 3f2a
    """
    found = call.fleet.rescue(task)
    if call.json:
        print_json(found.to_json())
        return
    one = found.rescue
    click.echo(f"task {one.task_id} of worker {one.worker}, {one.repo}, branch {one.branch}, kept {one.at}")
    for title, lines in (
        ("commits that upstream does not have", found.commits),
        ("not committed", found.changes),
        ("too large, unreadable or a repository of its own, so left in the clone alone", one.left_out),
        ("further branches", found.branches),
    ):
        if lines:
            click.echo(f"{title}:")
            for line in lines:
                click.echo(f"  {line}")
    click.echo(f"claude-workers rescue restore {short_id(one.task_id)} --to DIR")


@rescue.command()
@click.argument("task", metavar="TASK|ID")
@click.option("--to", "target", metavar="DIR", help="The folder to make; unset: REPOSITORY-TASK here.")
@click.pass_obj
def restore(call: Call, task: str, target: str | None) -> None:
    """Put kept work into a new folder: a git repository with the branch, and what was not committed.

    \b
    claude-workers rescue restore 3f2a --to ./back
    """
    place = call.fleet.restore(task, target)
    if call.json:
        print_json({"folder": str(place)})
    else:
        click.echo(f"restored into {place}")


def short_id(task_id: str) -> str:
    """Return the beginning of a task's id, by which it can be named."""
    return task_id[: 8 + len(BEFORE)] if task_id.startswith(BEFORE) else task_id[:8]

"""The verbs that file tickets and find them: create, import, list, show, update, count, log, migrate, path."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from claude_workers.cli.common import Call, print_json, table, width
from claude_workers.cli.ticket_common import (
    FORMAT,
    ID,
    REPO,
    done,
    me,
    numbers,
    print_ticket,
    queue_of,
    repo_of,
    warn_of_network,
)
from claude_workers.errors import BadInput
from claude_workers.text import plain

if TYPE_CHECKING:
    from claude_workers.model import Ticket

_TYPES = click.Choice(["task", "proposal", "question", "verify"])
_TYPE = click.option("--type", "kind", type=_TYPES, help="What it is.  [default: a task; a person's: see above]")


@click.command()
@click.argument("title")
@click.option("--description", default="", help="What is wanted, at length.")
@click.option("--repo", default=".", metavar="PATH", help="The repository it is about.  [default: .]")
@click.option("--parent", type=int, metavar="ID", help="The ticket it is a part of.")
@click.option("--assign", metavar="NAME", help="Who alone may do it: an agent's name, or `human`.")
@click.option("--blocked-by", type=int, multiple=True, metavar="ID", help="A ticket to be done before; repeatable.")
@click.option("--block-dependents-of", type=int, metavar="ID", help="Block what that ticket blocks by this one, too.")
@click.option("--created-by", metavar="NAME", help="Who asks.  [default: you]")
@_TYPE
@click.option("--priority", type=int, default=0, metavar="N", help="The highest is claimed first.  [default: 0]")
@click.option("--label", "labels", multiple=True, metavar="LABEL", help="A label; repeatable.")
@click.pass_obj
def create(  # noqa: PLR0913  click passes one parameter for each option
    call: Call, title: str, description: str, repo: str, parent: int | None, assign: str | None,
    blocked_by: tuple[int, ...], block_dependents_of: int | None, created_by: str | None, kind: str | None,
    priority: int, labels: tuple[str, ...],
) -> None:  # fmt: skip
    """File a ticket; prints only its id.

    A ticket for a person is a question when other tickets are to be done before it, else a proposal.

    \b
    claude-workers ticket create "Add a subtract function" --repo ./calc
    claude-workers ticket create "Document it" --repo ./calc --blocked-by 1
    """
    from claude_workers.tickets.queue import Draft  # noqa: PLC0415  start-up cost

    draft = Draft(
        repo_of(call, repo), title, description, me(created_by), kind, priority, assign, parent, blocked_by,
        block_dependents_of, labels,
    )  # fmt: skip
    number = queue_of(call).create(draft)
    if call.json:
        print_json({"id": number})
    else:
        click.echo(number)


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--repo", default=".", metavar="PATH", help="The repository of those that name none.  [default: .]")
@click.option("--created-by", metavar="NAME", help="Who asks.  [default: you]")
@click.pass_obj
def import_(call: Call, file: Path, repo: str, created_by: str | None) -> None:
    """File the tickets that a YAML, JSON or TOML file lists, all or none; prints their ids.

    The file has a list `tickets`. A ticket has a title and may have description, type, priority, assign,
    labels, repo, parent, a key of its own, and blocked_by: a list of such keys, or of ids.

    \b
    claude-workers ticket import plan.yaml --repo ./calc
    """
    from claude_workers.tickets import batch  # noqa: PLC0415  start-up cost

    found = batch.read(file, lambda named: repo_of(call, named or repo), me(created_by))
    made = queue_of(call).create_all(found)
    if call.json:
        print_json({"ids": made})
    else:
        click.echo("\n".join(map(str, made)))


@click.command("list")
@click.option("--status", "statuses", default="", metavar="A,B", help="Only these: open, in_progress, ready, done.")
@click.option("--assigned-to", metavar="NAME", help="Only what is assigned to, or claimed by, this one.")
@click.option("--type", "kind", type=_TYPES, help="Only this kind.")
@REPO
@click.option("--all", "every", is_flag=True, help="Done ones too.")
@FORMAT
@click.pass_obj
def list_(  # noqa: PLR0913  click passes one parameter for each option
    call: Call, statuses: str, assigned_to: str | None, kind: str | None, repo: str | None, *, every: bool
) -> None:
    """List the tickets that are not done.

    \b
    claude-workers ticket list --assigned-to human
    claude-workers ticket list --status in_progress,ready
    """
    from claude_workers.tickets import states  # noqa: PLC0415  start-up cost

    if every and statuses:
        raise BadInput("--all and --status exclude each other", "leave one out")
    wanted = states.STATUSES if every else states.check_statuses([one.strip() for one in statuses.split(",") if one])
    about = repo_of(call, repo) if repo else None
    found = queue_of(call).list(about, statuses=wanted, assigned_to=assigned_to, kind=kind)
    if call.json:
        print_json([one.to_json() for one in found])
    elif not found:
        click.echo("No tickets found")
    else:
        rows = [["ID", "STATUS", "TYPE", "PRIORITY", "ASSIGNED", "LABELS", "TITLE"], *map(_row, found)]
        for line in table(rows, width()):
            click.echo(line)


def _row(one: Ticket) -> list[str]:
    waits = f"  (blocked by {numbers(one.blocked_by)})" if one.blocked_by else ""
    shown = [str(one.id), one.status, one.type, str(one.priority), one.assigned_to or "", ",".join(one.labels)]
    return [plain(cell) for cell in (*shown, f"{one.title}{waits}")]


@click.command()
@ID
@FORMAT
@click.pass_obj
def show(call: Call, number: int) -> None:
    """Show a ticket with its conversation.

    \b
    claude-workers ticket show 1
    """
    print_ticket(call, queue_of(call).read(number))


@click.command()
@ID
@click.option("--title", help="A new title.")
@click.option("--description", help="A new description.")
@click.option("--assign", "assigned_to", metavar="NAME", help='Who alone may do it; "" for anybody.')
@click.option("--status", metavar="STATUS", help="open, in_progress or ready; done has a verb of its own.")
@click.option("--type", "type", type=_TYPES, help="What it is.")
@click.option("--priority", type=int, metavar="N", help="The highest is claimed first.")
@click.pass_obj
def update(call: Call, /, number: int, **wanted: str | int | None) -> None:
    """Change fields of a ticket that is not done.

    \b
    claude-workers ticket update 1 --priority 5 --assign 02
    """
    from claude_workers.tickets import states  # noqa: PLC0415  start-up cost

    given = {name: value for name, value in wanted.items() if value is not None}
    if not given:
        raise BadInput("nothing to update", "name a field, such as --title")
    if given.get("assigned_to") == "":
        given["assigned_to"] = None  # type: ignore[assignment]
    if "status" in given:
        states.check_statuses([str(given["status"])])
    queue_of(call).update(number, me(), **given)
    done(call, f"updated {number}")


@click.command()
@click.option("--status", "statuses", default="", metavar="A,B", help="Only these statuses.")
@FORMAT
@click.pass_obj
def count(call: Call, statuses: str) -> None:
    """Count the tickets, all or those of some statuses.

    \b
    claude-workers ticket count --status open,in_progress
    """
    from claude_workers.tickets import states  # noqa: PLC0415  start-up cost

    wanted = states.check_statuses([one.strip() for one in statuses.split(",") if one]) or [*states.STATUSES]
    found = queue_of(call).count()
    total = sum(found[one] for one in wanted)
    if call.json:
        print_json({"count": total, "statuses": {one: found[one] for one in wanted}})
    else:
        click.echo(total)


@click.command()
@click.argument("number", required=False, type=click.IntRange(min=1), metavar="[ID]")
@click.option("--limit", type=click.IntRange(1, 100_000), default=20, help="How many.  [default: 20]")
@FORMAT
@click.pass_obj
def log(call: Call, number: int | None, limit: int) -> None:
    """Show the last changes, of one ticket or of all, the newest first.

    \b
    claude-workers ticket log --limit 50
    """
    found = queue_of(call).log(number, limit)
    if call.json:
        print_json([one.to_json() for one in found])
        return
    for one in found:
        said = f"{one.action}{f': {one.detail}' if one.detail else ''}"
        click.echo(plain(f"{one.at}  #{one.ticket_id}  {one.actor}  {said}"))


@click.command()
@click.pass_obj
def migrate(call: Call) -> None:
    """Bring the database up to date; every other verb does so, too.

    \b
    claude-workers ticket migrate
    """
    warn_of_network(call)
    before, after = queue_of(call).database.migrate()
    said = f"already at version {after}" if before == after else f"migrated from version {before} to version {after}"
    done(call, said, version=after)


@click.command()
@click.pass_obj
def path(call: Call) -> None:
    """Print where the database is.

    \b
    claude-workers ticket path
    """
    warn_of_network(call)
    place = call.layout.tickets
    if call.json:
        print_json({"path": str(place)})
    else:
        click.echo(place)

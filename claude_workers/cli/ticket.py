"""The verbs of tickets: create, list, show, comment, label, close."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Any

import click

from claude_workers.cli.common import Call, print_json, table, width
from claude_workers.errors import WorkersError

if TYPE_CHECKING:
    from claude_workers.model import Issue
    from claude_workers.tickets.tickets import Tickets


class TicketVerbs(click.Group):
    """The ticket group: its exit codes are 0, 1 (not found, not possible) and 2 (usage)."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401
        """Run the verb; a failure that is no usage error exits 1."""
        try:
            return super().invoke(ctx)
        except WorkersError as error:
            if error.exit_code > 2:  # noqa: PLR2004
                failed = WorkersError(error.message, error.remedy)
                raise failed from error
            raise


@click.group(cls=TicketVerbs)
def ticket() -> None:
    """Keep issues beside a git repository, in one SQLite file: the embedded forge.

    \b
    claude-workers ticket create "Add a subtract function" --repo ./calc
    claude-workers ticket list
    """


def _tickets(call: Call) -> Tickets:
    from claude_workers.tickets.tickets import Tickets  # noqa: PLC0415  start-up cost

    return Tickets(call.layout.tickets)


def _repo(call: Call, text: str) -> str:
    from claude_workers.workspace.upstream import local  # noqa: PLC0415  start-up cost

    return local(text, call.layout).url


@ticket.command()
@click.argument("title")
@click.option("--description", default="", help="What is wanted, at length.")
@click.option("--repo", default=".", metavar="PATH", help="The repository it is about.  [default: .]")
@click.option("--created-by", metavar="NAME", help="Who asks.  [default: you]")
@click.pass_obj
def create(call: Call, title: str, description: str, repo: str, created_by: str | None) -> None:
    """File a ticket; prints only its id.

    \b
    claude-workers ticket create "Add a subtract function" --repo ./calc
    """
    number = _tickets(call).create(_repo(call, repo), title, description, created_by or getpass.getuser())
    if call.json:
        print_json({"id": number})
    else:
        click.echo(number)


@ticket.command("list")
@click.option("--repo", metavar="PATH", help="Only this repository's.")
@click.option("--all", "closed", is_flag=True, help="Closed ones too.")
@click.pass_obj
def list_(call: Call, repo: str | None, *, closed: bool) -> None:
    """List the tickets.

    \b
    claude-workers ticket list --all
    """
    found = _tickets(call).list(_repo(call, repo) if repo else None, closed=closed)
    claims = _tickets(call).claims()
    if call.json:
        print_json([{**one.to_json(), "claimed_by": claims.get(one.number)} for one in found])
    elif not found:
        click.echo("No tickets found")
    else:
        rows = [["ID", "STATE", "WORKER", "LABELS", "TITLE"]]
        rows += [
            [str(one.number), one.state, claims.get(one.number, ""), ",".join(one.labels), one.title] for one in found
        ]
        for line in table(rows, width()):
            click.echo(line)


@ticket.command()
@click.argument("number", type=click.IntRange(min=1), metavar="ID")
@click.pass_obj
def show(call: Call, number: int) -> None:
    """Show a ticket with its conversation.

    \b
    claude-workers ticket show 1
    """
    found = _tickets(call).read(number)
    if call.json:
        print_json(found.to_json())
        return
    for line in _page(found):
        click.echo(line)


def _page(issue: Issue) -> list[str]:
    lines = [f"#{issue.number} {issue.title}", f"{issue.state}, by {issue.author}, labels: {', '.join(issue.labels)}"]
    lines += ["", issue.body or "(no description)"]
    for one in issue.comments:
        lines += ["", f"-- {one.author}, {one.created_at}", one.body]
    return lines


@ticket.command()
@click.argument("number", type=click.IntRange(min=1), metavar="ID")
@click.argument("text")
@click.option("--author", metavar="NAME", help="Who says it.  [default: you]")
@click.pass_obj
def comment(call: Call, number: int, text: str, author: str | None) -> None:
    """Comment on a ticket.

    \b
    claude-workers ticket comment 1 "Negative numbers, too"
    """
    _tickets(call).comment(number, text, author or getpass.getuser())
    _done(call, f"commented on {number}")


@ticket.command()
@click.argument("number", type=click.IntRange(min=1), metavar="ID")
@click.argument("names", nargs=-1, required=True, metavar="LABEL...")
@click.option("--remove", is_flag=True, help="Take the labels off.")
@click.pass_obj
def label(call: Call, number: int, names: tuple[str, ...], *, remove: bool) -> None:
    """Put labels on a ticket, or take them off.

    \b
    claude-workers ticket label 1 ready
    """
    _tickets(call).label(number, add=() if remove else names, remove=names if remove else ())
    _done(call, f"labelled {number}")


@ticket.command()
@click.argument("number", type=click.IntRange(min=1), metavar="ID")
@click.pass_obj
def close(call: Call, number: int) -> None:
    """Close a ticket as done.

    \b
    claude-workers ticket close 1
    """
    _tickets(call).close(number)
    _done(call, f"closed {number}")


def _done(call: Call, text: str) -> None:
    if call.json:
        print_json({"ok": True})
    else:
        click.echo(text)

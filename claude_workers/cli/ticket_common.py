"""What the verbs of tickets share: the queue, how a ticket is shown, and the options of several."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from claude_workers.cli.common import Call, keep, print_json
from claude_workers.text import plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from claude_workers.model import Comment, Ticket
    from claude_workers.tickets.queue import Queue

Command = TypeVar("Command", bound="Callable[..., Any]")
ID = click.argument("number", type=click.IntRange(min=1), metavar="ID")
AUTHOR = click.option("--author", metavar="NAME", help="Who says it.  [default: you]")
REPO = click.option("--repo", metavar="PATH", help="Only this repository's.")


def _format(ctx: click.Context, _param: click.Parameter, value: str | None) -> None:
    if value == "json":
        ctx.ensure_object(Call).json = True


FORMAT = click.option(
    "--format", type=click.Choice(["text", "json"]), callback=_format, expose_value=False, help="How to print it."
)


def database_option() -> click.Option:
    """Return the option that names the database, for a verb or the group."""
    return click.Option(
        ["--db"], metavar="FILE", callback=keep, expose_value=False, help="The database.  [default: in the root]"
    )


def queue_of(call: Call) -> Queue:
    """Return the queue of a call's database."""
    from claude_workers.tickets.queue import Queue  # noqa: PLC0415  start-up cost

    return Queue(call.layout.tickets)


def warn_of_network(call: Call) -> None:
    """Say on standard error when the database is where it cannot be trusted."""
    from claude_workers.tickets import filesystem  # noqa: PLC0415  start-up cost

    kind = filesystem.network(call.layout.tickets)
    if kind:
        click.echo(f"claude-workers: {call.layout.tickets} is on {kind}: SQLite may lose tickets there", err=True)


def me(named: str | None = None) -> str:
    """Return who speaks: the one named, else who has logged in."""
    return named or getpass.getuser()


def repo_of(call: Call, text: str) -> str:
    """Return a repository's real path."""
    from claude_workers.workspace.upstream import local  # noqa: PLC0415  start-up cost

    return local(text, call.layout).url


def done(call: Call, text: str, **more: object) -> None:
    """Say that something was done."""
    if call.json:
        print_json({"ok": True, **more})
    else:
        click.echo(text)


def print_ticket(call: Call, ticket: Ticket) -> None:
    """Print a ticket with its conversation."""
    if call.json:
        print_json(ticket.to_json())
        return
    for line in _page(ticket):
        click.echo(plain(line))


def numbers(found: list[int]) -> str:
    """Return tickets' ids as people read them."""
    return ", ".join(f"#{one}" for one in found)


def _page(ticket: Ticket) -> list[str]:
    facts = [f"{ticket.status} {ticket.type}", f"priority {ticket.priority}", f"by {ticket.created_by}"]
    facts += [f"assigned to {ticket.assigned_to}"] if ticket.assigned_to else []
    facts += [f"labels: {', '.join(ticket.labels)}"] if ticket.labels else []
    lines = [f"#{ticket.id} {ticket.title}", ", ".join(facts), f"Repository: {ticket.repo}"]
    lines += [f"Parent: #{ticket.parent}"] if ticket.parent else []
    for title, found in (
        ("Sub-tickets", ticket.children),
        ("Blocked by", ticket.blocked_by),
        ("Blocks", ticket.blocks),
    ):
        lines += [f"{title}: {numbers(found)}"] if found else []
    lines += ["", ticket.description or "(no description)"]
    return lines + [line for one in ticket.comments for line in comment_lines(one)]


def comment_lines(one: Comment) -> list[str]:
    """Return a comment as people read it."""
    return ["", plain(f"-- {one.author}, {one.created_at}"), plain(one.body)]

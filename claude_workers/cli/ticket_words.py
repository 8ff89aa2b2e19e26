"""The verbs of saying something to a ticket: comment, comments, label, approve, reject, answer, pass, fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from claude_workers.cli.common import Call, print_json
from claude_workers.cli.ticket_common import AUTHOR, FORMAT, ID, comment_lines, done, me, numbers, queue_of
from claude_workers.errors import BadInput

if TYPE_CHECKING:
    from claude_workers.model import Task


@click.command()
@ID
@click.argument("text")
@AUTHOR
@click.pass_obj
def comment(call: Call, number: int, text: str, author: str | None) -> None:
    """Comment on a ticket.

    \b
    claude-workers ticket comment 1 "Negative numbers, too"
    """
    from claude_workers.tickets.tickets import Tickets  # noqa: PLC0415  start-up cost

    Tickets(call.layout.tickets).comment(number, text, me(author))
    done(call, f"commented on {number}")


@click.command()
@ID
@FORMAT
@click.pass_obj
def comments(call: Call, number: int) -> None:
    """Show the conversation of a ticket.

    \b
    claude-workers ticket comments 1
    """
    found = queue_of(call).read(number).comments
    if call.json:
        print_json([one.to_json() for one in found])
    elif not found:
        click.echo("No comments found")
    else:
        click.echo("\n".join(line for one in found for line in comment_lines(one)).lstrip("\n"))


@click.command()
@ID
@click.argument("names", nargs=-1, required=True, metavar="LABEL...")
@click.option("--remove", is_flag=True, help="Take the labels off.")
@click.pass_obj
def label(call: Call, number: int, names: tuple[str, ...], *, remove: bool) -> None:
    """Put labels on a ticket, or take them off.

    \b
    claude-workers ticket label 1 ready
    """
    from claude_workers.tickets.tickets import Tickets  # noqa: PLC0415  start-up cost

    tickets = Tickets(call.layout.tickets)
    tickets.label(number, add=() if remove else names, remove=names if remove else (), actor=me())
    done(call, f"labelled {number}")


@click.command()
@ID
@click.option("--title", help="A better title.")
@click.option("--description", help="A better description.")
@AUTHOR
@click.pass_obj
def approve(call: Call, number: int, title: str | None, description: str | None, author: str | None) -> None:
    """Merge a ticket's change, or make a proposal a task that agents may claim, with your edits.

    The change is rebased onto its base, verified there and merged, by the worker that made it, in the background.

    \b
    claude-workers ticket approve 3
    claude-workers ticket approve 4 --title "Cache the answers for an hour"
    """
    from claude_workers.pool import reviews  # noqa: PLC0415  start-up cost
    from claude_workers.tickets import people  # noqa: PLC0415

    if queue_of(call).read(number).type == "task":
        if title is not None or description is not None:
            raise BadInput("a change has no title to edit", "leave --title and --description out")
        _attended(call, reviews.approve(call.layout, number, me(author)), f"approved {number}", "merges it")
        return
    people.approve(queue_of(call).database, number, me(author), title, description)
    done(call, f"approved {number}")


def _attended(call: Call, task: Task | None, said: str, what: str) -> None:
    later = "its worker is busy: done when it is idle, by claude-workers work, or by the same call again"
    how = f"worker {task.worker} {what}: claude-workers watch {task.worker}" if task else later
    done(call, f"{said}; {how}", task_id=task.task_id if task else None)


@click.command()
@ID
@click.argument("why", required=False, default="")
@AUTHOR
@click.pass_obj
def reject(call: Call, number: int, why: str, author: str | None) -> None:
    """Send a ticket's change back to its agent with a reason, or turn a proposal down.

    \b
    claude-workers ticket reject 3 "Negative numbers are missing"
    claude-workers ticket reject 4 "We have this already"
    """
    from claude_workers.pool import reviews  # noqa: PLC0415  start-up cost
    from claude_workers.tickets import people  # noqa: PLC0415

    if queue_of(call).read(number).type == "task":
        task = reviews.reject(call.layout, number, me(author), why)
        _attended(call, task, f"rejected {number}", "is told why")
        return
    people.reject(queue_of(call).database, number, me(author), why)
    done(call, f"rejected {number}")


@click.command()
@ID
@click.argument("text")
@AUTHOR
@click.pass_obj
def answer(call: Call, number: int, text: str, author: str | None) -> None:
    """Answer a question: it is done, the tickets that waited for it carry the answer, an agent that asked goes on.

    \b
    claude-workers ticket answer 5 "PostgreSQL, not SQLite"
    """
    from claude_workers.pool import answers  # noqa: PLC0415  start-up cost
    from claude_workers.tickets import people  # noqa: PLC0415

    told = people.answer(queue_of(call).database, number, me(author), text)
    woken = list(answers.answered(call.layout, number))
    said = f"answered {number}" + (f"; told {numbers(told)}" if told else "")
    said += "".join(f"; worker {one.worker} {'goes on' if one.did == 'answered' else one.said}" for one in woken)
    done(call, said, told=told, woken=[one.to_json() for one in woken])


@click.command("pass")
@ID
@AUTHOR
@click.pass_obj
def pass_(call: Call, number: int, author: str | None) -> None:
    """Call what was to be verified good.

    \b
    claude-workers ticket pass 6
    """
    from claude_workers.tickets import people  # noqa: PLC0415  start-up cost

    people.passed(queue_of(call).database, number, me(author))
    done(call, f"passed {number}")


@click.command()
@ID
@click.option("--reason", required=True, metavar="TEXT", help="What is wrong.")
@AUTHOR
@FORMAT
@click.pass_obj
def fail(call: Call, number: int, reason: str, author: str | None) -> None:
    """Call what was to be verified bad: files a ticket to fix it and one to verify it again.

    \b
    claude-workers ticket fail 6 --reason "It crashes on an empty list"
    """
    from claude_workers.tickets import people  # noqa: PLC0415  start-up cost

    made = people.failed(queue_of(call).database, number, me(author), reason)
    said = f"failed {number}: #{made.fix_ticket_id} fixes it, #{made.verify_ticket_id} verifies it again"
    done(call, said, **made.to_json())

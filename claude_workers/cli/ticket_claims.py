"""The verbs of doing tickets: claim-next, unclaim, complete, mark-done and close, block, unblock."""

from __future__ import annotations

import click

from claude_workers.cli.common import Call
from claude_workers.cli.ticket_common import FORMAT, ID, REPO, done, me, print_ticket, queue_of, repo_of
from claude_workers.errors import WorkersError

_BY = click.option(
    "--by", type=click.IntRange(min=1), required=True, metavar="ID", help="The ticket to be done before."
)


@click.command("claim-next")
@click.option("--agent", required=True, metavar="NAME", help="Who claims.")
@REPO
@FORMAT
@click.pass_obj
def claim_next(call: Call, agent: str, repo: str | None) -> None:
    """Claim the most urgent, oldest ticket that waits for nothing; exit 1 when there is none.

    \b
    claude-workers ticket claim-next --agent builder --format json
    """
    found = queue_of(call).claim_next(agent, repo_of(call, repo) if repo else None)
    if found is None:
        raise WorkersError("no ticket can be claimed", "claude-workers ticket list")
    print_ticket(call, found)


@click.command()
@ID
@click.option("--agent", metavar="NAME", help="Whose claim it is.  [default: you]")
@click.pass_obj
def unclaim(call: Call, number: int, agent: str | None) -> None:
    """Give your claim on a ticket back.

    \b
    claude-workers ticket unclaim 1 --agent builder
    """
    queue_of(call).unclaim(number, me(agent))
    done(call, f"unclaimed {number}")


@click.command()
@ID
@click.pass_obj
def complete(call: Call, number: int) -> None:
    """Call a claimed ticket ready: done but for a person's word. It still blocks.

    \b
    claude-workers ticket complete 1
    """
    queue_of(call).complete(number, me())
    done(call, f"completed {number}")


@click.command("mark-done")
@ID
@click.pass_obj
def mark_done(call: Call, number: int) -> None:
    """Call a ticket done; what waited for it waits no more.

    \b
    claude-workers ticket mark-done 1
    """
    queue_of(call).mark_done(number, me())
    done(call, f"marked {number} done")


@click.command()
@ID
@click.pass_context
def close(ctx: click.Context, number: int) -> None:
    """Call a ticket done, as mark-done does.

    \b
    claude-workers ticket close 1
    """
    ctx.invoke(mark_done, number=number)


@click.command()
@ID
@_BY
@click.pass_obj
def block(call: Call, number: int, by: int) -> None:
    """Let a ticket wait for another; who has claimed it loses it, a worker's task is stopped and its work kept.

    \b
    claude-workers ticket block 2 --by 1
    """
    from claude_workers.pool.blocking import block  # noqa: PLC0415  start-up cost

    block(call.layout, number, by, me())
    done(call, f"{number} waits for {by}")


@click.command()
@ID
@_BY
@click.pass_obj
def unblock(call: Call, number: int, by: int) -> None:
    """Let a ticket wait for another no more.

    \b
    claude-workers ticket unblock 2 --by 1
    """
    queue_of(call).unblock(number, by, me())
    done(call, f"{number} waits for {by} no more")

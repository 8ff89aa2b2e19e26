"""The group of verbs of tickets: the embedded forge's issues, and a queue for agents and people."""

from __future__ import annotations

from typing import Any

import click

from claude_workers.cli import ticket_claims, ticket_file, ticket_words
from claude_workers.cli.ticket_common import database_option
from claude_workers.errors import WorkersError


class TicketVerbs(click.Group):
    """The ticket group: its exit codes are 0, 1 (not found, not possible) and 2 (usage)."""

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Take a verb in; the database may be named behind it, too."""
        cmd.params.append(database_option())
        super().add_command(cmd, name)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order people meet them."""
        del ctx
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401
        """Run the verb; a failure that is no usage error exits 1."""
        try:
            return super().invoke(ctx)
        except WorkersError as error:
            if error.exit_code > 2:  # noqa: PLR2004
                failed = WorkersError(error.message, error.remedy)
                raise failed from error
            raise


@click.group(cls=TicketVerbs, params=[database_option()])
def ticket() -> None:
    """Keep issues beside a git repository, in one SQLite file: the embedded forge, and a queue.

    \b
    claude-workers ticket create "Add a subtract function" --repo ./calc
    claude-workers ticket list
    """


for verb in (
    ticket_file.create, ticket_file.list_, ticket_file.show, ticket_file.update, ticket_words.comment,
    ticket_words.comments, ticket_words.label, ticket_claims.claim_next, ticket_claims.unclaim, ticket_claims.complete,
    ticket_claims.mark_done, ticket_claims.close, ticket_words.approve, ticket_words.reject, ticket_words.answer,
    ticket_words.pass_, ticket_words.fail, ticket_claims.block, ticket_claims.unblock, ticket_file.count,
    ticket_file.log, ticket_file.import_, ticket_file.migrate, ticket_file.path,
):  # fmt: skip
    ticket.add_command(verb)

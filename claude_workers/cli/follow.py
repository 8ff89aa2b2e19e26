"""The verb follow."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from claude_workers.cli.params import REPO, Duration, change_of

if TYPE_CHECKING:
    from claude_workers.cli.common import Call


@click.command()
@click.argument("repo", metavar="REPO", type=REPO)
@click.argument("number", metavar="PR")
@click.option("--interval", type=Duration(), default="60s", show_default=True, help="Time between two looks.")
@click.option("--once", is_flag=True, help="Look once and return.")
@click.pass_context
def follow(ctx: click.Context, /, repo: str, number: str, interval: float, *, once: bool) -> None:
    """Send a change's failing checks and reviews back to the agent that made it, until it is merged or closed.

    Only reviews of people who may write to the repository count. After follow_rounds rounds (3 unless
    configured) it ends with exit 1: a person is needed.

    \b
    claude-workers follow owner/repo 7
    """
    call: Call = ctx.obj
    before = None
    for found in call.fleet.follow(repo, change_of(repo, number), interval=interval):
        if call.json:
            click.echo(json.dumps(found.to_json()))
        elif found != before:
            details = f" ({found.reason})" if found.reason else ""
            task = f", task {found.task_id}" if found.task_id else ""
            click.echo(f"{found.url}: {found.state}{details}, worker {found.worker}, round {found.round}{task}")
        before = found
        if found.state == "capped":
            ctx.exit(1)
        if once:
            return

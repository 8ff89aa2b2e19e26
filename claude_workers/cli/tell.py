"""The verb tell."""

from __future__ import annotations

import click

from claude_workers.cli import stdin
from claude_workers.cli.common import Call, print_json
from claude_workers.cli.params import WORKER


@click.command()
@click.argument("worker", metavar="ID", type=WORKER)
@click.argument("text", metavar="TEXT")
@click.option("--interrupt", is_flag=True, help="Stop what the agent is doing first.")
@click.pass_obj
def tell(call: Call, worker: str, text: str, *, interrupt: bool) -> None:
    """Tell the agent of a worker's task something; TEXT may be - for standard input.

    It is kept until the agent has it, however often its task is continued.

    \b
    claude-workers tell 01 "Use the parser that is there already"
    claude-workers tell 01 --interrupt "Stop: the API changed, read docs/api.md first"
    """
    message, when = call.fleet.telling(worker, stdin.read_all() if text == "-" else text, interrupt=interrupt)
    if call.json:
        print_json({"message": message.to_json(), "when": when})
    else:
        click.echo(f"worker {worker}: {when}")

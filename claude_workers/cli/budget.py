"""The verb budget."""

from __future__ import annotations

import click

from claude_workers import clock
from claude_workers.cli.common import Call, print_json, table, width


@click.command()
@click.option("--by", type=click.Choice(["worker", "repo", "credentials"]), default=None, help="Split what was spent.")
@click.pass_obj
def budget(call: Call, by: str | None) -> None:
    """Show how much of each budget is used, and what was spent this day, week and month.

    Prices are Claude's list prices; LIST ONLY is the part that a subscription paid for, without a bill.

    \b
    claude-workers budget --by worker
    """
    spent, uses = call.fleet.budget(by or "")
    if call.json:
        print_json({"spent": [one.to_json() for one in spent], "budgets": [one.to_json() for one in uses]})
        return
    rows = [["SPENT THIS", (by or "").upper(), "USD", "LIST ONLY", "TOKENS", "TIME"]]
    rows += [
        [one.span, one.of, f"{one.usd:.2f}", f"{one.unbilled:.2f}", str(one.tokens), clock.spoken(one.seconds)]
        for one in spent
    ]
    rows = rows if by else [[*row[:1], *row[2:]] for row in rows]
    for line in table(rows, width()):
        click.echo(line)
    for use in uses:
        state = "crashed" if use.share >= 1 else "waiting" if use.share >= use.ALERT else "idle"
        click.echo(f"{use.budget.shown}: {use.amount}, {call.style(f'{use.share:.0%}', state)}, until {use.until[:16]}")
    if not uses:
        click.echo("no budgets are set: budget_usd_day and the like in config.toml, see claude-workers config")

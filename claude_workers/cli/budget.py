"""The verb budget."""

from __future__ import annotations

import click

from claude_workers import clock
from claude_workers.cli.common import Call, print_json, table, width


@click.command()
@click.pass_obj
def budget(call: Call) -> None:
    """Show how much of each budget is used, and what was spent this day, week and month."""
    spent, uses = call.fleet.budget()
    if call.json:
        print_json({"spent": [one.to_json() for one in spent], "budgets": [one.to_json() for one in uses]})
        return
    rows = [["SPENT THIS", "USD", "TOKENS", "TIME"]]
    rows += [[one.span, f"{one.usd:.2f}", str(one.tokens), clock.spoken(one.seconds)] for one in spent]
    for line in table(rows, width()):
        click.echo(line)
    for use in uses:
        state = "crashed" if use.share >= 1 else "waiting" if use.share >= use.ALERT else "idle"
        click.echo(f"{use.budget.shown}: {use.amount}, {call.style(f'{use.share:.0%}', state)}, until {use.until[:16]}")
    if not uses:
        click.echo("no budgets are set: budget_usd_day and the like in config.toml, see claude-workers config")

"""The verb history."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from claude_workers.cli.common import Call, money, print_json, table, width
from claude_workers.cli.params import WORKER, Duration
from claude_workers.clock import ago, spoken

if TYPE_CHECKING:
    from claude_workers.pool.history import Chapter


@click.command()
@click.argument("workers", nargs=-1, metavar="[ID...]", type=WORKER)
@click.option("--since", type=Duration(), metavar="TIME", help="Only what ended in this time: 12h, 7d.")
@click.option("--needs", is_flag=True, help="Only what needs a person.")
@click.pass_obj
def history(call: Call, workers: tuple[str, ...], *, since: float | None, needs: bool) -> None:
    """Show how tasks ended, and what of them needs a person; the latest last.

    \b
    claude-workers history --since 12h
    claude-workers history --needs
    """
    found = [one for one in call.fleet.history(workers, since=since) if one.needs or not needs]
    if call.json:
        print_json({"history": [one.to_json() for one in found]})
        return
    rows = [["ENDED", "WORKER", "TASK", "ID", "OUTCOME", "COST", "TIME", "TRIES", "CHANGE, OR WHAT IT NEEDS"]]
    rows += [_cells(one) for one in found]
    coloured = [rows[0][4], *[call.style(one.outcome, one.outcome) for one in found]]
    for line in (
        table(rows, width(), styles={4: coloured}) if found else ["nothing needs you" if needs else "nothing ended yet"]
    ):
        click.echo(line)


def _cells(one: Chapter) -> list[str]:
    subject = f"{one.repo}#{one.issue}" if one.issue else one.repo
    cost = money(one.cost_usd, one.pays)
    last = "; ".join(text for text in (one.needs and f"! {one.needs}", one.change, one.reason) if text)
    return [ago(one.at), one.worker, subject, one.task_id[:8], one.outcome, cost, spoken(one.duration_s),
            str(one.attempts), last]  # fmt: skip

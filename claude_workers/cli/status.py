"""The verb status."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from claude_workers.cli.common import Call, money, print_json, table, width
from claude_workers.cli.params import WORKER
from claude_workers.clock import spoken
from claude_workers.model import WorkerStatus
from claude_workers.model.record import cut

if TYPE_CHECKING:
    from claude_workers.model import Orphan

_LEAST = 3  # worker, state and activity are always shown
_HEAD = ["WORKER", "STATE", "TASK", "TIME", "TODO", "COST", "TOKENS", "ISOLATION", "ACTIVITY"]


@click.command()
@click.argument("workers", nargs=-1, metavar="[ID...]", type=WORKER)
@click.option("--brief", is_flag=True, help="With --json: what matters, in few words.")
@click.option("--no-forge", is_flag=True, help="Ask no forge for issues that were left behind.")
@click.pass_obj
def status(call: Call, workers: tuple[str, ...], *, brief: bool, no_forge: bool) -> None:
    """Show what every worker is doing, or those named, and issues that a worker holds without being at them.

    \b
    claude-workers status
    claude-workers status 01 --json
    claude-workers status --json --brief
    """
    fleet = call.fleet
    rows, unreached = fleet.survey(workers)
    orphans, faults = ([], []) if no_forge else fleet.orphans()
    faults = [*unreached, *faults]
    if workers:
        orphans = [one for one in orphans if one.worker in {row.address for row in rows}]
    pause, overlapping = call.fleet.paused, call.fleet.overlaps()
    if call.json and brief:
        short = {"workers": [row.brief() for row in rows], "paused": bool(pause), "orphans": len(orphans)}
        print_json({**short, "errors": [cut(one.message, 70) for one in faults]})
        return
    if call.json:
        left, errors = [one.to_json() for one in orphans], [one.to_json() for one in faults]
        ahead = [one.to_json() for one in overlapping]
        print_json({"schema": 1, "workers": [row.to_json() for row in rows], "orphans": left, "errors": errors,
                    "paused": pause.to_json() if pause else None, "overlaps": ahead})  # fmt: skip
        return
    if pause:
        click.echo(f"dispatching {pause.told}; claude-workers resume")
    _print_rows(call, [*rows, *(WorkerStatus("", one.host, "unreachable", reason=one.message) for one in unreached)])
    for row in rows:
        for asked in row.questions:
            click.echo(f"asked by worker {row.address}: {cut(asked, width() - 30)}")
    for line in overlapping:
        click.echo(f"conflict ahead: {line.file}: {', '.join(line.branches)}")
    for one in orphans:
        click.echo(f"left behind: {one.repo}#{one.issue}, worker {one.worker} is {one.state}: {_way_out(one)}")
    for fault in faults[len(unreached) :]:
        click.echo(f"not asked: {fault.host}: {fault.message}", err=True)


def _way_out(orphan: Orphan) -> str:
    if orphan.state == "crashed":
        return f"claude-workers restart {orphan.worker}"
    host, slash, _ = orphan.worker.rpartition("/")
    return f"claude-workers{f' --on {host}' if slash else ''} release {orphan.repo} {orphan.issue}"


def _print_rows(call: Call, rows: list[WorkerStatus]) -> None:
    if not rows:
        click.echo("no workers yet: claude-workers init 01")
        return
    cells = [_HEAD, *[_cells(row) for row in rows]]
    kept = [index for index in range(len(_HEAD)) if index in {0, 1, 8} or any(row[index] for row in cells[1:])]
    shown = [[row[index] for index in kept] for row in cells]
    while _needed(shown) > width() and len(shown[0]) > _LEAST:
        shown = [[*row[:-2], row[-1]] for row in shown]  # the column before the activity says least
    coloured = [shown[0][1], *[call.style(row[1], one.state) for row, one in zip(shown[1:], rows, strict=True)]]
    for line in table(shown, width(), styles={1: coloured}):
        click.echo(line)


def _needed(rows: list[list[str]]) -> int:
    columns = range(len(rows[0]) - 1)
    return sum(max(len(row[index]) for row in rows) + 2 for index in columns) + 20


def _cells(row: WorkerStatus) -> list[str]:
    subject = f"{row.repo}#{row.issue}" if row.issue else row.repo or ""
    state = f"{row.state} ({row.phase})" if row.phase else row.state
    todo = f"{row.todos.done}/{row.todos.total}" if row.todos.total else ""
    cost = money(row.cost_usd or 0.0, row.credentials or "")
    tokens = f"{row.tokens / 1000:.1f}k" if row.tokens else ""
    return [
        row.address, state, subject, spoken(row.elapsed_s), todo, cost, tokens, _isolation(row), _activity(row)
    ]  # fmt: skip


def _isolation(row: WorkerStatus) -> str:
    return f"{row.isolation or ''}{' +forge token' if row.forge_access == 'worker' else ''}"


def _activity(row: WorkerStatus) -> str:
    if row.state == "idle":
        last = f"last: {row.outcome}" if row.outcome else "ready" if row.credentials else "no login"
        return f"{last} ({row.reason})" if row.outcome and row.reason else last
    said = [row.reason, row.activity or row.last_text] if row.state != "busy" else [row.activity or row.last_text]
    blocked = f"refused hosts: {', '.join(row.blocked_hosts)}" if row.blocked_hosts else ""
    return "; ".join(one for one in (*said, blocked) if one)

"""The verb show."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from claude_workers.cli.common import MARKS, Call, money, print_json
from claude_workers.cli.params import WORKER
from claude_workers.clock import ago, spoken
from claude_workers.text import plain

if TYPE_CHECKING:
    from claude_workers.pool.show import Shown


@click.command()
@click.argument("wanted", metavar="ID|TASK", type=WORKER)
@click.option("-n", "--lines", type=click.IntRange(min=0), default=15, show_default=True, help="How much of its log.")
@click.pass_obj
def show(call: Call, wanted: str, *, lines: int) -> None:
    """Show one task whole: a worker's latest, or by the beginning of its id.

    \b
    claude-workers show 01
    claude-workers show 3f2a
    """
    found = call.fleet.show(wanted, last=lines)
    if call.json:
        print_json(found.to_json())
        return
    for name, value in _facts(call, found):
        click.echo(f"{name:>10}  {value}")
    for title, text in (("prompt", found.prompt), ("changed", found.diff)):
        if text.strip():
            click.echo(f"\n{title}:\n" + "\n".join(f"  {line}" for line in plain(text).strip().splitlines()))
    if found.log:
        click.echo("\nend of its log:")
    for event in found.log:
        click.echo(f"  {MARKS.get(event.kind, ' ')} " + event.text.replace("\n", "\n    "))


def _facts(call: Call, found: Shown) -> list[tuple[str, str]]:
    task, receipt = found.task, found.receipt
    subject = f"{task.repository.name}#{task.issue}" if task.issue else task.repository.name
    facts = [("task", task.task_id), ("worker", task.worker), ("subject", subject), ("branch", task.branch)]
    facts += [("asked by", task.requested_by)]
    if receipt is None:
        facts += [("state", call.style(found.state, found.state)), ("reason", found.reason)]
    else:
        pays = str(task.options.get("pays") or "")
        verify = receipt.verify or {}
        checked = f"{verify.get('command')} -> exit {verify.get('exit')}" if verify else "unverified"
        facts += [
            ("outcome", call.style(receipt.outcome, receipt.outcome)),
            ("reason", receipt.reason),
            ("change", f"{receipt.pull_request} at {receipt.head[:12]}" if receipt.pull_request else ""),
            ("verify", checked if receipt.head else ""),
            ("ended", ago(receipt.finished_at)),
            ("took", f"{spoken(receipt.duration_s)}, attempt {receipt.attempts}"),
            ("cost", money(receipt.cost_usd, pays)),
        ]
        facts += [("note", note) for note in receipt.notes]
        facts += [("unchecked", one) for one in receipt.unchecked]
    facts += [("missing", one) for one in found.missing]
    return [(name, plain(value)) if name != "outcome" else (name, value) for name, value in facts if value]

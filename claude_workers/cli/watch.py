"""The verb watch."""

from __future__ import annotations

import os
import sys
import time

import click

from claude_workers.cli.common import Call, print_json, width
from claude_workers.cli.params import WORKER, Duration
from claude_workers.clock import spoken
from claude_workers.model import Receipt

_REDRAW = 1.0


@click.command()
@click.argument("workers", nargs=-1, metavar="[ID...]", type=WORKER)
@click.option("--any", "first", is_flag=True, help="Return when the first one ends.")
@click.option("--timeout", type=Duration(), metavar="TIME", help="Give up after this time with exit 7.")
@click.option("--brief", is_flag=True, help="With --json: what matters, in few words.")
@click.pass_context
def watch(ctx: click.Context, workers: tuple[str, ...], *, first: bool, timeout: float | None, brief: bool) -> None:
    """Wait until tasks end and tell how; exit 0 only when each one succeeded.

    No ID: all workers that have a task. An idle worker answers at once with its last outcome.

    \b
    claude-workers watch 01 &
    claude-workers watch --any --timeout 30m
    """
    ctx.exit(watch_workers(ctx.obj, workers, first=first, timeout=timeout, brief=brief))


def watch_workers(
    call: Call, workers: tuple[str, ...], *, first: bool = False, timeout: float | None = None, brief: bool = False
) -> int:
    """Watch, print one line for each ended task, and return the exit status."""
    from claude_workers.pool.watch import Lost, Unseen  # noqa: PLC0415
    from claude_workers.text import plain  # noqa: PLC0415  start-up cost

    line = _ProgressLine(call, workers)
    found = call.fleet.wait(workers, any=first, timeout=timeout, tick=line.draw)
    line.clear()
    lost = [one for one in found if isinstance(one, Lost)]
    ended = [one for one in found if isinstance(one, Receipt)]
    if call.json:
        told = [{"code": one.code, "message": one.message, "remedy": one.remedy} for one in lost]
        print_json({"receipts": [one.brief() if brief else one.to_json() for one in ended], "errors": told})
    else:
        for receipt in ended:
            click.echo(summary(call, receipt))
            if receipt.outcome == "answered":
                click.echo(plain(receipt.answer))
        for one in lost:
            click.echo(str(one))
    if lost and not ended and all(isinstance(one, Unseen) for one in lost):
        return Unseen.exit_code
    return 0 if not lost and all(one.succeeded for one in ended) else 1


def summary(call: Call, receipt: Receipt) -> str:
    """Return an outcome in one line."""
    subject = f"{receipt.repo}#{receipt.issue}" if receipt.issue else receipt.repo
    parts = [f"worker {receipt.worker}: {call.style(receipt.outcome, receipt.outcome)}", subject]
    if receipt.pull_request:
        parts += [f"{receipt.pull_request} {receipt.branch} at {receipt.head[:12]}"]
        parts += ["verified" if receipt.verified else "unverified", *(["merged"] if receipt.merged else [])]
    if receipt.reason:
        parts.append(receipt.reason)
    if receipt.blocked_hosts:
        parts.append(f"refused hosts: {', '.join(receipt.blocked_hosts[:5])}")
    cost = f", ${receipt.cost_usd:.4f}" if receipt.cost_usd else ""
    return ", ".join(parts) + f" ({spoken(receipt.duration_s)}{cost})"


class _ProgressLine:
    """One line that is drawn over and over, only on a terminal we are in the foreground of."""

    def __init__(self, call: Call, workers: tuple[str, ...]) -> None:
        self._call = call
        self._workers = workers
        self._drawn = 0.0

    def _seen(self) -> bool:
        try:
            return not self._call.json and os.tcgetpgrp(sys.stdout.fileno()) == os.getpgrp()
        except (OSError, ValueError):
            return False

    def draw(self) -> None:
        """Draw the workers' activity, at most once a second."""
        now = time.monotonic()
        if now - self._drawn < _REDRAW or not self._seen():
            return
        self._drawn = now
        rows = [row for row in self._call.fleet.status(self._workers) if row.state != "idle"]
        text = "  ".join(
            f"{row.address} {row.phase or row.state} {spoken(row.elapsed_s)} {row.activity or ''}".strip()
            for row in rows
        )
        click.echo(f"\r\x1b[K{text[: width() - 1]}", nl=False)

    def clear(self) -> None:
        """Leave no trace of the line."""
        if self._drawn and self._seen():
            click.echo("\r\x1b[K", nl=False)

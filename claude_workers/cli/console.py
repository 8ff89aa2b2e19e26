"""The verbs attach, enter and login: a person at a terminal, inside a worker's enclosure."""

from __future__ import annotations

import os
import queue
import select
import sys
import threading
import time
from typing import TYPE_CHECKING

import click

from claude_workers.cli import stdin
from claude_workers.cli.common import Call, print_json
from claude_workers.cli.logs import show_event
from claude_workers.cli.params import WORKER
from claude_workers.errors import BadInput, WorkersError
from claude_workers.text import plain

if TYPE_CHECKING:
    from claude_workers.fleet import Fleet
    from claude_workers.model import LogEvent

_TICK = 0.3
_CHUNK = 64 << 10


@click.command()
@click.argument("worker", metavar="ID", type=WORKER)
@click.option("--take-over", is_flag=True, help="Stop the task first, and open its session yourself.")
@click.pass_context
def attach(ctx: click.Context, worker: str, *, take_over: bool) -> None:
    """Look over a working agent's shoulder, or open the session of a task that does not run.

    While an agent works you see what it does, and each line you type is told to it; Ctrl-D leaves, and it
    works on. Otherwise, or with --take-over, Claude Code opens the task's last session inside the
    enclosure; `restart` then gives the task back to the worker.

    \b
    claude-workers attach 01
    claude-workers attach 01 --take-over
    """
    call: Call = ctx.obj
    [row] = call.fleet.status([worker])
    if row.state == "busy" and not take_over:
        _look_on(call, worker)
        return
    status = call.fleet.attach(worker, take_over=take_over)
    left = call.fleet.status([worker])[0]
    if left.state != "idle":
        click.echo(f"worker {worker} is {left.state}: claude-workers restart {worker} gives the task back", err=True)
    ctx.exit(status)


def _look_on(call: Call, worker: str) -> None:
    """Show the log as it grows, and tell the agent every line that is typed, until either has an end."""
    fleet, typed = call.fleet, _Typed()
    click.echo(f"worker {worker} is at work; a line you type is told to it, Ctrl-D leaves", err=True)
    came: queue.SimpleQueue[LogEvent | WorkersError | None] = queue.SimpleQueue()
    threading.Thread(target=_follow, args=(fleet, worker, came), daemon=True).start()
    while True:
        while not came.empty():
            event = came.get()
            if event is None:
                return
            if isinstance(event, WorkersError):
                raise event
            show_event(call, event)
        for line in typed.lines():
            _tell(fleet, worker, line)
        if typed.ended and sys.stdin.isatty():
            return


def _follow(fleet: Fleet, worker: str, came: queue.SimpleQueue[LogEvent | WorkersError | None]) -> None:
    """Hand on every event of a task's log, and None, or why there are no more, behind the last."""
    try:
        for event in fleet.events(worker, follow=True):
            came.put(event)
        came.put(None)
    except WorkersError as error:
        came.put(error)


class _Typed:
    """What is typed, or comes by a pipe, line by line."""

    def __init__(self) -> None:
        self._begun = b""
        self.ended = False

    def lines(self) -> list[str]:
        """Return the lines that came within a moment; of a pipe that ended also its last, unfinished one."""
        if self.ended:
            time.sleep(_TICK)  # a pipe that has ended: the work is looked at to its end
        if self.ended or not select.select([sys.stdin], [], [], _TICK)[0]:
            return []
        came = os.read(sys.stdin.fileno(), _CHUNK)
        self.ended = not came
        *lines, self._begun = (self._begun + came).split(b"\n")
        if self.ended and not sys.stdin.isatty():
            lines.append(self._begun)
        return [text for line in lines if (text := line.decode("utf-8", "replace").strip())]


def _tell(fleet: Fleet, worker: str, text: str) -> None:
    try:
        fleet.tell(worker, text)
    except WorkersError as error:
        click.echo(str(error), err=True)


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("worker", metavar="ID", type=WORKER)
@click.argument("program", nargs=-1, metavar="[-- CMD...]", type=click.UNPROCESSED)
@click.pass_context
def enter(ctx: click.Context, worker: str, program: tuple[str, ...]) -> None:
    """Open a shell, or CMD, in a worker's home, inside its enclosure; `-- claude` opens Claude Code.

    Nobody can dispatch to the worker meanwhile.

    \b
    claude-workers enter 01
    claude-workers enter 01 -- claude
    claude-workers enter 01 -- git log --oneline
    """
    call: Call = ctx.obj
    ctx.exit(call.fleet.enter(worker, program))


@click.command()
@click.argument("worker", metavar="ID", type=WORKER)
@click.option("--api-key", is_flag=True, help="Keep the API key on standard input.")
@click.option("--token", is_flag=True, help="Keep the token of `claude setup-token` on standard input.")
@click.pass_obj
def login(call: Call, worker: str, *, api_key: bool, token: bool) -> None:
    """Give a worker a Claude login of its own: by Claude's dialogue, or a key or token from standard input.

    It is tried before it is kept, costs a word, and what is exported does not replace it any more.

    \b
    claude-workers login 01
    claude setup-token | tail -1 | claude-workers login 01 --token
    """
    fleet = call.fleet
    if api_key and token:
        raise BadInput("a key and a token were asked for", "give --api-key or --token")
    fleet.status([worker])
    kind = "key" if api_key else "token" if token else ""
    if not kind:
        kind = fleet.log_in(worker)
    else:
        asked = sys.stdin.isatty()
        value = click.prompt(f"the {kind}", hide_input=True, err=True) if asked else stdin.read_all()
        if not str(value).strip():
            raise BadInput("nothing came on standard input", f"pipe the {kind} in")
        fleet.keep_login(worker, kind, str(value))
    if call.json:
        print_json({"worker": worker, "pays": kind})
    else:
        click.echo(f"worker {worker} pays with its own {plain(kind)} from now on: it was tried, and works")

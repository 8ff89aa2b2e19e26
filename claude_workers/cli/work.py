"""The verb work."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import click

from claude_workers.cli.common import Call, print_json
from claude_workers.cli.params import REPO, WORKER, Duration
from claude_workers.errors import BadInput
from claude_workers.text import plain

if TYPE_CHECKING:
    from claude_workers.model import Worked

_COLOURS = {"took": "busy", "adopted": "busy", "waits": "waiting", "resumed": "busy", "woken": "busy"}


@click.command()
@click.argument("workers", nargs=-1, metavar="[ID...]", type=WORKER)
@click.option("--repo", "repos", multiple=True, metavar="REPO", type=REPO, help="Only its issues; repeatable.")
@click.option("--forge", type=click.Choice(["embedded", "github"]), help="Where the repositories must be.")
@click.option("--label", metavar="LABEL", help="Only issues with this label; needed for owner/repo.")
@click.option("--once", is_flag=True, help="Give out what waits now, and end with that.")
@click.option("--until-empty", is_flag=True, help="End when nothing waits and nobody is at work.")
@click.option("--max", "most", type=click.IntRange(min=1), metavar="N", help="End after N tasks.")
@click.option("--interval", type=Duration(), default="2s", show_default=True, help="Between two looks.")
@click.option("--detach", is_flag=True, help="Go on in the background; its words go to a log.")
@click.option("--drain", is_flag=True, help="Tell the loop that runs to start nothing more, and to end.")
@click.option("--scale", type=click.IntRange(min=0), metavar="N", help="Tell the loop that runs how many may work.")
@click.pass_context
def work(ctx: click.Context, /, workers: tuple[str, ...], **given: Any) -> None:  # noqa: ANN401
    """Let idle workers take one issue after another: claim, dispatch, verify, publish, and the next.

    Without IDs all workers of this machine, without --repo the tickets of every repository. What runs
    already is adopted; Ctrl-C ends the loop and leaves what runs running. `pause` and `resume` hold here, too.

    \b
    claude-workers work --until-empty
    claude-workers work 01 02 --repo owner/repo --label ready --detach
    claude-workers work --drain
    """
    call: Call = ctx.obj
    call.check_here()
    if given["drain"] or given["scale"] is not None:
        _tell(call, given["drain"], given["scale"])
        return
    _check(given)
    if given["detach"]:
        _detach(call, workers, given)
        return
    ctx.exit(_loop(call, workers, given))


def _check(given: dict[str, Any]) -> None:
    from claude_workers.names import is_path  # noqa: PLC0415  start-up cost

    if given["interval"] < 0.2:  # noqa: PLR2004
        raise BadInput("--interval is at least 0.2s", "leave it out")
    for one in given["repos"]:
        if given["forge"] and (given["forge"] == "embedded") != is_path(one):
            raise BadInput(f"{one} is not of the {given['forge']} forge", "name another, or leave --forge out")
    if given["forge"] == "github" and not given["repos"]:
        raise BadInput("which repository on GitHub is not said", "add --repo owner/repo")


def _tell(call: Call, drain: bool, scale: int | None) -> None:  # noqa: FBT001
    from claude_workers.pool import controls  # noqa: PLC0415  start-up cost

    told = controls.tell(call.layout, scale=scale, drain=drain)
    if call.json:
        print_json(told.to_json())
    else:
        click.echo("the loop ends when what runs has ended" if drain else f"{scale} may work at once")


def _detach(call: Call, workers: tuple[str, ...], given: dict[str, Any]) -> None:
    from claude_workers import files  # noqa: PLC0415  start-up cost
    from claude_workers.names import is_path  # noqa: PLC0415
    from claude_workers.process.spawn import spawn_detached  # noqa: PLC0415

    words = ["work", *workers, "--root", str(call.layout.root), "--interval", f"{given['interval']}s"]
    words += [f"--{name.replace('_', '-')}" for name in ("once", "until_empty") if given[name]]
    words += [
        word
        for one in given["repos"]
        for word in ("--repo", os.path.abspath(os.path.expanduser(one)) if is_path(one) else one)
    ]
    for option, value in (("--label", given["label"]), ("--max", given["most"])):
        words += [option, str(value)] if value is not None else []
    log = files.make_private(call.layout.root) / ".work.log"
    said = spawn_detached([sys.executable, "-P", "-m", "claude_workers", *words], dict(os.environ), log)
    if call.json:
        print_json({"pid": said["pid"], "log": str(log)})
    else:
        click.echo(f"the loop runs in the background, pid {said['pid']}; its words: {log}; its end: work --drain")


def _loop(call: Call, workers: tuple[str, ...], given: dict[str, Any]) -> int:
    from claude_workers.process import spawn  # noqa: PLC0415  start-up cost
    from claude_workers.process.identity import current  # noqa: PLC0415

    detached = "CLAUDE_WORKERS_REPORT_FD" in os.environ
    handle = spawn.become_detached() if detached else None
    failed = False
    signal.signal(signal.SIGTERM, _leave)

    def ready() -> None:
        me = current()
        spawn.report(handle, {"pid": me.pid})

    wishes = {name: given[name] for name in ("once", "until_empty", "most")}
    try:
        for one in call.fleet.work(
            *workers, repos=given["repos"], label=given["label"], interval=given["interval"], ready=ready, **wishes
        ):
            failed = failed or one.succeeded is False or one.did in {"failed", "given-up"}
            _print(call, one)
    except KeyboardInterrupt:
        _farewell(call)
        return 130
    return 1 if failed else 0


def _leave(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _farewell(call: Call) -> None:
    at_work = [row.worker for row in call.fleet.status() if row.state in {"busy", "waiting"}]
    if at_work and not call.json:
        several = "s" if len(at_work) > 1 else ""
        click.echo(f"the loop has ended; worker{several} {', '.join(at_work)} go on: claude-workers status", err=True)


def _print(call: Call, one: Worked) -> None:
    if call.json:
        print_json(one.to_json())
        return
    colour = one.outcome or _COLOURS.get(one.did, "crashed")
    click.echo(f"{f'worker {one.worker}: ' if one.worker else ''}{call.style(one.did, colour)} {plain(one.said)}")

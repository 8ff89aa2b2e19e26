"""The verbs host setup and host check: a machine made fit for workers, and examined."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import click

from claude_workers import __version__
from claude_workers.cli import machines
from claude_workers.cli.common import Call, print_json
from claude_workers.cli.hostname import HOST
from claude_workers.errors import BadInput, NotFound
from claude_workers.hosts import registry
from claude_workers.hosts.there import There

if TYPE_CHECKING:
    from collections.abc import Iterator

    from claude_workers.hosts.line import Shell
    from claude_workers.hosts.steps import Step
    from claude_workers.hosts.tables import Host
    from claude_workers.model import Json

_MARKS = {"there": "+", "done": "*", "wanted": ">", "advised": "~", "blocked": "!", "failed": "!"}
_STATES = {"there": "ok", "advised": "warning"}


@click.command()
@click.argument("name", metavar="[NAME]", required=False, type=HOST)
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--linger", is_flag=True, help="Let its services, and workers, outlive your login there.")
@click.option("--build", is_flag=True, help="Of a host of machines: build their image, and send it.")
@click.option("--base", metavar="IMAGE", help="With --build: start from this image of Debian.")
@click.option("--build-option", "words", multiple=True, metavar="WORD", help="With --build: a word for the builder.")
@click.pass_context
def setup(  # noqa: PLR0913  options
    ctx: click.Context, name: str | None, *, dry_run: bool, linger: bool, build: bool, base: str | None,
    words: tuple[str, ...],
) -> None:  # fmt: skip
    """Install what workers need on a machine, and the very version that runs here; no NAME: this machine.

    Packages by apt-get or brew, as root or by sudo that asks nothing; Claude Code by npm. What is there
    is kept. What only a person can do is named, and the exit status is 1 then. Workers that run there go
    on with the version they were started with.

    Of a host that has a machine for each worker (Fly, containers): its app or engine, the image with --build,
    and the credentials of its workers.

    \b
    claude-workers host setup vps --dry-run
    claude-workers host setup vps
    claude-workers host setup fly --build
    """
    from claude_workers.hosts import here  # noqa: PLC0415  start-up cost
    from claude_workers.hosts import setup as setting_up  # noqa: PLC0415

    call: Call = ctx.obj
    host, steps = name or here.NAME, []
    found = registry.find(name) if name else None
    if found and found.kind != "ssh":
        ctx.exit(machines.provide(call, found, (base, words) if build else None, dry_run=dry_run, show=_print))
    if build or base or words:
        raise BadInput("--build is for hosts that have a machine for each worker", "leave it away")
    with _shell(found) as shell:
        told = (shell, host, name or "")
        root = found.root if found else call.root
        doing = setting_up.carry_out(*told, linger=linger, root=root)
        for step in setting_up.plan(*told, linger=linger) if dry_run else doing:
            if step.state != "doing":
                steps.append(step)
            if not call.json:
                _print(call, step)
    if call.json:
        print_json({"host": host, "dry_run": dry_run, "steps": [one.to_json() for one in steps]})
    ctx.exit(1 if any(one.state in {"blocked", "failed"} for one in steps) else 0)


@contextlib.contextmanager
def _shell(host: Host | None) -> Iterator[Shell]:
    """Give a machine's shell: a host's, or this machine's own."""
    from claude_workers.hosts.here import Here  # noqa: PLC0415  start-up cost
    from claude_workers.hosts.wire import open_line  # noqa: PLC0415

    if host is None:
        yield Here()
        return
    line = open_line(host)
    try:
        yield line
    finally:
        line.close()


def _print(call: Call, step: Step) -> None:
    if step.state == "doing":
        click.echo(f"  {step.what}: {step.said} ...", err=True)
        return
    mark = call.style(_MARKS[step.state], "idle" if step.state in {"there", "done"} else step.state)
    click.echo(f"{mark} {step.what}: {step.said}" + (f"; {step.remedy}" if step.remedy else ""))


@click.command()
@click.argument("name", metavar="NAME", type=HOST)
@click.pass_context
def check(ctx: click.Context, name: str) -> None:
    """Reach a machine, see what it has of all that workers need, and let it examine itself.

    \b
    claude-workers host check vps
    """
    call: Call = ctx.obj
    findings = _findings(name)
    if call.json:
        print_json({"host": name, "findings": findings})
    else:
        for one in findings:
            mend = f"; {one['remedy']}" if one["remedy"] else ""
            click.echo(f"{one['state']:8} {one['what']}: {one['said']}{mend}")
    ctx.exit(1 if any(one["state"] == "failed" for one in findings) else 0)


def _findings(name: str) -> list[Json]:
    from claude_workers.hosts import setup as setting_up  # noqa: PLC0415  start-up cost
    from claude_workers.hosts.steps import OTHER  # noqa: PLC0415
    from claude_workers.hosts.wire import open_line  # noqa: PLC0415

    found = registry.find(name)
    if found.kind != "ssh":
        return [_finding(**one) for one in machines.findings(found)]
    line = open_line(found)
    there = There(found, line)
    try:
        steps = setting_up.plan(line, name, name)
        made = [_finding("reached", "ok", f"{found.target}, with a key that is known")]
        made += [_as_finding(one, name) for one in steps if one.what != "program"]
        try:
            version = there.version()
            examined = there.ask("doctor")["findings"]
        except NotFound as error:
            return [*made, _finding("program", "failed", "claude-workers is not there", error.remedy)]
    finally:
        there.close()
    program = next(one for one in steps if one.what == "program")
    same = version == __version__ and not program.said.endswith(OTHER)
    words = ("ok", f"{version}, as here", "") if same else ("warning", f"{version}, {OTHER}", _mend(name))
    said = _finding("program", *words)
    seen = {one["what"] for one in made}
    return [*made, said, *(one for one in examined if one["what"] not in seen)]


def _as_finding(step: Step, name: str) -> Json:
    remedy = _mend(name) if step.state == "wanted" else step.remedy
    return _finding(step.what, _STATES.get(step.state, "failed"), step.said, remedy)


def _finding(what: str, state: str, said: str, remedy: str = "") -> Json:
    return {"what": what, "state": state, "said": said, "remedy": remedy}


def _mend(name: str) -> str:
    return f"claude-workers host setup {name}"

"""The verbs host add, accept, list and remove: the machines that workers are on."""

from __future__ import annotations

import sys
from typing import Any

import click

from claude_workers.cli.common import Call, print_json, table, width
from claude_workers.cli.credentials import keep_credentials, push_credentials
from claude_workers.cli.hostname import HOST
from claude_workers.cli.machines import destroy_workers, spoken, sweep, use
from claude_workers.cli.setup import check, setup
from claude_workers.errors import Refused, WorkersError
from claude_workers.hosts import registry, tables
from claude_workers.hosts.tables import Host


@click.group()
def host() -> None:
    """Name the machines that workers are on, and look at them.

    \b
    claude-workers host add vps root@1.2.3.4
    claude-workers host check vps
    """


@host.command()
@click.argument("name", metavar="NAME")
@click.argument("target", metavar="[USER@]ADDRESS[:PORT]")
@click.option("--key", metavar="FILE", help="The private key; unset: ssh's own choice.")
@click.option("--transport", type=click.Choice(tables.TRANSPORTS), help="openssh uses the system's ssh.")
@click.option("--max-workers", type=click.IntRange(min=0), metavar="N", help="Most workers to put to work there.")
@click.option("--fingerprint", metavar="SHA256:...", help="Accept this key of it without asking.")
@click.pass_obj
def add(call: Call, /, name: str, target: str, fingerprint: str | None, **given: Any) -> None:  # noqa: ANN401
    """Write a machine into hosts.toml, and show the key it has for you to accept.

    ADDRESS may be a Host of ~/.ssh/config, which then says the rest.

    \b
    claude-workers host add vps root@1.2.3.4
    claude-workers host add vps my-alias --transport openssh
    """
    made = registry.parsed(name, target, **given)
    registry.add(made)
    click.echo(f"host {name}, {made.target}, is in {registry.file()}", err=call.json)
    _accept(call, made, fingerprint)


@host.command()
@click.argument("name", metavar="NAME", type=HOST)
@click.option("--fingerprint", metavar="SHA256:...", help="Accept this key of it without asking.")
@click.pass_obj
def accept(call: Call, name: str, fingerprint: str | None) -> None:
    """Look at a machine's key, and keep it in ~/.ssh/known_hosts when you say that it is its.

    \b
    claude-workers host accept vps
    """
    _accept(call, registry.find(name), fingerprint)


def _accept(call: Call, found: Host, fingerprint: str | None) -> None:
    from claude_workers.hosts.line import CONNECT, run  # noqa: PLC0415  start-up cost
    from claude_workers.hosts.strict import Fabric, UnknownKey, remember  # noqa: PLC0415  its library takes 0.2 s
    from claude_workers.hosts.wire import open_line  # noqa: PLC0415

    shown: set[str] = set()
    while True:
        line = Fabric(found)
        try:
            line.connected()
        except UnknownKey as error:
            if error.shown in shown:
                raise  # it was written, and is not read: asking again leads nowhere
            _ask(error.shown, error.key.get_name(), error.key.fingerprint, fingerprint, error)
            remember(error)
            shown.add(error.shown)
        except Refused:
            if found.transport == "fabric":
                raise
            break  # its key is known; the system's ssh may have other ways to be let in
        else:
            break
        finally:
            line.close()
    if found.transport != "fabric":
        answers = open_line(found)
        try:
            list(run(answers, ["true"], found.name, limit=CONNECT))
        finally:
            answers.close()
    if call.json:
        print_json({"host": found.to_json(), "reached": True})
    else:
        click.echo(f"host {found.name} answers, with a key that is known")


def _ask(shown: str, kind: str, its: str, wanted: str | None, error: WorkersError) -> None:
    """Return when a person says that a key is a host's; raise otherwise."""
    if wanted is not None:
        if wanted != its:
            raise Refused(f"{shown} has the key {its}, not {wanted}", "find out why before you trust it")
        return
    if not sys.stdin.isatty():
        raise error
    click.echo(f"{shown} shows the key {kind} {its}", err=True)
    if not click.confirm("is that its fingerprint?", err=True):
        raise error


@host.command("list")
@click.pass_obj
def list_(call: Call) -> None:
    """List the hosts of hosts.toml; of those with a machine for each worker, how many are up and what they cost.

    \b
    claude-workers host list
    """
    found = registry.every()
    uses = {one.name: use(one) for one in found if one.kind != "ssh"}
    if call.json:
        print_json({"hosts": [{**one.to_json(), "use": uses.get(one.name)} for one in found]})
        return
    if not found:
        click.echo("no hosts yet: claude-workers host add NAME USER@ADDRESS")
        return
    rows = [["HOST", "REACHED AS", "BY", "MOST WORKERS", "MACHINES"]]
    rows += [[one.name, one.target, one.by, _most(one), spoken(uses.get(one.name))] for one in found]
    for line in table(rows, width()):
        click.echo(line)


def _most(host: Host) -> str:
    return "" if host.max_workers is None else str(host.max_workers)


@host.command()
@click.argument("name", metavar="NAME", type=HOST)
@click.option("--destroy", is_flag=True, help="Destroy its workers' machines and volumes first.")
@click.option("--discard", is_flag=True, help="With --destroy: also work that is kept nowhere else.")
@click.pass_obj
def remove(call: Call, name: str, *, destroy: bool, discard: bool) -> None:
    """Take a host out of hosts.toml; what is on it stays, unless it is a host of machines and --destroy is given.

    \b
    claude-workers host remove vps
    claude-workers host remove fly --destroy
    """
    destroyed = destroy_workers(name, discard=discard) if destroy else []
    gone = registry.remove(name)
    if call.json:
        print_json({"removed": gone.to_json(), "destroyed": destroyed})
        return
    gone_too = f"its workers {', '.join(destroyed) or '(none)'} are destroyed"
    said = gone_too if destroy else "its workers stay where they are"
    click.echo(f"host {name} is no longer known here; {said}")


for one in (setup, check, push_credentials, keep_credentials, sweep):
    host.add_command(one)

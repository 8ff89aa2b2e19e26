"""The verb host push-credentials, and what answers it on the other machine."""

from __future__ import annotations

import json

import click

from claude_workers.cli import stdin
from claude_workers.cli.common import Call, print_json
from claude_workers.cli.hostname import HOST
from claude_workers.errors import BadInput
from claude_workers.hosts import registry


@click.command("push-credentials")
@click.argument("name", metavar="NAME", type=HOST)
@click.argument("sets", nargs=-1, metavar="[SET...]")
@click.option("--force", is_flag=True, help="Also over a table that somebody wrote there by hand.")
@click.pass_obj
def push_credentials(call: Call, name: str, sets: tuple[str, ...], *, force: bool) -> None:
    """Send credential sets of config.toml to a machine: the one that hosts.toml names for it, or those named.

    References are followed here, and the secrets go by standard input into private files there, which
    config.toml there names. Homes bound to the sets are rendered again.

    \b
    claude-workers host push-credentials vps
    claude-workers host push-credentials vps team
    """
    from claude_workers.home.sets import whole  # noqa: PLC0415  start-up cost
    from claude_workers.hosts import opened  # noqa: PLC0415

    found = registry.find(name)
    chosen = sets or ((found.credential_set,) if found.credential_set else ())
    if not chosen:
        raise BadInput(
            f"host {name} has no credential_set", f"name one, or write it into {registry.file()} [hosts.{name}]"
        )
    sent = {one: whole(one) for one in chosen}
    there = opened.there(found)
    try:
        kept = there.keep_credentials(sent, force=force)
    finally:
        there.close()
    if call.json:
        print_json({"host": name, "kept": kept.to_json()})
        return
    click.echo(f"host {name} has {', '.join(kept.sets)}; no login of a home was sent")
    if kept.credential_set in kept.sets:
        click.echo(f"the forge is spoken to with the tokens of {kept.credential_set}")
    for worker, said in kept.refreshed.items():
        click.echo(f"worker {name}/{worker}: {said or 'nothing changed'}")


@click.command("keep-credentials", hidden=True)
@click.option("--force", is_flag=True, help="Also over a table that somebody wrote by hand.")
@click.pass_obj
def keep_credentials(call: Call, *, force: bool) -> None:
    """Keep the credential sets that another machine sends on standard input.

    \b
    claude-workers host push-credentials vps
    """
    from claude_workers.pool.keep import keep  # noqa: PLC0415  start-up cost

    try:
        sent = json.loads(stdin.read_all())
    except ValueError:
        sent = None
    if not isinstance(sent, dict) or not sent:
        raise BadInput("standard input holds no credential sets", "claude-workers host push-credentials sends them")
    print_json({"kept": keep(call.layout, sent, force=force).to_json()})

"""The verbs config and path."""

from __future__ import annotations

from pathlib import Path

import click

from claude_workers import config as settings
from claude_workers import credentials, paths
from claude_workers.cli.common import Call, print_json, table, width
from claude_workers.home import templates
from claude_workers.text import one_line


@click.command()
@click.argument("key", metavar="[KEY]", required=False)
@click.argument("value", metavar="[VALUE]", required=False)
@click.pass_obj
def config(call: Call, key: str | None, value: str | None) -> None:
    """Show every setting, its value and where it comes from; secrets are masked. Or show one, or set it.

    \b
    claude-workers config
    claude-workers config time_limit
    claude-workers config time_limit 2h
    """
    call.check_here()
    if key is not None:
        _one(call, key, value)
        return
    keys = settings.described()
    operator = credentials.from_operator()
    shown = {name: _masked(name, operator.get(name)) for name in credentials.CARRIED}
    if call.json:
        place = str(paths.config_dir() / "config.toml")
        print_json({"file": place, "keys": keys, "credentials": shown, "prompts": templates.prompts()})
        return
    rows = [["KEY", "VALUE", "FROM", "MEANING"]]
    rows += [[key["key"], _value(key["value"]), key["origin"], key["meaning"]] for key in keys]
    rows += [[name, value, "operator" if value != "unset" else "", ""] for name, value in shown.items()]
    named = one_line(",".join(templates.prompts()), 1000)
    rows.append(["--prompt-template", named or "none", "prompts/", "prompts by name"])
    for line in table(rows, max(width(), 100)):
        click.echo(line)


def _one(call: Call, key: str, value: str | None) -> None:
    if value is not None:
        settings.put(key, value)
    found = settings.describe(key)
    if call.json:
        print_json(found)
    else:
        click.echo("" if found["value"] is None else _value(found["value"]))


def _value(value: object) -> str:
    if value is None:
        return "unset"
    if isinstance(value, tuple):
        return ",".join(value) or "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _masked(name: str, value: str | None) -> str:
    if not value:
        return "unset"
    return value.rpartition("@")[2] if name == credentials.BASE_URL else f"…{value[-4:]}" if len(value) > 12 else "set"  # noqa: PLR2004


@click.command()
@click.pass_obj
def path(call: Call) -> None:
    """Show where things are kept.

    \b
    claude-workers path --json
    """
    layout, folder = call.layout, paths.config_dir()
    places = {
        "root": layout.root,
        "repositories": layout.repositories,
        "tickets": layout.tickets,
        "config": folder / "config.toml",
        "hosts": folder / "hosts.toml",
        "credentials": folder / "credentials.env",
        "templates": folder / "templates",
        "prompts": folder / "prompts",
        "stand-in": Path(__file__).resolve().parent.parent / "testing" / "stand_in.py",
    }
    if call.json:
        print_json({name: str(place) for name, place in places.items()})
        return
    for line in table([[name, str(place)] for name, place in places.items()], 1000):
        click.echo(line)

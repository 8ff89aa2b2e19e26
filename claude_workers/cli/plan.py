"""The verb plan."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from claude_workers.cli.common import Call, print_json
from claude_workers.cli.ticket_common import database_option, numbers, queue_of, repo_of
from claude_workers.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from claude_workers.model import Overlap, Ticket

_GROUPS = (("at work", "in_progress"), ("can be taken", "open"), ("waits", "blocked"), ("for a person", "human"))
_COLOURS = {"ready": "#bbf", "in_progress": "#fe9", "human": "#fbb"}


@click.command(params=[database_option()])
@click.option("--repo", metavar="PATH", help="Only this repository's.")
@click.option(
    "--format", "form", type=click.Choice(["text", "mermaid", "json"]), default="text", help="How to print it."
)
@click.pass_obj
def plan(call: Call, repo: str | None, form: str) -> None:
    """Show what is to be done, what waits for what, and which files two live branches both touch.

    \b
    claude-workers plan
    claude-workers plan --format mermaid > plan.mmd
    """
    from claude_workers.pool import overlaps  # noqa: PLC0415  start-up cost

    found = queue_of(call).list(repo_of(call, repo) if repo else None)
    ahead = overlaps.ahead(call.layout)
    if call.json or form == "json":
        print_json({"tickets": [one.to_json() for one in found], "overlaps": [one.to_json() for one in ahead]})
        return
    for line in _mermaid(found) if form == "mermaid" else _text(found, ahead):
        click.echo(plain(line))


def _text(found: list[Ticket], ahead: list[Overlap]) -> Iterator[str]:
    if not found:
        yield "No tickets found"
    for title, kind in _GROUPS:
        chosen = [one for one in found if _kind(one) == kind]
        if chosen:
            yield f"{title}:"
        for one in sorted(chosen, key=lambda one: (-one.priority, one.id)):
            who = f", {one.assigned_to}" if one.assigned_to not in {None, "human"} else ""
            waits = f"  after {numbers(one.blocked_by)}" if one.blocked_by else ""
            yield f"  #{one.id} [{one.priority}] {one.title}  ({one.type}, {one.status}{who}){waits}"
    yield from (overlap_line(each) for each in ahead)


def overlap_line(one: Overlap) -> str:
    """Return a conflict ahead as people read it."""
    return f"conflict ahead: {os.path.basename(one.repo)}: {one.file}: {', '.join(one.branches)}"


def _kind(one: Ticket) -> str:
    if one.needs_person:
        return "human"
    if one.status == "in_progress":
        return "in_progress"
    return "blocked" if one.blocked_by else "open"


def _mermaid(found: list[Ticket]) -> Iterator[str]:
    yield "graph LR"
    for one in found:
        words = one.title.replace("#", "#35;").replace('"', "#quot;").replace("\\", "#92;")
        words = words.replace("<", "#lt;").replace(">", "#gt;")
        yield f'  t{one.id}["{one.id}: {words}"]'
        colour = _COLOURS.get("human" if one.needs_person else one.status)
        if colour:
            yield f"  style t{one.id} fill:{colour}"
    known = {one.id for one in found}
    for one in found:
        yield from (f"  t{before} --> t{one.id}" for before in one.blocked_by if before in known)

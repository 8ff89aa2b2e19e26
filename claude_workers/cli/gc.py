"""The verb gc."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from claude_workers.cli.common import Call, print_json, table
from claude_workers.cli.params import Duration

if TYPE_CHECKING:
    from claude_workers.pool.gc import Garbage

_WIDE = 1000  # a reason that is cut off is none


@click.command()
@click.option("--yes", is_flag=True, help="Delete it, rather than show what would be deleted.")
@click.option("--keep", type=Duration(), metavar="TIME", help="How long ended tasks are left alone; 30d unless set.")
@click.pass_context
def gc(ctx: click.Context, *, yes: bool, keep: float | None) -> None:
    """Show what ended tasks left and nobody needs: records, clones, merged work, repositories; --yes deletes it.

    What could not be published, merged or carried into our store is never deleted. Exit 1 when
    something could not be deleted.

    \b
    claude-workers gc
    claude-workers gc --yes --keep 7d
    """
    call: Call = ctx.obj
    found = call.fleet.gc(keep, delete=yes)
    if call.json:
        total = sum(one.bytes for one in found if not one.kept)
        print_json({"schema": 1, "garbage": [one.to_json() for one in found], "bytes": total, "deleted": yes})
    else:
        _print(found, deleted=yes, keep=keep)
    ctx.exit(1 if yes and any(one.kept for one in found) else 0)


def _print(found: list[Garbage], *, deleted: bool, keep: float | None) -> None:
    going, left = [one for one in found if not one.kept], [one for one in found if one.kept]
    for title, listed in (("deleted" if deleted else "would be deleted", going), ("not deleted", left)):
        if listed:
            click.echo(f"{title}:")
            rows = [["BYTES", "WHAT", "NAME", "WHY"]]
            rows += [[str(one.bytes), one.what, one.name, one.why] for one in listed]
            for line in table(rows, _WIDE):
                click.echo(f"  {line}")
    total = sum(one.bytes for one in going)
    again = f"; claude-workers gc --yes{'' if keep is None else f' --keep {keep:.0f}s'} deletes it" if going else ""
    if deleted:
        click.echo(f"deleted: {len(going)}, {total} bytes")
    else:
        click.echo(f"to delete: {len(going)}, {total} bytes{again}")

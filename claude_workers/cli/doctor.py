"""The verb doctor."""

from __future__ import annotations

import click

from claude_workers.cli.common import Call, print_json

_MARKS = {"ok": "+", "warning": "~", "failed": "!"}


@click.command()
@click.option("--prove", is_flag=True, help="Try to break out of the enclosure, each way for real.")
@click.option("--repo", metavar="OWNER/REPO", help="Check what the token may do there, and its rules.")
@click.pass_context
def doctor(ctx: click.Context, *, prove: bool, repo: str | None) -> None:
    """Check this machine, or a repository on GitHub; exit 1 when something a worker needs is missing.

    --prove tries numbered escapes in a throw-away home, each with a control that shows the trick
    works without the enclosure, and says what held.

    \b
    claude-workers doctor --prove
    claude-workers doctor --repo owner/repo
    """
    call: Call = ctx.obj
    ctx.exit(_prove(call) if prove else _examine(call, repo))


def _examine(call: Call, repo: str | None) -> int:
    from claude_workers.pool.doctor import examine, examine_repository  # noqa: PLC0415  start-up cost

    findings = []
    for one in examine_repository(call.layout, repo) if repo else examine(call.layout):
        findings.append(one)
        if not call.json:
            mark = call.style(_MARKS[one.state], "idle" if one.state == "ok" else one.state)
            click.echo(f"{mark} {one.what}: {one.said}" + (f"; {one.remedy}" if one.remedy else ""))
    if call.json:
        print_json({"findings": [one.to_json() for one in findings]})
    return 1 if any(one.state == "failed" for one in findings) else 0


def _prove(call: Call) -> int:
    from claude_workers import config  # noqa: PLC0415  start-up cost
    from claude_workers.enclosure import levels  # noqa: PLC0415
    from claude_workers.prove.prove import ESCAPED, HELD, NOT_SHOWN  # noqa: PLC0415
    from claude_workers.prove.prove import prove as proving  # noqa: PLC0415

    settings = config.load()
    level = settings.isolation or levels.best()
    levels.check(level, permissions=settings.permissions)
    proofs = []
    for one in proving(call.layout, level):
        proofs.append(one)
        if not call.json:
            verdict = call.style(f"{one.verdict:8}", "idle" if one.verdict == HELD else one.verdict)
            click.echo(f"{one.number:3} {verdict}  {one.title}" + (f" ({one.note})" if one.note else ""))
    count = {verdict: sum(one.verdict == verdict for one in proofs) for verdict in (HELD, ESCAPED, NOT_SHOWN)}
    if call.json:
        print_json({"isolation": level, "proofs": [one.to_json() for one in proofs], "counts": count})
    else:
        said = f"{count[HELD]} held, {count[ESCAPED]} escaped, {count[NOT_SHOWN]} not shown"
        click.echo(f"{level}: {said}, of {len(proofs)}; each that held was seen to work without the enclosure")
    return 1 if count[ESCAPED] else 0

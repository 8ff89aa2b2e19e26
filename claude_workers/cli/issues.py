"""The verbs assign and release."""

from __future__ import annotations

from typing import Any

import click

from claude_workers.cli.common import Call, print_json
from claude_workers.cli.params import REPO, Duration, issue_of
from claude_workers.errors import BadInput


@click.command()
@click.argument("repo", metavar="REPO", type=REPO)
@click.argument("issues", nargs=-1, metavar="[ISSUE...]")
@click.option("--label", metavar="LABEL", help="The open issues with this label, oldest first.")
@click.option("--model", metavar="MODEL", help="The agents' model.")
@click.option("--budget", type=click.FloatRange(min=0, min_open=True), metavar="USD", help="Most each may cost.")
@click.option("--time-limit", type=Duration(), metavar="TIME", help="Most time each agent may work.")
@click.option("--most", type=click.IntRange(min=0), hidden=True, help="Most workers that may be at work there.")
@click.pass_context
def assign(ctx: click.Context, /, repo: str, issues: tuple[str, ...], label: str | None, **given: Any) -> None:  # noqa: ANN401
    """Give issues to idle workers, one each: of your hosts where there are any, as `dispatch any` does.

    An issue that is taken, or whose author may not write to the repository, is passed over with the reason.

    \b
    claude-workers assign owner/repo 42 43
    claude-workers assign owner/repo --label ready
    """
    call: Call = ctx.obj
    if bool(issues) == bool(label):
        raise BadInput("say which issues", "name them, or --label LABEL")
    numbers = [issue_of(repo, one) for one in issues]
    given["budget_usd"] = given.pop("budget")
    made = []
    for one in call.fleet.assign(repo, numbers, label=label, **given):
        made.append(one)
        if not call.json and one.worker:
            click.echo(f"issue {one.issue}: worker {one.worker}, task {one.task_id}")
        elif not call.json:
            click.echo(f"issue {one.issue}: passed over: {one.reason}")
    left = len(numbers) - len(made) if numbers else 0
    if call.json:
        print_json({"assigned": [one.to_json() for one in made], "left": left})
    elif left:
        click.echo(f"{left} issues left: no worker is idle any more")
    elif not made:
        click.echo(f"no open issue with the label {label} is waiting")
    if left or (made and not any(one.worker for one in made)):
        ctx.exit(4 if left else 1)


@click.command()
@click.argument("repo", metavar="REPO", type=REPO)
@click.argument("issue", metavar="ISSUE")
@click.option("--force", is_flag=True, help="Also when another machine's worker holds it.")
@click.pass_obj
def release(call: Call, repo: str, issue: str, *, force: bool) -> None:
    """Clear the claim and the workers' labels of an issue that nobody is at.

    \b
    claude-workers release owner/repo 42
    """
    held = call.fleet.release(repo, issue_of(repo, issue), force=force)
    if call.json:
        print_json({"claim": held.to_json() if held else None})
    elif held:
        click.echo(f"released: worker {held.worker}{f' on {held.host}' if held.host else ''} held it")
    else:
        click.echo("nobody held it; labels of workers are off")

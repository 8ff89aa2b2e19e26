"""The verb dispatch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from claude_workers import names
from claude_workers.cli import stdin
from claude_workers.cli.common import Call, print_json
from claude_workers.cli.params import REPO, WORKER, Duration, issue_of
from claude_workers.errors import BadInput

if TYPE_CHECKING:
    from claude_workers.pool.dispatch import Dispatched


@click.command()
@click.argument("worker", metavar="ID|any", type=WORKER)
@click.argument("repo", metavar="REPO", type=REPO)
@click.argument("words", nargs=-1, metavar="[ISSUE] [PROMPT]")
@click.option("-p", "--prompt", metavar="TEXT", help="What to do; with an issue, how to treat it.")
@click.option("--prompt-template", metavar="NAME", help="A template of yours from prompts/.")
@click.option("--model", metavar="MODEL", help="The agent's model.")
@click.option("--base", metavar="BRANCH", help="The branch to start from.")
@click.option("--budget", type=click.FloatRange(min=0, min_open=True), metavar="USD", help="Most it may cost.")
@click.option("--time-limit", type=Duration(), metavar="TIME", help="Most time the agent may work: 90s, 2h.")
@click.option("--max-turns", type=click.IntRange(min=1), metavar="N", help="Most turns of the agent.")
@click.option("--size", metavar="SIZE", help="The size of its machine, on hosts that make one: light, standard, heavy.")
@click.option(
    "--kind", type=click.Choice(["code", "test", "review", "doc", "security"]), help="What it is: chooses a size."
)
@click.option("--expect", type=click.Choice(["change", "answer", "either"]), help="What to deliver.")
@click.option("--trust-author", is_flag=True, help="Vouch for the issue's author, this once.")
@click.option(
    "--isolation", type=click.Choice(["enclosure", "double", "claude", "container", "none"]), help="How it is shut in."
)
@click.option("--task-id", metavar="UUID", help="Name the task: asking again is answered, not done twice.")
@click.option("--same", is_flag=True, hidden=True, help="The task's id is a mere name for a new one.")
@click.option("--most", type=click.IntRange(min=0), hidden=True, help="Most workers that may be at work there.")
@click.option("--requested-by", metavar="WHO", default="", hidden=True, help="Who asks, on another machine.")
@click.option("--no-stdin", is_flag=True, help="Take no prompt from standard input.")
@click.option("--wait", is_flag=True, help="Wait for the outcome, as watch does.")
@click.pass_context
def dispatch(ctx: click.Context, /, worker: str, repo: str, words: tuple[str, ...], **given: Any) -> None:  # noqa: ANN401
    """Give a worker an issue or a prompt and return once its runner lives.

    `any` is an idle worker of your hosts: of the one that had the issue before, else of the emptiest; of
    this machine when there are no hosts, or by `local/any`.

    REPO is a path (./ ../ / ~) or owner/repo; ISSUE its number, #number or URL.

    \b
    claude-workers dispatch 01 ./calc 1
    claude-workers dispatch 01 ./calc 1 "Investigate and comment, don't fix"
    claude-workers dispatch 01 ./calc -p "Explain the module layout" --expect answer
    echo "Review for security issues" | claude-workers dispatch 01 ./calc 1
    """
    call: Call = ctx.obj
    heard = 0
    wait, no_stdin = given.pop("wait"), given.pop("no_stdin")
    issue, prompt = _words(repo, words, given.pop("prompt"))
    if not names.anywhere(worker)[0]:
        names.address(worker)
    if prompt == "-" or (prompt is None and not no_stdin and stdin.is_piped()):
        prompt = stdin.read_all() if prompt == "-" else stdin.read_piped()
        heard = len(prompt)
    given["budget_usd"] = given.pop("budget")
    answer = call.fleet.order(worker, repo, issue, prompt or "", **given)
    if heard:
        click.echo(f"prompt: {heard} characters from stdin", err=call.json)
    _print(call, answer)
    if wait:
        from claude_workers.cli.watch import watch_workers  # noqa: PLC0415  only here

        ctx.exit(watch_workers(call, (answer.task.worker,)))


def _print(call: Call, answer: Dispatched) -> None:
    task = answer.task
    if task.isolation == "none":
        click.echo("isolation: none, as you chose: this agent can reach all that you can", err=True)
    if call.json:
        print_json({"new": answer.new, "task": task.to_json()})
    else:
        subject = f"{task.repository.name}#{task.issue}" if task.issue else task.repository.name
        verb = "dispatched" if answer.new else "known already"
        waits = f", waiting: {task.reason}" if task.state == "waiting" else ""
        click.echo(f"{verb}: worker {task.worker}, {subject}, branch {task.branch}, task {task.task_id}{waits}")


def _words(repo: str, words: tuple[str, ...], prompt: str | None) -> tuple[int | None, str | None]:
    """Return the issue and the prompt of a call's free words."""
    if prompt is not None and not prompt.strip():
        raise BadInput("the prompt is empty", "say what to do, or leave -p away")
    rest = list(words)
    issue = None
    if rest and rest[0] != "-":
        issue = issue_of(repo, rest.pop(0))
    if rest and prompt is not None:
        raise BadInput("two prompts were given", "give it as a word or with -p")
    if len(rest) > 1:
        raise BadInput("the prompt is more than one word", "put it in quotes")
    return issue, rest[0] if rest else prompt

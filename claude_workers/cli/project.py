"""The verbs of a project: init."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from claude_workers.cli.common import Call, print_json
from claude_workers.cli.params import WORKER
from claude_workers.errors import BadInput

if TYPE_CHECKING:
    from claude_workers.model import Repository
    from claude_workers.workspace.guess import Gate


@click.group()
def project() -> None:
    """Make a repository ready for workers.

    \b
    claude-workers project init ./calc
    """


@project.command()
@click.argument("folder", default=".", metavar="[DIR]")
@click.option("--verify", metavar="COMMAND", help="What must pass before anything is published.  [default: guessed]")
@click.option("--setup", metavar="COMMAND", help="What prepares a fresh checkout.  [default: guessed]")
@click.option("--force", is_flag=True, help="Replace the file that is there.")
@click.option("--interview", is_flag=True, help="Let Claude ask you about the project, at this terminal.")
@click.option("--worker", type=WORKER, metavar="ID", help="With --interview: in whose home.  [default: an idle one's]")
@click.pass_obj
def init(  # noqa: PLR0913  click passes one parameter for each option
    call: Call, folder: str, verify: str | None, setup: str | None, worker: str | None, *, force: bool, interview: bool
) -> None:
    """Write a repository's .claude-workers.toml, its gate guessed from its files; nothing is run or committed.

    With --interview Claude reads the repository, asks you about it, and proposes a page that every agent is
    given, the gate and first tickets; each is shown before it is used.

    \b
    claude-workers project init
    claude-workers project init ./calc --verify "make test"
    claude-workers project init ./calc --interview
    """
    from claude_workers import config  # noqa: PLC0415  start-up cost
    from claude_workers.workspace import guess, upstream  # noqa: PLC0415

    repository = upstream.local(folder, call.layout)
    top = Path(repository.url)
    if not (top / ".git").exists():
        raise BadInput(f"{top} has no working tree", "name a clone of it")
    if (top / config.GATE_FILE).exists() and not (force or interview):
        raise BadInput(f"{top / config.GATE_FILE} is there already", "edit it, or add --force")
    found = guess.gate(top)
    if interview:
        _interview(call, repository, worker, found)
        return
    chosen = {"setup": found.setup if setup is None else setup, "verify": found.verify if verify is None else verify}
    text = _text(chosen, found.because if verify is None else "")
    place = _write(top, text)
    if call.json:
        print_json({"path": str(place), **chosen, "because": found.because})
        return
    click.echo(text.rstrip())
    click.echo(f"\nwritten to {place}; look at it, then commit it: it counts as it stands at the base's tip")


def _write(top: Path, text: str) -> Path:
    from claude_workers import config, files  # noqa: PLC0415  start-up cost

    config.with_gate(config.load(), text)
    place = top / config.GATE_FILE
    files.write_atomic(place, text, 0o644)
    return place


def _interview(call: Call, repository: Repository, worker: str | None, found: Gate) -> None:
    """Hold an interview, and use of what it left what the person says yes to."""
    from claude_workers import files, paths  # noqa: PLC0415  start-up cost
    from claude_workers.pool import interview  # noqa: PLC0415

    left = interview.hold(call.layout, repository, worker)
    page = paths.project_page(repository.name)
    if _wanted("the project's page", left.page, f"keep it as {page}, for every prompt"):
        files.make_private(page.parent)
        files.write_atomic(page, left.page + "\n")
    gate = _text({"setup": found.setup, "verify": left.verify.partition("\n")[0]}, "") if left.verify else ""
    if _wanted("the gate", gate, "write it as .claude-workers.toml"):
        click.echo(f"written to {_write(Path(repository.url), gate)}; commit it: it counts at the base's tip")
    if _wanted("the first tickets", left.tickets, "file them"):
        click.echo(f"filed {', '.join(map(str, _filed(call, repository, left.tickets)))}")


def _wanted(what: str, text: str, use: str) -> bool:
    if not text:
        click.echo(f"{what}: none was proposed")
        return False
    click.echo(f"\n--- {what} ---\n{click.unstyle(text).rstrip()}\n---")
    return click.confirm(use[0].upper() + use[1:] + "?", default=False)


def _filed(call: Call, repository: Repository, text: str) -> list[int]:
    import tempfile  # noqa: PLC0415  start-up cost

    from claude_workers.cli.ticket_common import me, queue_of  # noqa: PLC0415
    from claude_workers.tickets import batch  # noqa: PLC0415

    with tempfile.NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        found = batch.read(Path(stream.name), lambda _named: repository.url, me())
    return queue_of(call).create_all(found)


def _text(chosen: dict[str, str], because: str) -> str:
    """Return the file: what is not known is a comment that says what would be written there."""
    lines = [
        f"# Guessed: {because}." if because else "# What workers' changes must pass, and how a checkout is set up."
    ]
    examples = {"setup": '"npm ci"', "verify": '"npm test"; without it every change is published as unverified'}
    for name, value in chosen.items():
        lines.append(f"{name} = {json.dumps(value)}" if value else f"# {name} = {examples[name]}")
    return "\n".join(lines) + "\n"

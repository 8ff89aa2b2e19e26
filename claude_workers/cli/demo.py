"""The verb demo: a whole task's life in a throw-away root."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from claude_workers import credentials, files
from claude_workers.cli.common import Call
from claude_workers.enclosure import levels
from claude_workers.errors import Refused, WorkersError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from claude_workers.fleet import Fleet
    from claude_workers.model import Receipt

_CALC = "def add(a, b):\n    return a + b\n"
_TEST = """import unittest

import calc


class CalcTest(unittest.TestCase):
    def test_add(self):
        self.assertEqual(calc.add(2, 1), 3)

    def test_subtract(self):
        self.assertEqual(calc.subtract(2, 1) if hasattr(calc, "subtract") else 1, 1)
"""
_GATE = 'verify = "python3 -m unittest -q"\n'
_WANTED = "calc.py can add. Give it subtract(a, b), too, and commit that."
_PLAY = [
    {"todo": ["read calc.py", "write subtract", "run the tests"]},
    {"run": "cat calc.py"},
    {"done": 1, "run": "printf '\\n\\ndef subtract(a, b):\\n    return a - b\\n' >> calc.py"},
    {"done": 2, "run": "python3 -m unittest -q"},
    {"done": 3, "run": "git commit --quiet --all --message 'Add subtract' && git log --oneline"},
    {"text": "calc.py can subtract now; its tests pass."},
]


@click.command()
@click.option("--real", is_flag=True, help="Let your Claude Code work, paid by your key or token.")
@click.option("--keep", is_flag=True, help="Leave the throw-away root for a look around.")
@click.pass_context
def demo(ctx: click.Context, *, real: bool, keep: bool) -> None:
    """See a whole task's life: a toy repository, a ticket, one worker, a verified change, a receipt.

    Nothing of yours is touched: all of it happens in a temporary folder.

    \b
    claude-workers demo
    """
    call: Call = ctx.obj
    with _state(keep=keep) as folder:
        isolation = _isolation(real=real)
        who = "your Claude Code plays, at your cost" if real else "the packaged stand-in agent plays, not a model"
        click.echo(f"demo: {who}; isolation: {isolation}")
        receipt = _play(folder, isolation, real=real)
        if call.json:
            click.echo(json.dumps(receipt.to_json()))
        ctx.exit(0 if receipt.succeeded else 1)


def _isolation(*, real: bool) -> str:
    """Return the best level this machine has; with the real agent nothing below an enclosure."""
    try:
        levels.check(levels.best(), permissions="dontAsk")
    except Refused:
        if real:
            raise
        return "none"
    return levels.best()


@contextmanager
def _state(*, keep: bool) -> Iterator[Path]:
    """Give a throw-away folder that holds all state of this process while the block runs."""
    folder = Path(tempfile.mkdtemp(prefix="claude-workers-demo-"))
    before = dict(os.environ)
    os.environ["CLAUDE_WORKERS_CONFIG_DIR"] = str(folder / "config")
    try:
        yield folder
    finally:
        os.environ.clear()
        os.environ.update(before)
        if keep:
            click.echo(f"kept: {folder}")
        else:
            files.remove_tree(folder)


def _play(folder: Path, isolation: str, *, real: bool) -> Receipt:
    from claude_workers.fleet import Fleet  # noqa: PLC0415  start-up cost
    from claude_workers.tickets.tickets import Tickets  # noqa: PLC0415

    fleet = Fleet(folder / "workers")
    calc = _toy(folder / "calc")
    _agent(real=real)
    fleet.init("01")
    _say("init 01")
    script = "" if real else f"\n\n```stand-in\n{json.dumps(_PLAY)}\n```"
    number = Tickets(fleet.layout.tickets).create(str(calc), "Add a subtract function", _WANTED + script, "demo")
    _say(f'ticket create "Add a subtract function" --repo ./calc      -> {number}')
    task = fleet.dispatch("01", str(calc), number, isolation=isolation)
    _say(f"dispatch 01 ./calc {number}      -> branch {task.branch}")
    _say("logs 01 -f")
    for event in fleet.logs("01", since=task.cursor, follow=True):
        if event.kind in {"tool", "text", "runner", "error"}:
            click.echo("    " + event.text.replace("\n", "\n    "))
    [receipt] = fleet.watch(["01"], timeout=600)
    _receipt(fleet, calc, receipt)
    return receipt


def _say(text: str) -> None:
    click.echo(f"$ claude-workers {text}")


def _toy(path: Path) -> Path:
    """Make a toy repository whose own gate runs its tests."""
    path.mkdir()
    for name, text in (("calc.py", _CALC), ("test_calc.py", _TEST), (".claude-workers.toml", _GATE)):
        (path / name).write_text(text, encoding="utf-8")
    identity = ("-c", "user.name=demo", "-c", "user.email=demo@localhost")
    for words in (("init", "--quiet", "--initial-branch=main"), ("add", "."), ("commit", "--quiet", "-m", "Begin")):
        done = subprocess.run(["git", *identity, *words], cwd=path, capture_output=True, text=True, check=False)
        if done.returncode:
            raise WorkersError(f"git {words[0]}: {done.stderr.strip()}", "git 2.28 or newer is needed")
    return path


def _agent(*, real: bool) -> None:
    if real:
        if not credentials.from_operator().keys() & {credentials.API_KEY, credentials.TOKEN}:
            raise Refused("demo --real needs a key or token", f"export {credentials.API_KEY} or {credentials.TOKEN}")
        return
    from claude_workers.testing import stand_in  # noqa: PLC0415

    os.environ["CLAUDE_WORKERS_CLAUDE"] = str(Path(stand_in.__file__).resolve())
    for name in credentials.CARRIED:
        os.environ.pop(name, None)
    os.environ[credentials.API_KEY] = "none-the-stand-in-needs-no-key"


def _receipt(fleet: Fleet, calc: Path, receipt: Receipt) -> None:
    from claude_workers.pool.status import status  # noqa: PLC0415

    check, sha = receipt.verify or {}, receipt.head[:12]
    [row] = status(fleet.layout)
    click.echo("receipt, all of it observed:")
    lines = {
        "outcome": receipt.outcome,
        "branch": f"{receipt.branch} at {sha}, pushed to {calc.name} and recorded as {receipt.pull_request}",
        "files": ", ".join(receipt.files_changed),
        "verify": f"{check.get('command', 'none')} -> exit {check.get('exit')}, in a fresh checkout of {sha}",
        "worker": f"{row.worker} is {row.state}, its task archived",
        "took": f"{receipt.duration_s} s, {receipt.attempts} attempt",
    }
    for name, text in lines.items():
        click.echo(f"    {name:8} {text}")

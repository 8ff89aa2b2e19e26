"""A trap: one of our own programs, run so that it dies at a named step as by the kernel's SIGKILL.

    python -P trap.py TRAPS runner ROOT WORKER TASK_ID
    python -P trap.py TRAPS cli WORD...
    python -P trap.py TRAPS launch HOME MARK

TRAPS is a JSON list of `Trap`s: the program's own, then that of the runner it starts, if there is one.
The environment of a runner is an allow-list, so it goes in by argv.
"""

from __future__ import annotations

import dataclasses
import importlib
import itertools
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from claude_workers.cli.main import main as cli
from claude_workers.enclosure.launch import Enclosure, launch
from claude_workers.enclosure.rules import Rules
from claude_workers.pool import dispatch
from claude_workers.process.spawn import spawn_detached


@dataclass(frozen=True)
class Trap:
    """Where a program dies: `when` (before or after) the first call of `target` with `word` in its arguments.

    `target` is `module:name`. It makes the file `sprung` first, and waits until there is a file `go`. Where
    `when` is "held" it does not die but goes on then.
    """

    target: str
    when: str
    word: str = ""
    sprung: str = ""
    go: str = ""

    def set(self) -> None:
        """Put a function in the target's place that calls it and dies."""
        module, _, path = self.target.partition(":")
        owner: Any = importlib.import_module(module)
        *parents, name = path.split(".")
        for one in parents:
            owner = getattr(owner, one)
        real, calls = getattr(owner, name), itertools.count()

        def trapped(*given: Any, **more: Any) -> Any:
            meant = self.word in f"{given} {more}" and next(calls) == 0
            if meant and self.when != "after":
                self._spring()
            answer = real(*given, **more)
            if meant and self.when == "after":
                self._spring()
            return answer

        setattr(owner, name, trapped)

    def _spring(self) -> None:
        os.close(os.open(self.sprung, os.O_CREAT | os.O_WRONLY, 0o600))
        while not os.path.exists(self.go):
            time.sleep(0.005)
        if self.when != "held":
            os.kill(os.getpid(), signal.SIGKILL)


def command(program: str, words: Sequence[str], *traps: Trap) -> list[str]:
    """Return the command that runs a program with these traps set."""
    return [sys.executable, "-P", __file__, json.dumps([dataclasses.asdict(one) for one in traps]), program, *words]


def spawner(trap: Trap) -> Callable[..., dict[str, object]]:
    """Return what starts runners as `spawn_detached` does, with a trap set."""

    def spawn(argv: Sequence[str], *given: Any) -> dict[str, object]:
        words = argv[list(argv).index("claude_workers.runner") + 1 :]
        return spawn_detached(command("runner", words, trap), *given)

    return spawn


def main() -> None:
    """Set the traps and run the program."""
    own, *others = [Trap(**one) for one in json.loads(sys.argv[1])]
    program, words = sys.argv[2], sys.argv[3:]
    sys.argv[1:] = words
    own.set()
    for one in others:
        setattr(dispatch, "spawn_detached", spawner(one))  # noqa: B010  the name is dispatch's own
    if program == "runner":
        importlib.import_module("claude_workers.runner.__main__")
    elif program == "launch":
        env = {"PATH": os.environ["PATH"], "CLAUDE_WORKERS_TASK": words[1]}
        launch(["sleep", "300"], Enclosure("enclosure", Path(words[0]), Path("/"), env, rules=Rules(()), sealed=True))
    else:
        cli()


if __name__ == "__main__":
    main()

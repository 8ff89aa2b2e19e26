"""Dispatch: the whole command until it returns, a stand-in agent behind it, on a fresh worker each time."""

from __future__ import annotations

import itertools

from bench.common import HELP, PROGRAM, Desk, Row, interleave, steps, timed

_REPEATS = 11


def measure() -> list[Row]:
    """Return what a dispatch takes against starting the command at all and against asking the repository."""
    with Desk() as desk:
        repository = str(desk.repository())
        names = (f"{number:02d}" for number in itertools.count(1))

        def dispatch() -> float:
            worker = next(names)
            desk.fleet.init(worker)
            prompt = steps({"text": "It is one module."})
            taken = timed(PROGRAM, "dispatch", worker, repository, "-p", prompt, "--expect", "answer", "--no-stdin")
            desk.end(worker)
            return taken

        dispatch()  # the first makes the mirror
        taken = interleave(
            _REPEATS,
            help=lambda: timed(*HELP),
            remote=lambda: timed("git", "ls-remote", repository),
            dispatch=dispatch,
        )
    return [
        Row("dispatch until it returns", taken["dispatch"], "--help", taken["help"]),
        Row("dispatch until it returns", taken["dispatch"], "git ls-remote of its repository", taken["remote"]),
    ]

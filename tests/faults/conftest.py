"""Fixtures: what sets a scene, the real Claude Code, and one line that sums the kills up."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.faults.kills import Tally
from tests.faults.plan import Plan
from tests.faults.scenes import Scene, scene
from tests.github.contract import Contract
from tests.real.conftest import claude as claude
from tests.real.conftest import endpoint as endpoint

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

Stages = Callable[[Plan], contextlib.AbstractContextManager[Scene]]


@pytest.fixture
def stages(tmp_path: Path, contract: Contract, monkeypatch: pytest.MonkeyPatch) -> Stages:
    """What sets a scene for a plan, each in a folder of its own."""
    numbers = itertools.count()

    @contextlib.contextmanager
    def made(plan: Plan) -> Iterator[Scene]:
        with scene(plan, tmp_path / f"life-{next(numbers)}", contract, monkeypatch) as one:
            yield one

    return made


@pytest.fixture
def tally(record_property: Callable[[str, object], None]) -> Iterator[Tally]:
    """What counts a test's kills."""
    made = Tally()
    yield made
    record_property("kills", made.kills)
    record_property("survived", made.survived)
    record_property("stuck", made.stuck)
    record_property("crashes", made.crashes)


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Sum up all kills that were survived."""
    ended = [one for one in terminalreporter.stats.get("", []) if one.when == "teardown"]
    said = [dict(one.user_properties) for one in ended]
    kills, survived, stuck = (sum(int(one.get(name, 0)) for one in said) for name in ("kills", "survived", "stuck"))
    made = Tally(kills, survived, [seen for one in said for seen in one.get("crashes", [])], stuck)
    if made.kills:
        terminalreporter.write_line(str(made))

"""Random kills: whatever dies whenever, the task comes to its one right end.

A soak's kills go on until there were enough of them, a life after the other, each in a folder of its own.
"""

from __future__ import annotations

import dataclasses
import itertools

import pytest

from claude_workers.testing.endpoint import Endpoint, text, tool
from tests.faults.conftest import Stages
from tests.faults.kills import Tally, await_end, live, plan_of
from tests.faults.plan import KINDS, Plan

CHUNKS, KILLS_OF_A_CHUNK = 20, 25
# So much longer takes the real Claude Code.
REAL = 3.0


@pytest.mark.parametrize("kind", KINDS)
def test_a_life_without_a_kill_is_whole(kind: str, stages: Stages) -> None:
    with stages(Plan(kind, verify=True, open_end=True)) as one:
        task = one.dispatch()
        await_end(one)
        one.assert_done(task)


@pytest.mark.parametrize("seed", range(24))
def test_a_task_survives_kills_at_random_moments(seed: int, stages: Stages, tally: Tally) -> None:
    with stages(plan_of(seed)) as one:
        live(one, seed, tally)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_tasks_survive_five_hundred_kills(chunk: int, stages: Stages, tally: Tally) -> None:
    for seed in itertools.count(1000 + 100 * chunk):
        with stages(plan_of(seed)) as one:
            live(one, seed, tally)
        if tally.kills >= KILLS_OF_A_CHUNK:
            break


@pytest.mark.real
@pytest.mark.soak
@pytest.mark.timeout(300)
@pytest.mark.usefixtures("claude")
@pytest.mark.parametrize("seed", range(5000, 5050))
def test_the_real_claude_code_goes_on_after_fifty_kills(
    seed: int, stages: Stages, tally: Tally, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = dataclasses.replace(plan_of(seed), open_end=False, slow=REAL)
    # A model looks where it was and goes on. This one makes sure, with each step, of all up to that one.
    ensured = ["; ".join(itertools.chain(*plan.commands[: place + 1])) for place in range(len(plan.commands))]
    calls = [tool("Bash", command=one) for one in [*ensured, *[ensured[-1]] * 4]]
    endpoint.script("model", [*calls, text("Done.")])
    monkeypatch.setenv("ANTHROPIC_BASE_URL", endpoint.url("model"))
    with stages(plan) as one:
        live(one, seed, tally, kills=1)
        sessions = {each["session"] for each in endpoint.requests if each["body"].get("tools")}
        assert len(sessions) == 1

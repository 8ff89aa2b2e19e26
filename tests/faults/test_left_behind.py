"""What a kill leaves behind, processes and git's locks: it is ended or cleared by whoever goes on."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from claude_workers.errors import WorkersError
from claude_workers.pool import dispatch
from tests.faults.conftest import Stages
from tests.faults.kills import WAYS, Tally, await_end, go_on, kill
from tests.faults.plan import Plan
from tests.faults.scenes import locks
from tests.faults.trap import Trap, spawner
from tests.racing import until

NUMBERS = ("one", "two")
# `git commit -a` holds index.lock while its hook runs: the first one never ends.
_HOOK = "[ -e ~/.cache/been ] && exit 0\\ntouch ~/.cache/been\\nexec sleep 300\\n"
HOLD = f"printf '#!/bin/sh\\n{_HOOK}' > .git/hooks/pre-commit; chmod +x .git/hooks/pre-commit"


@pytest.mark.parametrize("kind", ["ticket", "github"])
def test_a_runner_that_dies_before_it_took_over_leaves_nothing_of_its_dispatch(
    kind: str, stages: Stages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap = Trap("claude_workers.process.spawn:report", "before", go=str(tmp_path), sprung=str(tmp_path / "sprung"))
    with stages(Plan(kind, NUMBERS, pause=0.0)) as one:
        with monkeypatch.context() as patch:
            patch.setattr(dispatch, "spawn_detached", spawner(trap))
            with pytest.raises(WorkersError, match="the runner did not start"):
                one.dispatch()
        assert (one.row().state, one.claims(), one.labels()) == ("idle", 0, [])
        assert list(one.home.path.glob("runs/*")) == []
        task = one.dispatch()
        await_end(one)
        one.assert_done(task)


@pytest.mark.parametrize("victim", ["runner", "agent"])
def test_a_commit_killed_while_it_holds_the_lock_of_the_index_is_made_after_all(victim: str, stages: Stages) -> None:
    with stages(Plan("ticket", NUMBERS, pause=0.0, prelude=HOLD)) as one:
        task = one.dispatch()
        until(lambda: (one.home.path / ".cache/been").exists(), "the hook runs")
        assert [path.name for path in locks(one.home.path / "github")] == ["index.lock"]
        if kill(one, task, victim, Tally()):
            go_on(one, task, "restart")
        await_end(one)
        one.assert_done(task)


@pytest.mark.parametrize("way", WAYS)
def test_a_process_that_a_dead_runner_left_behind_is_ended_by_whoever_goes_on(way: str, stages: Stages) -> None:
    with stages(Plan("ticket", NUMBERS)) as one:
        task = one.dispatch()
        until(lambda: one.row().agent_pid, "the agent works")
        assert kill(one, task, "runner", Tally())
        # As bubblewrap does when its runner dies before it has asked to die with it.
        with subprocess.Popen(
            ["sleep", "300"], env={"PATH": "/usr/bin:/bin", "CLAUDE_WORKERS_TASK": task.task_id}
        ) as left:
            try:
                go_on(one, task, way)
                assert left.poll() is not None
            finally:
                left.kill()
        await_end(one)
        one.assert_done(task)

"""What users of programs like this one complain of, and what therefore never happens here: work.

Collected here are the complaints about work that is lost, done twice, counted wrongly or only said to be done,
and about the disk that it takes. The rest of the 25 are in the modules beside this one.
"""

from __future__ import annotations

import os
import signal
import subprocess
import uuid
from pathlib import Path

import pytest

from claude_workers import Receipt, Task
from claude_workers.errors import IssueTaken, WorkerBusy, WorkersError
from claude_workers.pool import gc
from claude_workers.tickets.tickets import Tickets
from tests.conftest import git
from tests.desk import holders
from tests.faults.test_complaints_processes import holding
from tests.racing import race
from tests.stage import ADD, DONE, Stage, steps

HANG: list[dict[str, object]] = [{"text": "here"}, {"hang": True}]


def ticket(stage: Stage, *script: dict[str, object]) -> int:
    """File a ticket whose text is a script for the agent."""
    return Tickets(stage.fleet.layout.tickets).create(str(stage.calc), "Add sub", steps(*script), "ann")


def runners(stage: Stage) -> list[int]:
    """Return the runners that serve this test's root."""
    return [pid for pid in holding("claude_workers.runner") if pid in holding(str(stage.fleet.layout.root))]


def test_11_neither_reset_nor_remove_loses_what_was_not_pushed(stage: Stage, tmp_path: Path) -> None:
    task = stage.start(ADD, {"run": "echo '# more' >> calc.py; echo new > new.txt"}, *HANG)
    stage.until(lambda row: row.last_text == "here")
    with pytest.raises(WorkerBusy):
        stage.fleet.remove("01")
    stage.fleet.stop("01")
    with pytest.raises(WorkerBusy, match="has a task"):
        stage.fleet.remove("01")
    assert stage.home.is_dir()
    stage.fleet.reset("01")
    stage.fleet.remove("01")
    assert not stage.home.exists()
    kept = stage.fleet.restore(task.task_id, str(tmp_path / "kept"))
    assert git("log", "-1", "--format=%s", task.branch, at=kept) == "Add sub"
    assert (kept / "calc.py").read_text(encoding="utf-8").endswith("return a - b\n# more\n")
    assert (kept / "new.txt").read_text(encoding="utf-8") == "new\n"


def test_11_where_the_work_cannot_be_kept_it_is_not_deleted(stage: Stage) -> None:
    stage.start(ADD, *HANG)
    stage.until(lambda row: row.last_text == "here")
    stage.fleet.stop("01")
    store = stage.bare()
    store.rename(store.with_suffix(".away"))
    store.touch()
    for verb in (stage.fleet.reset, stage.fleet.remove):
        with pytest.raises(WorkersError):
            verb("01")
        assert (stage.home / "github/local/calc/calc.py").read_text(encoding="utf-8").count("def") == 2


def test_12_below_the_disk_floor_a_task_waits_and_above_it_goes_on(stage: Stage) -> None:
    stage.configure('disk_floor = "100000T"')
    assert stage.start(ADD, DONE).state == "waiting"
    row = stage.fleet.status(["01"])[0]
    assert str(row.reason).startswith("disk: ")
    assert list(stage.fleet.recover()) == [], "nothing changed, and nothing is tried"
    assert runners(stage) == []
    stage.configure("disk_floor = 0")
    assert [one.did for one in stage.fleet.recover()] == ["woken"]
    receipt = stage.end()
    assert (receipt.outcome, receipt.attempts) == ("pull_request", 1)


def test_12_what_a_repository_holds_is_on_the_disk_once_for_all_workers(stage: Stage) -> None:
    size = 4 << 20
    (stage.calc / "old.bin").write_bytes(os.urandom(size))
    git("add", ".", at=stage.calc)
    git("commit", "-qm", "Large", at=stage.calc)
    git("rm", "-q", "old.bin", at=stage.calc)
    git("commit", "-qm", "Small", at=stage.calc)
    stage.fleet.init("02", "03")
    for worker in ("01", "02", "03"):
        stage.fleet.dispatch(worker, str(stage.calc), prompt=steps(ADD, DONE))
    assert [one.outcome for one in stage.fleet.watch(["01", "02", "03"], timeout=60)] == ["pull_request"] * 3
    used = subprocess.check_output(["du", "-sk", str(stage.fleet.layout.root)], text=True)
    assert size >> 10 < int(used.split()[0]) < 2 * size >> 10


def test_12_what_an_ended_task_no_longer_needs_is_given_back(stage: Stage) -> None:
    stage.play(ADD, {"run": "head -c 4000000 /dev/urandom > build.o; echo build.o > .git/info/exclude"}, DONE)
    clone = stage.home / "github/local/calc"
    gone = [one for one in gc.collect(stage.fleet.layout, keep=0.0) if not one.kept]
    assert str(clone) in [one.path for one in gone]
    assert sum(one.bytes for one in gone) > 4_000_000
    assert not clone.exists()
    assert stage.fleet.status(["01"])[0].outcome == "pull_request", "what became of it is still known"


# 13 from two machines, on GitHub: tests/forge/test_github_claims.py,
# test_of_workers_on_two_machines_one_has_the_issue_and_the_others_are_told_who, shows that.


def test_13_of_dispatches_that_race_for_one_ticket_one_wins(stage: Stage) -> None:
    stage.fleet.init("02", "03", "04")
    number = ticket(stage, *HANG)
    made = race(lambda one: stage.fleet.dispatch(f"0{one + 1}", str(stage.calc), number), 4)
    [won] = [one for one in made if isinstance(one, Task)]
    assert [type(one) for one in made if one is not won] == [IssueTaken] * 3
    assert {row.worker: row.state for row in stage.fleet.status() if row.state != "idle"} == {won.worker: "busy"}
    assert len(runners(stage)) == 1
    assert holders(stage.fleet.layout.tickets) == {number: won.worker}
    stage.fleet.stop(won.worker)


def test_14_the_same_task_dispatched_twice_and_at_once_is_done_once(stage: Stage) -> None:
    name = str(uuid.uuid4())
    script: list[dict[str, object]] = [{**ADD}, {"sleep": 0.5}, DONE]
    made = race(lambda _: stage.start(*script, task_id=name), 5)
    assert [one.task_id if isinstance(one, Task) else one for one in made] == [name] * 5
    assert len(runners(stage)) == 1
    receipt = stage.end()
    assert stage.start(*script, task_id=name).task_id == name
    assert stage.fleet.status(["01"])[0].state == "idle", "what is done is not done again"
    assert git("branch", "--list", "w01/*", "--format=%(refname:short)", at=stage.calc) == receipt.branch
    assert git("rev-list", "--count", f"main..{receipt.branch}", at=stage.calc) == "1"
    assert len(list((stage.home / "completed").iterdir())) == 1


def test_15_a_living_runner_is_never_doubled(stage: Stage) -> None:
    task = stage.start(*HANG)
    stage.until(lambda row: row.last_text == "here")
    alive = runners(stage)
    with pytest.raises(WorkerBusy):
        stage.fleet.restart("01")
    assert list(stage.fleet.recover()) == []
    assert stage.start(*HANG).task_id == task.task_id
    assert runners(stage) == alive
    assert len(alive) == 1
    stage.fleet.stop("01")


def test_15_attempts_are_counted_over_crashes_and_after_the_last_one_the_claim_is_free(stage: Stage) -> None:
    stage.configure("max_attempts = 2")
    number = ticket(stage, {"run": "[ -e ~/.cache/been ] || { touch ~/.cache/been; sleep 300; }"}, {"exit": 3})
    stage.fleet.dispatch("01", str(stage.calc), number)
    stage.until(lambda _: (stage.home / ".cache/been").exists())
    os.kill(int(stage.until(lambda row: row.pid).pid or 0), signal.SIGKILL)
    stage.until(lambda row: row.state == "crashed")
    tickets = Tickets(stage.fleet.layout.tickets)
    assert holders(tickets) == {number: "01"}
    assert [one.did for one in stage.fleet.recover()] == ["resumed"]
    receipt = stage.end()
    assert (receipt.outcome, receipt.attempts) == ("failed", 2)
    assert holders(tickets) == {}


def ended(stage: Stage, expect: str, *script: dict[str, object]) -> Receipt:
    """Play a script to its end, and see that nothing was published."""
    receipt = stage.play(*script, expect=expect)
    assert git("branch", "--list", "w01/*", at=stage.calc) == ""
    assert not receipt.succeeded
    return receipt


def test_21_a_success_that_made_nothing_is_no_change(stage: Stage) -> None:
    receipt = ended(stage, "change", {"text": "All is committed and pushed, and every test is green!"})
    assert (receipt.outcome, receipt.head, receipt.files_changed) == ("no_change", "", [])


@pytest.mark.parametrize(
    "told",
    [
        pytest.param({"is_error": True, "subtype": "success", "api_error_status": 400}, id="error"),
        pytest.param({"is_error": False, "api_error_status": 400}, id="no-error"),
    ],
)
def test_21_an_api_error_that_comes_as_an_ordinary_result_is_no_success(stage: Stage, told: dict[str, object]) -> None:
    said = "API Error: 400 invalid_request_error"
    receipt = ended(stage, "answer", {"text": said, "result": {**told, "result": said}})
    assert receipt.outcome == "failed"
    assert said in receipt.reason

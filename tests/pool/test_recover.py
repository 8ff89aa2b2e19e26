"""Recovering: what crashed is resumed, what waits is woken in its time, what is left behind is cleared, and no more."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from claude_workers import Fleet, Task, clock
from claude_workers.errors import Busy
from claude_workers.files import remove_tree
from claude_workers.home import tasks
from claude_workers.home.home import Home, find
from claude_workers.lock import locked
from claude_workers.model import Recovered
from claude_workers.paths import Layout
from claude_workers.pool import recover as recovering
from claude_workers.tickets.tickets import Tickets
from tests.conftest import git
from tests.desk import holders
from tests.github.stage import REPO, GitHubStage
from tests.racing import race, until
from tests.stage import ADD, DONE, HANG, HERE, WAIT, Stage, steps


def done(found: Iterator[Recovered]) -> list[tuple[str, str]]:
    """Return what was done, by worker."""
    return [(one.worker, one.did) for one in found]


def home_of(stage: Stage | GitHubStage, worker: str = "01") -> Home:
    """Return a worker's home."""
    return find(stage.fleet.layout, worker)


def current(stage: Stage | GitHubStage, worker: str = "01") -> Task:
    """Return a worker's task."""
    task = tasks.load(home_of(stage, worker))
    assert task
    return task


def kill(stage: Stage, worker: str = "01") -> None:
    """Kill a worker's runner as the kernel would."""
    os.kill(int(stage.fleet.status([worker])[0].pid or 0), signal.SIGKILL)
    until(lambda: stage.fleet.status([worker])[0].state == "crashed", "the runner is known to be dead")


def crashed(stage: Stage, *script: Mapping[str, object]) -> Task:
    """Return a task whose runner was killed when its agent had come to its last words."""
    task = stage.start(*script, HERE, WAIT, DONE)
    stage.until(lambda row: row.last_text == "here")
    kill(stage)
    return task


def go(stage: Stage) -> None:
    """Let the agents go on that came to WAIT."""
    (stage.home / ".cache").mkdir(mode=0o700, exist_ok=True)
    (stage.home / ".cache/go").touch()


def waiting(stage: Stage, wait_for: str, until_: str | None = None) -> Task:
    """Return a task that waits for something, as its runner left it."""
    stage.start(HERE, WAIT, DONE, expect="answer")
    stage.until(lambda row: row.last_text == "here")
    stage.fleet.stop("01")
    task = current(stage)
    return tasks.save(home_of(stage), task, state="waiting", wait_for=wait_for, wait_until=until_, reason="told")


def listing(root: Path) -> dict[str, tuple[float, int, bytes | None]]:
    """Return everything below a root with its time, mode and content, the locks aside."""
    found: dict[str, tuple[float, int, bytes | None]] = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        if path.relative_to(root).parts[0] == ".locks" or path.name.startswith("tickets.db-"):
            continue
        plain = path.is_file() and not path.is_symlink()
        found[str(path)] = status.st_mtime_ns, status.st_mode, path.read_bytes() if plain else None
    return found


def nothing_more(stage: Stage | GitHubStage) -> None:
    """See that to recover once more does nothing and changes no file."""
    before = listing(stage.fleet.layout.root)
    assert list(stage.fleet.recover()) == []
    assert listing(stage.fleet.layout.root) == before


@pytest.fixture(autouse=True)
def _end(layout: Layout) -> Iterator[None]:
    """End whatever a test left at work."""
    yield
    for row in Fleet(layout.root).status():
        if row.pid and row.state == "busy":
            os.kill(row.pid, signal.SIGKILL)


def test_what_crashed_goes_on_in_its_session_and_branch(stage: Stage) -> None:
    task = crashed(stage, ADD)
    [found] = stage.fleet.recover()
    assert (found.worker, found.did, found.task_id) == ("01", "resumed", task.task_id)
    assert "attempt 2, after crashed: runner" in found.said
    assert list(stage.fleet.recover()) == [], "it works now"
    go(stage)
    receipt = stage.end()
    assert (receipt.outcome, receipt.attempts, receipt.task_id) == ("pull_request", 2, task.task_id)
    assert git("rev-list", "--count", f"main..{receipt.branch}", at=stage.calc) == "1"
    nothing_more(stage)


def test_what_has_used_its_attempts_up_is_given_up_and_left_as_it_is(stage: Stage) -> None:
    stage.configure("max_attempts = 1")
    task = crashed(stage)
    before = listing(stage.fleet.layout.root)
    for _ in range(2):
        [found] = stage.fleet.recover()
        assert (found.did, found.task_id) == ("given-up", task.task_id)
        assert "restart 01, or reset it" in found.said
        assert listing(stage.fleet.layout.root) == before
    assert stage.fleet.restart("01").attempt == 2


@pytest.mark.parametrize("wait_for", ["limit", "backoff"])
def test_what_waits_for_a_moment_is_woken_after_it_and_not_before(stage: Stage, wait_for: str) -> None:
    waiting(stage, wait_for, clock.in_seconds(3600))
    nothing_more(stage)
    assert list(recovering.recover(stage.fleet.layout, automatic=True)) == []
    tasks.save(home_of(stage), current(stage), wait_until=clock.in_seconds(-1))
    assert done(recovering.recover(stage.fleet.layout, automatic=True)) == [("01", "woken")]
    go(stage)
    receipt = stage.end()
    assert (receipt.outcome, receipt.attempts) == ("answered", 1)


@pytest.mark.parametrize("wait_for", ["host", "credentials", "disk", "memory", "backoff", "something new"])
def test_what_waits_for_no_known_moment_is_woken_by_a_person_and_spends_no_attempt(stage: Stage, wait_for: str) -> None:
    stage.configure("max_attempts = 1")
    waiting(stage, wait_for)
    assert done(stage.fleet.recover(["01"])) == [("01", "woken")]
    assert current(stage).attempt == 1
    go(stage)
    assert stage.end().outcome == "answered"


@pytest.mark.parametrize(("wait_for", "patience"), [("host", 60), ("credentials", 900)])
def test_what_has_no_known_end_is_tried_again_by_itself_after_a_while(
    stage: Stage, wait_for: str, patience: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting(stage, wait_for)
    before = listing(stage.fleet.layout.root)
    assert list(recovering.recover(stage.fleet.layout, automatic=True)) == []
    assert listing(stage.fleet.layout.root) == before
    monkeypatch.setattr(clock, "seconds_since", lambda _: patience + 1)
    assert done(recovering.recover(stage.fleet.layout, automatic=True)) == [("01", "woken")]


def test_by_itself_a_crash_is_not_retried_before_its_backoff(stage: Stage) -> None:
    stage.configure('backoff = "1h"\nbackoff_limit = "1h"')
    crashed(stage)
    assert list(recovering.recover(stage.fleet.layout, automatic=True)) == []
    assert done(stage.fleet.recover()) == [("01", "resumed")], "a person need not wait"


FLOORS = {"disk": ('disk_floor = "100000T"', "disk_floor"), "memory": ('memory_floor = "100000T"', "memory_floor")}


@pytest.mark.parametrize("what", FLOORS)
def test_below_a_floor_a_crashed_task_waits_and_above_it_goes_on(stage: Stage, what: str) -> None:
    crashed(stage, ADD)
    setting, named = FLOORS[what]
    stage.configure(setting)
    [found] = stage.fleet.recover()
    assert (found.did, found.worker) == ("waits", "01")
    assert found.said.startswith(f"{what}: ")
    assert named in found.said
    assert (current(stage).state, current(stage).wait_for) == ("waiting", what)
    nothing_more(stage)
    stage.configure("")
    assert done(stage.fleet.recover()) == [("01", "woken")]
    go(stage)
    assert stage.end().outcome == "pull_request"


def test_a_crash_that_met_a_floor_has_spent_its_attempt_all_the_same(stage: Stage) -> None:
    stage.configure("max_attempts = 2")
    crashed(stage)
    stage.configure('max_attempts = 2\nmemory_floor = "100000T"')
    assert done(stage.fleet.recover()) == [("01", "waits")]
    stage.configure("max_attempts = 2")
    assert done(stage.fleet.recover()) == [("01", "woken")]
    assert current(stage).attempt == 2


def test_what_waits_for_credentials_goes_on_once_there_are_some(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting(stage, "credentials")
    stage.home.joinpath(".env").write_text("", encoding="utf-8")
    [found] = stage.fleet.recover()
    assert (found.did, "has no login" in found.said) == ("failed", True)
    assert current(stage).state == "waiting"
    stage.fleet.refresh("01")
    assert done(stage.fleet.recover()) == [("01", "woken")]


def test_what_cannot_be_resumed_changes_nothing_however_often_it_is_tried(stage: Stage) -> None:
    waiting(stage, "credentials")
    stage.home.joinpath(".env").write_text("", encoding="utf-8")
    before = listing(stage.fleet.layout.root)
    for _ in range(2):
        assert done(stage.fleet.recover()) == [("01", "failed")]
        assert listing(stage.fleet.layout.root) == before


def test_what_a_person_stopped_stays_stopped(stage: Stage) -> None:
    stage.start(HERE, WAIT)
    stage.until(lambda row: row.last_text == "here")
    stage.fleet.stop("01")
    nothing_more(stage)


def test_two_that_recover_at_once_resume_once(stage: Stage) -> None:
    crashed(stage)
    found = race(lambda _: done(Fleet(stage.fleet.layout.root).recover()), 4)
    assert sorted(map(str, found)) == ["[('01', 'resumed')]", "[]", "[]", "[]"]
    assert current(stage).attempt == 2


def test_whoever_is_told_of_a_worker_may_do_something_about_it(stage: Stage) -> None:
    stage.configure("max_attempts = 1")
    crashed(stage)
    for one in stage.fleet.recover():
        assert one.did == "given-up"
        with locked(stage.fleet.layout.worker_lock("01"), 0.1, "held by recover itself"):
            pass


def test_a_second_watch_is_refused_and_the_first_goes_on(stage: Stage) -> None:
    crashed(stage)
    first = stage.fleet.recovering(0.01)
    assert next(first).did == "resumed"
    with pytest.raises(Busy, match="looks after this root"):
        next(Fleet(stage.fleet.layout.root).recovering(0.01))
    words = [sys.executable, "-m", "claude_workers", "recover", "--watch"]
    told = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert (told.returncode, len(told.stderr.splitlines())) == (4, 1)
    first.close()  # type: ignore[attr-defined]


def test_a_watch_tells_once_of_what_needs_a_person_and_resumes_what_dies_meanwhile(stage: Stage) -> None:
    stage.configure('max_attempts = 2\nbackoff = "0s"')
    crashed(stage)
    watch = stage.fleet.recovering(0.01)
    assert next(watch).did == "resumed"
    kill(stage)
    assert next(watch).did == "given-up"
    home_of(stage).task_file.unlink()
    stage.home.joinpath("github/local/x.making").mkdir()
    assert next(watch).did == "cleared", "and nothing was told twice"
    watch.close()  # type: ignore[attr-defined]


def test_a_ticket_database_that_cannot_be_read_is_told_and_ends_nothing(stage: Stage) -> None:
    Tickets(stage.fleet.layout.tickets).create(str(stage.calc), "x", "x", "ann")
    stage.fleet.layout.tickets.write_bytes(b"no database at all" * 100)
    assert [one.did for one in stage.fleet.recover()] == ["failed"]


def ticket(stage: Stage, *script: Mapping[str, object]) -> int:
    """File a ticket whose text is a script for the agent."""
    return Tickets(stage.fleet.layout.tickets).create(str(stage.calc), "Add sub", steps(*script), "ann")


def claimed(stage: Stage) -> dict[int, str]:
    """Return the embedded forge's claims."""
    return holders(stage.fleet.layout.tickets)


def stale(stage: Stage, state: str) -> int:
    """Return a ticket whose claim a worker left: idle, gone or elsewhere."""
    stage.fleet.init("02")
    number = ticket(stage, HERE, HANG)
    Tickets(stage.fleet.layout.tickets).claim(number, "old-task", "02", ("here", str(stage.fleet.layout.root)))
    if state == "gone":
        remove_tree(stage.fleet.layout.root / "02")
    if state == "elsewhere":
        stage.fleet.dispatch("02", str(stage.calc), ticket(stage, HERE, HANG))
    return number


@pytest.mark.parametrize("state", ["idle", "gone", "elsewhere"])
def test_a_claim_of_a_worker_that_is_not_at_it_is_released(stage: Stage, state: str) -> None:
    number = stale(stage, state)
    others = {one: worker for one, worker in claimed(stage).items() if one != number}
    [found] = stage.fleet.recover()
    assert (found.worker, found.did, found.task_id) == ("02", "released", "old-task")
    assert state in found.said
    assert claimed(stage) == others
    assert list(stage.fleet.recover()) == []


def test_who_names_workers_releases_no_claim(stage: Stage) -> None:
    number = stale(stage, "idle")
    assert list(stage.fleet.recover(["01", "02"])) == []
    assert claimed(stage) == {number: "02"}


def test_the_claim_of_a_worker_that_another_command_holds_is_left_alone(stage: Stage) -> None:
    number = stale(stage, "idle")
    with locked(stage.fleet.layout.worker_lock("02"), 1.0, "held"):
        assert race(lambda _: list(Fleet(stage.fleet.layout.root).recover()), 1) == [[]]
    assert claimed(stage) == {number: "02"}


@pytest.mark.parametrize("way", ["busy", "stopped", "crashed", "waiting", "unknown"])
def test_the_claim_of_a_worker_that_has_the_task_is_never_released(stage: Stage, way: str) -> None:
    stage.configure("max_attempts = 1")
    number = ticket(stage, HERE, HANG)
    stage.fleet.dispatch("01", str(stage.calc), number)
    stage.until(lambda row: row.last_text == "here")
    if way in {"stopped", "waiting"}:
        stage.fleet.stop("01")
    if way == "waiting":
        tasks.save(home_of(stage), current(stage), state="waiting", wait_for="limit", wait_until=clock.in_seconds(3600))
    if way in {"crashed", "unknown"}:
        kill(stage)
    if way == "unknown":
        home_of(stage).task_file.write_text("{", encoding="utf-8")
    assert stage.fleet.status(["01"])[0].state == way
    assert "released" not in [one.did for one in stage.fleet.recover()]
    assert claimed(stage) == {number: "01"}


def test_of_dispatches_that_race_with_recovering_none_loses_its_claim(stage: Stage) -> None:
    stage.fleet.init("02", "03")
    numbers = [ticket(stage, HERE, HANG) for _ in range(3)]
    over = threading.Event()
    seen: list[Recovered] = []

    def recover() -> None:
        while not over.is_set():
            seen.extend(Fleet(stage.fleet.layout.root).recover())

    thread = threading.Thread(target=recover)
    thread.start()
    try:
        for number, worker in zip(numbers, ("01", "02", "03"), strict=True):
            stage.fleet.dispatch(worker, str(stage.calc), number)
    finally:
        over.set()
        thread.join()
    assert seen == []
    assert claimed(stage) == dict(zip(numbers, ("01", "02", "03"), strict=True))


@pytest.mark.parametrize("state", ["idle", "gone"])
def test_a_claim_that_was_left_on_github_is_released_once(on_github: GitHubStage, state: str) -> None:
    refusal = on_github.github.repository(REPO).bare / "refuse-namespace"
    number = on_github.file(ADD, DONE)
    on_github.fleet.dispatch("01", REPO, number)
    refusal.touch()
    assert on_github.end().outcome == "pull_request"
    refusal.unlink()
    assert len(on_github.claims()) == 1
    if state == "gone":
        remove_tree(on_github.home)
    [found] = on_github.fleet.recover()
    assert (found.did, found.worker) == ("released", "01")
    assert f"{REPO}#{number}" in found.said
    assert on_github.claims() == {}
    assert list(on_github.fleet.recover()) == []


def test_a_claim_on_github_of_a_worker_that_has_the_task_is_not_released(on_github: GitHubStage) -> None:
    on_github.start(HERE, HANG)
    on_github.until(lambda row: row.last_text == "here")
    assert list(on_github.fleet.recover()) == []
    on_github.fleet.stop("01")
    assert list(on_github.fleet.recover()) == []
    assert len(on_github.claims()) == 1


def test_a_forge_that_does_not_answer_is_told_and_the_tasks_go_on(on_github: GitHubStage) -> None:
    on_github.start(HERE, {"hang": True})
    on_github.until(lambda row: row.last_text == "here")
    on_github.fleet.stop("01")
    tasks.save(home_of(on_github), current(on_github), state="waiting", wait_for="limit",
               wait_until=clock.in_seconds(3600))  # fmt: skip
    on_github.github.limit("robot", remaining=0)
    found = list(on_github.fleet.recover())
    assert [(one.worker, one.did) for one in found] == [("", "failed")]
    assert REPO in found[0].said
    assert len(on_github.claims()) == 1


def litter(stage: Stage, task_id: str) -> list[Path]:
    """Leave in a home what a runner leaves that was killed."""
    home = stage.home
    folders = [home / f"runs/{task_id}/checkout", home / "github/local/calc.making", home / ".forge"]
    for one in folders:
        (one / "deep").mkdir(parents=True)
        (one / "deep/file").touch()
    run = home / f"runs/{task_id}"
    unfinished = [home / ".task.json.abcd1234", run / ".progress.json.a_b_c_d1", home / "completed/.x-1.json.abcdefgh"]
    for one in unfinished:
        one.touch()
    never = home / "runs/never-begun"
    never.mkdir()
    (never / "issue.json").write_text("{}", encoding="utf-8")
    return [*folders, *unfinished, never]


def test_what_dead_runs_left_is_cleared_and_nothing_else(stage: Stage) -> None:
    receipt = stage.play(ADD, DONE)
    before = set(listing(stage.fleet.layout.root))
    left = litter(stage, receipt.task_id)
    [found] = stage.fleet.recover()
    assert (found.worker, found.did) == ("01", "cleared")
    assert f"{len(left)} leftovers" in found.said
    assert set(listing(stage.fleet.layout.root)) == before
    nothing_more(stage)


@pytest.mark.parametrize("state", ["stopped", "waiting"])
def test_of_a_task_that_will_go_on_its_records_are_not_cleared(stage: Stage, state: str) -> None:
    stage.configure('disk_floor = "100000T"')
    task = stage.fleet.dispatch("01", str(stage.calc), ticket(stage, HERE, HANG))
    if state == "stopped":
        tasks.save(home_of(stage), current(stage), state="stopped", wait_for=None)
    nothing_more(stage)
    assert (stage.home / "runs" / task.task_id / "issue.json").exists()


def test_nothing_of_a_busy_worker_is_cleared(stage: Stage) -> None:
    task = stage.start(HERE, HANG)
    stage.until(lambda row: row.last_text == "here")
    left = litter(stage, task.task_id)
    assert list(stage.fleet.recover()) == []
    assert all(one.exists() for one in left)


def test_what_leads_out_of_a_home_is_not_followed(stage: Stage, tmp_path: Path) -> None:
    receipt = stage.play(ADD, DONE)
    precious = tmp_path / "precious"
    (precious / "checkout").mkdir(parents=True)
    (precious / "x.making").mkdir()
    for name in (f"runs/{receipt.task_id}/checkout", "github/local/y.making", ".forge", "runs/linked"):
        (stage.home / name).symlink_to(precious)
    list(stage.fleet.recover())
    assert {one.name for one in precious.iterdir()} == {"checkout", "x.making"}


@pytest.mark.parametrize("name", ["..env.abcd1234", "runs/{}/.prompt.md.abcd1234", ".claude/.settings.json.abcd1234"])
def test_an_unfinished_file_is_cleared_whatever_it_was_to_be(stage: Stage, name: str) -> None:
    receipt = stage.play({"text": "x"}, expect="answer")
    left = stage.home / name.format(receipt.task_id)
    left.write_text("ANTHROPIC_API_KEY=sk-ant-secret", encoding="utf-8")
    assert done(stage.fleet.recover()) == [("01", "cleared")]
    assert not left.exists()


def test_half_a_home_that_an_init_left_is_cleared_and_one_that_is_being_made_is_not(stage: Stage) -> None:
    root = stage.fleet.layout.root
    for name in (".init-07-abcd1234", ".init-08-abcd1234"):
        (root / name).mkdir()
        (root / name / ".env").write_text("ANTHROPIC_API_KEY=sk-ant-secret", encoding="utf-8")
    os.utime(root / ".init-07-abcd1234", (0, 0))
    assert done(stage.fleet.recover()) == [("", "cleared")]
    assert [one.name for one in root.glob(".init-*")] == [".init-08-abcd1234"]
    assert list(stage.fleet.recover()) == []


BROKEN: dict[str, str | bytes] = {
    "cut": '{"task_id": "',
    "kinds": '{"schema": 1, "task_id": 7, "worker": "01", "repo": {}, "branch": "b"}',
    "bytes": b"\xff\x00\xfe",
    "nested": "[" * 100_000,
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_worker_whose_task_cannot_be_read_is_left_alone_and_stops_no_other(stage: Stage, kind: str) -> None:
    stage.fleet.init("00")
    content = BROKEN[kind]
    place = home_of(stage, "00").task_file
    place.write_bytes(content if isinstance(content, bytes) else content.encode())
    crashed(stage)
    assert done(stage.fleet.recover()) == [("01", "resumed")]
    assert stage.fleet.status(["00"])[0].state == "unknown"


def test_a_worker_whose_home_is_broken_stops_no_other(stage: Stage) -> None:
    for worker in ("00", "0a"):
        stage.fleet.init(worker)
    for name in ("runs", "completed", "github"):
        remove_tree(stage.fleet.layout.root / f"00/{name}")
        (stage.fleet.layout.root / f"00/{name}").write_text("no folder", encoding="utf-8")
    (stage.fleet.layout.root / "0b").symlink_to("/nowhere")
    (stage.fleet.layout.root / "0c").touch()
    (stage.fleet.layout.root / "0d").mkdir()
    crashed(stage)
    assert ("01", "resumed") in done(stage.fleet.recover())


def test_a_home_that_the_system_does_not_let_us_read_stops_no_other(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.fleet.init("00")
    crashed(stage)
    plain = Path.iterdir

    def refused(self: Path) -> Iterator[Path]:
        if self == stage.fleet.layout.root / "00":
            raise PermissionError(13, "Permission denied", str(self))
        return iter(plain(self))

    monkeypatch.setattr(Path, "iterdir", refused)
    assert ("01", "resumed") in done(stage.fleet.recover())


def test_progress_of_the_wrong_kinds_stops_no_other(stage: Stage) -> None:
    stage.fleet.init("02")
    task = crashed(stage)
    path = home_of(stage).run(task.task_id) / "progress.json"
    path.write_text(
        json.dumps({**json.loads(path.read_text("utf-8")), "agent_pid": "12", "tries": 3}), encoding="utf-8"
    )
    stage.home.joinpath("github/local/x.making").mkdir()
    (stage.fleet.layout.root / "02/github/local/x.making").mkdir(parents=True)
    assert ("02", "cleared") in done(stage.fleet.recover())


def test_settings_that_are_wrong_are_told_of_each_task_and_change_nothing(stage: Stage) -> None:
    crashed(stage)
    stage.configure("nonsense = 1")
    before = listing(stage.fleet.layout.root)
    [found] = stage.fleet.recover()
    assert (found.did, "nonsense" in found.said) == ("failed", True)
    assert listing(stage.fleet.layout.root) == before


def test_a_ticket_that_somebody_else_has_taken_meanwhile_is_not_taken_back(stage: Stage) -> None:
    number = ticket(stage, HERE, HANG)
    task = stage.fleet.dispatch("01", str(stage.calc), number)
    stage.until(lambda row: row.last_text == "here")
    kill(stage)
    tickets = Tickets(stage.fleet.layout.tickets)
    tickets.release(number, task.task_id, "unclaimed")
    tickets.claim(number, "another", "77", ("elsewhere", "/other/root"))
    found = [one for one in stage.fleet.recover() if one.worker == "01"]
    assert [one.did for one in found] == ["failed"]
    assert current(stage).attempt == 1

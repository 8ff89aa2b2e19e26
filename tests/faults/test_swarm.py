"""A swarm: tickets with random dependencies through several workers and a random kill every few seconds."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from claude_workers import Fleet
from claude_workers.home import tasks
from claude_workers.home.home import every
from claude_workers.process.identity import send
from claude_workers.tickets.queue import Draft, Queue
from tests.conftest import git
from tests.desk import filed, holders
from tests.stage import DONE, Stage, steps

MERGED = "refs/claude-workers/merged/main"
WORKERS = ("01", "02", "03", "04")
SETTINGS = (
    'merge = "auto"\nverify = "sh check.sh"\nmax_attempts = 99\nbackoff = "0.02s"\ndisk_floor = 0\nmemory_floor = 0\n'
)
# Every ticket that is done must have left its file, whose number of lines is the number of times it was done.
CHECK = 'for one in t/*; do [ "$(wc -l < "$one")" = 1 ] || exit 1; done\n'


class Swarm:
    """A queue with a loop over it that is killed and begun again, as its workers are."""

    def __init__(self, stage: Stage, number: int, seed: int) -> None:
        self.fleet: Fleet = stage.fleet
        self.calc = stage.calc
        self.chance = random.Random(seed)
        self.queue = Queue(self.fleet.layout.tickets)
        self.kills = 0
        (self.calc / "t").mkdir()
        (self.calc / "t/0.txt").write_text("x\n", encoding="utf-8")
        (self.calc / "check.sh").write_text(CHECK, encoding="utf-8")
        git("add", ".", at=self.calc)
        git("commit", "--quiet", "-m", "Check", at=self.calc)
        stage.configure(SETTINGS)
        self.fleet.init(*WORKERS[1:])
        self.queue.create_all([(self._draft(one), self._before(one)) for one in range(number)])

    def _draft(self, place: int) -> Draft:
        name = f"t/{place + 1}.txt"
        done = f"git log --format=%s | grep -qx 'Ticket {place + 1}'"
        made = f"{done} || {{ echo x > {name}; git add {name}; git commit -qm 'Ticket {place + 1}'; }}"
        return Draft(str(self.calc), f"Ticket {place + 1}", steps({"run": made}, {"sleep": 0.2}, DONE))

    def _before(self, place: int) -> tuple[int, ...]:
        most = min(place, self.chance.choice([0, 0, 1, 2]))
        return tuple(self.chance.sample(range(place), most))

    def run(self, log: Path, pause: float) -> None:
        """Work until nothing is left, somebody being killed again and again."""
        over = threading.Event()
        killer = threading.Thread(target=self._kill, args=(over, pause))
        killer.start()
        try:
            with open(log, "a", encoding="utf-8") as output:
                while any(one.status != "done" for one in filed(self.queue.database.path)):
                    self.loop = subprocess.Popen(
                        [sys.executable, "-m", "claude_workers", "work", "--until-empty", "--interval", "0.5s"],
                        stdout=output, stderr=output,
                    )  # fmt: skip
                    self.loop.wait(3000)
        finally:
            over.set()
            killer.join()

    def _kill(self, over: threading.Event, pause: float) -> None:
        while not over.wait(self.chance.uniform(0.5, 1.5) * pause):
            if self.chance.random() < 0.2 and self.loop.poll() is None:
                self.loop.kill()
                self.kills += 1
                continue
            runners = [tasks.runner_of(task) for home in every(self.fleet.layout) if (task := tasks.state(home).task)]
            alive = [one for one in runners if one]
            if alive:
                self.kills += bool(send(self.chance.choice(alive), signal.SIGKILL))

    def assert_done(self, number: int) -> None:
        """Check that each ticket was done once, and the base is a line of verified commits."""
        found = filed(self.queue.database.path)
        assert [one.status for one in found] == ["done"] * number
        assert holders(self.queue.database.path) == {}
        subjects = git("log", "--format=%s", "--reverse", MERGED, at=self.calc).splitlines()
        assert subjects[:2] == ["Begin", "Check"]
        assert Counter(subjects[2:]) == Counter({f"Ticket {one + 1}": 1 for one in range(number)})
        assert git("rev-list", "--merges", MERGED, at=self.calc) == ""
        self._assert_verified()
        self._assert_order(subjects)
        for home in every(self.fleet.layout):
            assert tasks.state(home).name == "idle"

    def _assert_verified(self) -> None:
        place = self.calc.parent / "each"
        git("worktree", "add", "--quiet", "--detach", str(place), MERGED, at=self.calc)
        for commit in git("rev-list", f"main..{MERGED}", at=self.calc).split():
            git("checkout", "--quiet", commit, at=place)
            subprocess.run(["sh", "check.sh"], cwd=place, check=True)

    def _assert_order(self, subjects: list[str]) -> None:
        for one in self.queue.list(statuses=["done"]):
            for after in one.blocks:
                assert subjects.index(one.title) < subjects.index(f"Ticket {after}")


@pytest.mark.timeout(600)
def test_a_small_swarm_does_every_ticket_once(stage: Stage, tmp_path: Path) -> None:
    swarm = Swarm(stage, 8, 1)
    swarm.run(tmp_path / "log", 4.0)
    swarm.assert_done(8)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_two_hundred_tickets_are_done_once_whoever_is_killed(
    stage: Stage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    swarm, began = Swarm(stage, 200, 2), time.monotonic()
    swarm.run(tmp_path / "log", 4.0)
    swarm.assert_done(200)
    with capsys.disabled():
        print(f"\n200 tickets, {swarm.kills} kills, {time.monotonic() - began:.0f} s")

"""Many claimers: eight processes and five hundred tickets, ten times, none claimed twice and no error."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from claude_workers.tickets.queue import Draft, Queue
from tests.desk import holders
from tests.tickets.test_queue import CLAIMER

PROCESSES, TICKETS, TIMES = 8, 500, 10


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_eight_processes_claim_five_hundred_tickets_ten_times(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    began, claims = time.monotonic(), 0
    for turn in range(TIMES):
        queue = Queue(tmp_path / f"{turn}.db")
        queue.create_all([(Draft("/srv/repo", f"Ticket {number}"), ()) for number in range(TICKETS)])
        argv = [sys.executable, "-c", CLAIMER, str(queue.database.path)]
        agents = [
            subprocess.Popen([*argv, f"a{one}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for one in range(PROCESSES)
        ]
        told = [one.communicate(timeout=300) for one in agents]
        assert [(one.returncode, said[1]) for one, said in zip(agents, told, strict=True)] == [(0, "")] * PROCESSES
        taken = sorted(int(word) for printed, _ in told for word in printed.split())
        assert taken == list(range(1, TICKETS + 1))
        assert len(holders(queue.database.path)) == TICKETS
        claims += len(taken)
    with capsys.disabled():
        print(
            f"\n{claims} claims by {PROCESSES} processes, 0 double, 0 errors, {time.monotonic() - began:.1f} s in all"
        )

"""The watch over an agent: its start, its silence and its whole time, and what counts as work."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from claude_workers.agent.ending import Ending
from claude_workers.agent.watchdog import Watchdog
from claude_workers.config import Settings
from claude_workers.process.identity import Identity, identify
from claude_workers.process.tree import members
from tests.racing import until

LONG = 1000.0
SHORT = 0.02


@pytest.fixture
def transcript(tmp_path: Path) -> Path:
    """Where the agent's transcript will be."""
    return tmp_path / "session.jsonl"


@pytest.fixture
def leader() -> Iterator[Callable[[str], Identity]]:
    """Start agents as shell scripts."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(script: str) -> Identity:
        child = subprocess.Popen(["bash", "-c", script], stdin=subprocess.PIPE)
        started.append(child)
        found = identify(child.pid)
        assert found
        return found

    yield begin
    for child in started:
        child.kill()
        child.communicate()


def limits(*, total: float = LONG, first: float = LONG, silence: float = LONG) -> Settings:
    return Settings(time_limit=total, start_limit=first, silence_limit=silence)


def verdict(watchdog: Watchdog, leader: Identity | None = None) -> Ending:
    """Wait for the watch to say stop."""
    found: list[Ending] = []

    def look() -> bool:
        ending = watchdog.verdict(leader)
        if ending:
            found.append(ending)
        return bool(found)

    until(look, "the watch says stop")
    return found[0]


def wait(seconds: float) -> None:
    begun = time.monotonic()
    until(lambda: time.monotonic() - begun > seconds, "time passes")


def test_an_agent_that_never_speaks_is_ended(transcript: Path) -> None:
    found = verdict(Watchdog(limits(first=SHORT), worked=0, transcript=transcript))
    assert found.kind == "start"


def test_an_agent_that_spoke_has_started(transcript: Path) -> None:
    watchdog = Watchdog(limits(first=SHORT), worked=0, transcript=transcript)
    watchdog.heard()
    wait(SHORT)
    assert watchdog.verdict(None) is None


def test_an_agent_over_its_time_is_ended_however_much_it_speaks(transcript: Path) -> None:
    watchdog = Watchdog(limits(total=SHORT), worked=0, transcript=transcript)

    def speaks_on() -> Ending | None:
        watchdog.heard()
        return watchdog.verdict(None)

    until(speaks_on, "the watch says stop")
    assert verdict(watchdog).kind == "time"


def test_the_time_of_earlier_turns_counts(transcript: Path) -> None:
    ended = Watchdog(limits(total=LONG), worked=LONG, transcript=transcript).verdict(None)
    assert ended == Ending("time", "over the time limit of 16m 40s")
    assert Watchdog(limits(total=LONG), worked=LONG / 2, transcript=transcript).verdict(None) is None


def test_an_agent_that_fell_silent_is_ended(transcript: Path) -> None:
    watchdog = Watchdog(limits(silence=SHORT), worked=0, transcript=transcript)
    watchdog.heard()
    assert verdict(watchdog).kind == "silence"


def test_an_agent_that_keeps_speaking_is_left_alone(transcript: Path) -> None:
    watchdog = Watchdog(limits(silence=5 * SHORT), worked=0, transcript=transcript)
    wait(5 * SHORT)
    watchdog.heard()
    assert watchdog.verdict(None) is None


def test_an_idle_process_is_no_sign_of_work(transcript: Path, leader: Callable[[str], Identity]) -> None:
    agent = leader("read")
    watchdog = Watchdog(limits(silence=SHORT), worked=0, transcript=transcript)
    watchdog.heard()
    assert verdict(watchdog, agent).kind == "silence"


def silent(transcript: Path, agent: Identity) -> Watchdog:
    """Return a watch that has taken stock of a silent agent and has no patience left."""
    watchdog = Watchdog(limits(silence=SHORT), worked=0, transcript=transcript)
    watchdog.heard()
    wait(SHORT / 2)
    assert watchdog.verdict(agent) is None
    wait(SHORT)
    return watchdog


def test_a_transcript_that_grows_is_a_sign_of_work_and_one_that_stands_still_is_none(
    transcript: Path, leader: Callable[[str], Identity]
) -> None:
    agent = leader("read")
    watchdog = silent(transcript, agent)
    transcript.write_text("line\n", encoding="utf-8")
    assert watchdog.verdict(agent) is None
    wait(SHORT)
    assert verdict(watchdog, agent).kind == "silence"


def cpu(agent: Identity) -> int:
    return sum(one.cpu for one in members(agent))


def test_a_process_that_computes_is_a_sign_of_work(transcript: Path, leader: Callable[[str], Identity]) -> None:
    agent = leader("while :; do :; done")
    watchdog = silent(transcript, agent)
    before = cpu(agent)
    until(lambda: cpu(agent) > before + 3, "the agent computes")
    assert watchdog.verdict(agent) is None


def test_a_new_process_is_a_sign_of_work(transcript: Path, leader: Callable[[str], Identity], tmp_path: Path) -> None:
    agent = leader(f"exec 3<&0; until [ -e {tmp_path}/go ]; do read -t 0.005; done; (read <&3) & wait")
    watchdog = Watchdog(limits(silence=SHORT), worked=0, transcript=transcript)
    wait(SHORT / 2)
    watchdog.verdict(agent)
    (tmp_path / "go").touch()
    until(lambda: len(members(agent)) == 2, "the agent has a child")
    wait(SHORT)
    assert watchdog.verdict(agent) is None


def test_the_watch_says_how_long_the_turn_took(transcript: Path) -> None:
    watchdog = Watchdog(limits(), worked=LONG / 2, transcript=transcript)
    wait(SHORT)
    assert SHORT < watchdog.elapsed < 60

"""What users of programs like this one complain of, and what therefore never happens here: trust.

Collected here are the complaints about logins and tokens that are shared, run out or are shown, about walls
that quietly are none, and about whose words an agent gets to hear. The rest of the 25 are in the modules beside.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from claude_workers.errors import Refused, WorkerBusy
from claude_workers.pool import doctor
from tests.faults.test_complaints_processes import crash, holding
from tests.github.stage import REPO, GitHubStage
from tests.stage import ADD, DONE, WAIT, Stage, steps

HANG: list[dict[str, object]] = [{"text": "here"}, {"hang": True}]
LOGIN = ".claude/.credentials.json"


def logins(stage: Stage) -> tuple[str, str]:
    """Return what the doctor says of the homes' logins."""
    [found] = [one for one in doctor.examine(stage.fleet.layout) if one.what == "logins"]
    return found.state, found.said


def test_01_each_home_has_a_login_of_its_own_or_the_doctor_says_so(stage: Stage, tmp_path: Path) -> None:
    login = json.dumps({"claudeAiOauth": {"refreshToken": "sk-ant-ort01-of-the-operator"}})
    (tmp_path / "operator/.claude").mkdir()
    (tmp_path / "operator" / LOGIN).write_text(login, encoding="utf-8")
    stage.fleet.init("02")
    stage.fleet.refresh("01")
    for worker in ("01", "02"):
        assert not (stage.fleet.layout.root / worker / LOGIN).exists()
    (stage.home / LOGIN).write_text(login, encoding="utf-8")
    assert logins(stage)[0] == "ok"
    stage.fleet.refresh("02")
    assert not (stage.fleet.layout.root / "02" / LOGIN).exists()
    shutil.copy(stage.home / LOGIN, stage.fleet.layout.root / "02" / LOGIN)
    state, said = logins(stage)
    assert state == "failed"
    assert "01" in said
    assert "02" in said
    assert "sk-ant" not in said


@pytest.mark.parametrize("kept", ["file", "command"])
def test_02_a_token_that_runs_out_while_the_agent_works_is_renewed_by_the_time_it_publishes(
    on_github: GitHubStage, token: str, kept: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GH_TOKEN")
    place = tmp_path / "operator/token"
    place.write_text(token, encoding="utf-8")
    reference = {"file": f'{{ file = "{place}" }}', "command": f'{{ command = "cat {place}" }}'}[kept]
    on_github.configure(f'credential_set = "team"\n[credentials.team]\nforge_token = {reference}\n')
    on_github.start(WAIT, ADD, DONE)
    place.write_text(on_github.github.token("robot"), encoding="utf-8")
    on_github.github.revoke(token)
    on_github.go()
    receipt = on_github.end()
    assert receipt.outcome == "pull_request"
    assert len(on_github.pulls()) == 1
    assert on_github.claims() == {}


def test_03_an_agent_needs_no_way_to_the_forge_for_its_work_to_get_there(on_github: GitHubStage) -> None:
    ways = f"git push -q origin HEAD || git ls-remote {on_github.github.url}/{REPO}.git || env | grep -E '^(GH|SSH)_'"
    reach = {"run": f"{{ {ways}; }} && touch out.txt && git add out.txt && git commit -qm Out"}
    receipt = on_github.play(ADD, reach, DONE)
    assert (receipt.outcome, receipt.files_changed) == ("pull_request", ["calc.py"])
    assert on_github.github.refs(REPO, "refs/heads/w01/") == {f"refs/heads/{receipt.branch}": receipt.head}


@pytest.mark.parametrize("why", ["gone", "broken"])
def test_04_without_an_enclosure_nothing_is_started_less_isolated(
    stage: Stage, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = stage.start(*HANG)
    stage.until(lambda row: row.last_text == "here")
    crash(stage)
    stage.fleet.init("02")
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("git", "sh"):
        (programs / name).symlink_to(str(shutil.which(name)))
    if why == "broken":
        (programs / "bwrap").write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
        (programs / "bwrap").chmod(0o755)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(programs))
        for level in (None, "enclosure", "double"):
            with pytest.raises(Refused, match="no enclosure"):
                stage.fleet.dispatch("02", str(stage.calc), prompt=steps(ADD, DONE), isolation=level)
        with pytest.raises(Refused, match="no enclosure"):
            stage.fleet.restart("01")
        [found] = stage.fleet.recover()
        assert (found.did, found.said[:12]) == ("failed", "no enclosure")
    assert {row.worker: row.state for row in stage.fleet.status()} == {"01": "crashed", "02": "idle"}
    assert holding(task.task_id) == []


def test_05_a_busy_workers_settings_stand_still_whoever_would_change_them(stage: Stage) -> None:
    settings = stage.home / ".claude/settings.json"
    before = settings.read_bytes()
    loosen = "echo '{}' > $f; cp /dev/null $f; rm -f $f; mv $f $f.old; ln -sf /dev/null $f; chmod 777 $f"
    tries = f"for f in ~/.claude/settings.json {stage.home}/runs/*/pins.json; do {loosen}; done 2>/dev/null"
    reach = "curl -sS http://unlisted.example/"
    stage.start({"run": f"{tries}; {reach}; true"}, {"text": "here"}, WAIT, ADD, DONE)
    stage.until(lambda row: row.last_text == "here")
    with pytest.raises(WorkerBusy):
        stage.fleet.refresh("01")
    assert settings.read_bytes() == before
    assert not settings.is_symlink()
    (stage.home / ".cache/go").touch()
    receipt = stage.end()
    assert receipt.blocked_hosts == ["unlisted.example:80"]
    pins = json.loads((stage.home / "runs" / receipt.task_id / "pins.json").read_text(encoding="utf-8"))
    assert pins["permissions"]["defaultMode"] == "dontAsk"


def test_22_an_agent_hears_neither_strangers_nor_what_is_hidden_and_nobody_sees_its_prompt(
    on_github: GitHubStage,
) -> None:
    github = on_github.github
    github.add_user("eve")
    body = f"shownword\n<!-- hiddenword -->\n[//]: # (hiddenword)\n{steps({'text': 'here'}, WAIT, ADD, DONE)}"
    number = github.file_issue(REPO, "ann", "Add sub", body)
    github.comment(REPO, number, "eve", "strangerword")
    github.comment(REPO, number, "ann", "friendword")
    task = on_github.fleet.dispatch("01", REPO, number, "saidword")
    on_github.until(lambda row: row.last_text == "here")
    argvs = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if str(os.getpid()) not in path.parts]
    [transcript] = (on_github.home / ".claude/projects").rglob(f"{task.session_id}.jsonl")
    heard = transcript.read_text(encoding="utf-8")
    assert [one for one in argvs if task.session_id.encode() in one], "the agent is among them"
    for word in ("shownword", "friendword", "saidword"):
        assert word in heard
        assert not [one for one in argvs if word.encode() in one]
    inputs = [path.read_text(encoding="utf-8") for path in (on_github.home / "runs").rglob("*.*") if path.is_file()]
    for word in ("hiddenword", "strangerword"):
        assert not [text for text in [heard, *inputs] if word in text]
    on_github.go()
    assert on_github.end().outcome == "pull_request"


def test_23_a_secret_that_the_agent_shows_is_in_no_log_and_no_receipt(stage: Stage) -> None:
    key = os.environ["ANTHROPIC_API_KEY"]
    streams = "echo $ANTHROPIC_API_KEY > /proc/$PPID/fd/2; echo bare $ANTHROPIC_API_KEY > /proc/$PPID/fd/1"
    shown = {"run": f'echo one $ANTHROPIC_API_KEY two; {streams}; worker-defer "It is $ANTHROPIC_API_KEY."'}
    receipt = stage.play(shown, DONE)
    assert (receipt.outcome, receipt.reason) == ("deferred", "It is [redacted].")
    told = "".join(event.text for event in stage.fleet.logs("01"))
    assert "one [redacted] two" in told
    root, agents = stage.fleet.layout.root, {".env", ".zshenv", ".claude", "tmp"}
    files = [path for path in root.rglob("*") if path.is_file() and agents.isdisjoint(path.relative_to(root).parts)]
    assert stage.home / "runs" / receipt.task_id / "receipt.json" in files
    assert [path for path in files if key.encode() in path.read_bytes()] == []
    others = [path for path in (stage.home, *(stage.home / "runs").rglob("*")) if path.stat().st_mode & 0o077]
    assert others == []

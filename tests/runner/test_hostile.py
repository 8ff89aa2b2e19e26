"""Hostile agents: what they leave and say leads our programs nowhere and stops no worker."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from claude_workers.files import remove_tree
from tests.conftest import git, make_repository
from tests.stage import ADD, Stage


def test_a_clone_that_points_elsewhere_brings_nothing_from_there(stage: Stage, tmp_path: Path) -> None:
    private = make_repository(tmp_path / "private")
    (private / "secret").write_text("the operator's own", encoding="utf-8")
    git("add", ".", at=private)
    git("commit", "-qm", "Secret", at=private)
    lead = {"run": f"mv .git away; echo 'gitdir: {private}/.git' > .git; mkdir -p away/objects/info"}
    link = {"run": f"echo {private}/.git/objects >> away/objects/info/alternates"}
    stage.play(lead, link, {"text": "x"})
    listed = git("for-each-ref", "--format=%(objectname)", at=stage.bare()).split()
    for sha in listed:
        assert "secret" not in git("ls-tree", "-r", "--name-only", sha, at=stage.bare())


def test_hooks_and_filters_of_a_clone_do_not_act_when_it_is_carried(stage: Stage) -> None:
    hook = "printf '#!/bin/sh\\ntouch /tmp/acted ~/.cache/acted\\n' > hook.sh; chmod +x hook.sh"
    lay = "git config core.fsmonitor $PWD/hook.sh; git config filter.x.clean $PWD/hook.sh"
    lay += "; echo '* filter=x' > .gitattributes"
    hooks = "for n in pre-commit reference-transaction post-index-change; do cp hook.sh .git/hooks/$n; done"
    stage.play({"run": f"{hook}; {lay}; {hooks}; rm -f ~/.cache/acted"}, {"text": "x"}, expect="answer")
    assert not (stage.home / ".cache" / "acted").exists()


def test_what_a_worker_left_unfinished_is_not_another_workers_to_read(stage: Stage) -> None:
    stage.play({"run": "echo s3cret > .env.local"}, {"text": "x"}, expect="answer")
    stage.fleet.init("02")
    objects = "B=$(git config remote.origin.url); git --git-dir=$B cat-file --batch-all-objects --batch"
    look = {"run": f"{objects} | grep -a s3cret && echo FOUND; ls $(dirname $B)"}
    stage.fleet.dispatch(
        "02", str(stage.calc), prompt=f"Play.\n```stand-in\n{json.dumps([look, {'text': 'y'}])}\n```\n"
    )
    stage.fleet.watch(["02"], timeout=60)
    said = " ".join(event.text for event in stage.fleet.logs("02") if event.kind in {"output", "refused"})
    assert "calc.git" in said
    assert "FOUND" not in said
    assert "made" not in said


@pytest.mark.parametrize(
    "leave",
    [
        'python3 -c \'import os\nfor _ in range(2500): os.mkdir("d"); os.chdir("d")\'',
        "mkdir -p $TMPDIR/a/b; touch $TMPDIR/a/b/f; chmod 000 $TMPDIR/a/b $TMPDIR/a",
        "rm -rf ~/.claude/tasks; echo x > ~/.claude/tasks",
        "mkfifo ~/.claude/pipe $TMPDIR/pipe $TMPDIR/outbox/defer",
        "rm -rf $TMPDIR/outbox; ln -s /etc $TMPDIR/outbox",
        "ln -s /etc ~/.cache/link; mkdir -p ~/.claude/projects/x; ln -s /etc ~/.claude/projects/x/memory",
        "chmod 000 .",
        "rm -rf .git/refs; echo nonsense > .git/packed-refs",
        "git checkout -q --orphan lost; git rm -rqf .",
    ],
)
def test_what_one_task_leaves_does_not_stop_the_next(stage: Stage, leave: str) -> None:
    stage.play({"run": leave}, {"text": "x"}, expect="answer")
    assert stage.play(ADD, {"text": "y"}, expect="change").outcome == "pull_request"


@pytest.mark.parametrize(
    "line",
    [
        '{"type": "assistant", "message": [1]}',
        '{"type": "assistant", "message": {"content": "\\ud800"}}',
        '{"type": "result", "subtype": ["x"], "usage": {"a": {}}, "permission_denials": [1], "result": 5}',
        "[" * 100_000,
        "\u0000\u0001",
        '{"type": "system", "subtype": "api_retry", "error_status": []}',
        '{"type": "rate_limit_event", "rate_limit_info": {"status": "rejected", "resetsAt": 1e400}}',
    ],
)
def test_no_line_of_the_stream_stops_the_runner(stage: Stage, line: str) -> None:
    receipt = stage.play({"raw": line}, ADD, {"text": "Done."}, expect="change")
    assert receipt.outcome == "pull_request"


def test_nothing_an_agent_says_acts_on_the_terminal(stage: Stage) -> None:
    stage.play({"run": "worker-defer \"$(printf 'bad \\033]0;x\\007 end')\""}, {"text": "x"}, expect="answer")
    [row] = stage.fleet.status(["01"])
    shown = [str(row.reason), *(event.text for event in stage.fleet.logs("01"))]
    assert "bad" in str(row.reason)
    assert all("\x1b" not in one for one in shown)


def test_a_login_that_an_agent_planted_is_gone_with_its_task(stage: Stage) -> None:
    stage.play({"run": "echo '{}' > ~/.claude/.credentials.json"}, {"text": "x"}, expect="answer")
    receipt = stage.play(
        {"run": "ls -A ~/.claude | grep -q credentials && touch found; git add -A"}, ADD, {"text": "y"}
    )
    assert receipt.files_changed == ["calc.py"]


def test_private_folders_below_the_system_are_covered(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can put homes below /opt")
    root = Path("/opt/claude-workers-test")
    monkeypatch.setenv("CLAUDE_WORKERS_ROOT", str(root))
    try:
        moved = Stage(stage.calc)
        moved.fleet.init("02")
        look = {"run": f"cat {root}/02/.env; ls {root}"}
        moved.play(look, {"text": "x"}, expect="answer")
        said = " ".join(event.text for event in moved.fleet.logs("01") if event.kind in {"output", "refused"})
        assert "sk-ant" not in said
        assert "02" not in said.split()
    finally:
        remove_tree(root)

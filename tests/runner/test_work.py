"""What becomes of an agent's work: published, answered, sent back, kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from claude_workers.errors import Refused
from claude_workers.tickets.tickets import Tickets
from tests.conftest import git
from tests.desk import holders
from tests.stage import ADD, Stage, steps


def issue(stage: Stage, *script: Mapping[str, object]) -> int:
    """File a ticket that carries a script."""
    tickets = Tickets(stage.fleet.layout.tickets)
    return tickets.create(str(stage.calc), "Add sub", steps(*script), "ann")


def test_a_ticket_becomes_a_branch_a_change_a_label_and_one_comment(stage: Stage) -> None:
    number = issue(stage, ADD, {"text": "Added."})
    stage.fleet.dispatch("01", str(stage.calc), number)
    tickets = Tickets(stage.fleet.layout.tickets)
    receipt = stage.end()
    assert receipt.outcome == "pull_request"
    assert receipt.branch == f"w01/issue-{number}"
    assert receipt.pull_request == "change/1"
    assert git("rev-parse", receipt.branch, at=stage.calc) == receipt.head
    found = tickets.read(number)
    assert found.labels == ["pull-request"]
    assert [one.author for one in found.comments] == ["claude-workers"]
    assert "unverified" in found.comments[0].body
    assert holders(tickets) == {}
    assert tickets.change(str(stage.calc), receipt.branch)


def test_while_it_works_the_issue_is_claimed_and_labelled(stage: Stage) -> None:
    number = issue(stage, {"hang": True})
    stage.fleet.dispatch("01", str(stage.calc), number)
    tickets = Tickets(stage.fleet.layout.tickets)
    assert holders(tickets) == {number: "01"}
    assert tickets.read(number).labels == ["worker:01"]
    stage.fleet.stop("01")


def test_a_failure_keeps_the_label_and_says_why(stage: Stage) -> None:
    number = issue(stage, {"text": "Nothing to do."})
    stage.fleet.dispatch("01", str(stage.calc), number)
    assert stage.end().outcome == "no_change"
    found = Tickets(stage.fleet.layout.tickets).read(number)
    assert found.labels == ["worker:01"]
    assert "Nothing was changed" in found.comments[0].body


def test_the_same_issue_again_continues_the_open_change(stage: Stage) -> None:
    more = {"run": "git log --format=%s; echo '# more' >> calc.py; git commit -qam More"}
    number = issue(stage, ADD, {"text": "Added."})
    stage.fleet.dispatch("01", str(stage.calc), number)
    first = stage.end()
    stage.fleet.dispatch("01", str(stage.calc), number, prompt=steps(more, {"text": "More."}))
    second = stage.end()
    assert (second.branch, second.pull_request) == (first.branch, first.pull_request)
    assert git("log", "--format=%s", f"main..{second.branch}", at=stage.calc) == "More\nAdd sub"


def test_a_branch_of_somebody_elses_is_left_alone(stage: Stage) -> None:
    number = issue(stage, ADD, {"text": "Added."})
    git("branch", f"w01/issue-{number}", at=stage.calc)
    stage.fleet.dispatch("01", str(stage.calc), number)
    assert stage.end().branch == f"w01/issue-{number}-2"


def test_the_gate_of_the_base_decides_not_the_agents(stage: Stage) -> None:
    (stage.calc / ".claude-workers.toml").write_text('verify = "./check.sh"\nverify_retries = 0\n', encoding="utf-8")
    (stage.calc / "check.sh").write_text("#!/bin/sh\n! grep -q sub calc.py\n", encoding="utf-8")
    (stage.calc / "check.sh").chmod(0o755)
    git("add", ".", at=stage.calc)
    git("commit", "-qm", "Gate", at=stage.calc)
    cheat = {"run": "echo 'verify = \"true\"' > .claude-workers.toml; git commit -qam Cheat"}
    receipt = stage.play(ADD, cheat, {"text": "Done."}, expect="change")
    assert receipt.outcome == "verify_failed"
    assert receipt.gate_changes == [".claude-workers.toml"]


def test_a_change_to_the_gates_script_is_named(stage: Stage) -> None:
    (stage.calc / "check.sh").write_text("#!/bin/sh\nfalse\n", encoding="utf-8")
    git("add", ".", at=stage.calc)
    git("commit", "-qm", "Gate", at=stage.calc)
    stage.configure('[repos."local/calc"]\nverify = "sh ./check.sh"\n')
    receipt = stage.play({"run": "echo true > check.sh; git commit -qam Cheat"}, {"text": "Done."}, expect="change")
    assert receipt.outcome == "pull_request"
    assert receipt.gate_changes == ["check.sh"]


def test_conflict_markers_are_never_published(stage: Stage) -> None:
    mark = {"run": "printf '<<<<<<< a\\n=======\\n>>>>>>> b\\n' >> calc.py; git commit -qam Merge"}
    receipt = stage.play(mark, {"text": "Done."}, expect="change")
    assert receipt.outcome == "verify_failed"
    assert "calc.py" in json.dumps(receipt.verify)


def test_verify_sees_neither_the_agents_home_nor_its_leftovers(stage: Stage) -> None:
    gate = '[ ! -e notes.txt ] && [ ! -e $HOME/.claude ] && [ -z \\"$ANTHROPIC_API_KEY\\" ]'
    stage.configure(f'[repos."local/calc"]\nverify = "{gate}"\n')
    receipt = stage.play(ADD, {"run": "echo x > notes.txt"}, {"text": "Done."}, expect="change")
    assert receipt.outcome == "pull_request"
    assert receipt.verified


def test_setup_runs_before_verify_and_its_failure_fails_the_gate(stage: Stage) -> None:
    stage.configure('[repos."local/calc"]\nsetup = "test -e made || exit 3"\nverify = "true"\nverify_retries = 0\n')
    receipt = stage.play(ADD, {"text": "Done."}, expect="change")
    assert receipt.outcome == "verify_failed"
    assert any("setup failed" in note for note in receipt.notes)


def test_a_required_setup_that_fails_ends_the_task(stage: Stage) -> None:
    stage.configure('[repos."local/calc"]\nsetup = "exit 3"\nsetup_required = true\n')
    receipt = stage.play(ADD, {"text": "Done."}, expect="change")
    assert receipt.outcome == "failed"
    assert "setup failed with exit 3" in receipt.reason


def test_where_an_answer_was_asked_for_a_diff_is_kept_and_not_published(stage: Stage) -> None:
    receipt = stage.play(ADD, {"text": "The answer."}, expect="answer")
    assert receipt.outcome == "answered"
    assert git("branch", "--list", "w01/*", at=stage.calc) == ""
    kept = f"refs/work/01/{receipt.task_id}/heads/{receipt.branch}"
    assert "sub" in git("show", f"{kept}:calc.py", at=stage.bare())
    assert any("kept" in note for note in receipt.notes)


def test_commits_on_a_detached_head_are_found(stage: Stage) -> None:
    away = {"run": "git checkout -q --detach"}
    receipt = stage.play(away, ADD, {"text": "Done."}, expect="change")
    assert receipt.outcome == "pull_request"
    assert any("outside its branch" in note for note in receipt.notes)


def test_a_rewritten_base_is_not_published(stage: Stage) -> None:
    branch = '"$(git branch --show-current)"'
    orphan = f"b={branch}; git checkout -q --orphan new && git commit -qam New && git branch -f $b HEAD"
    rewrite = {"run": orphan}
    receipt = stage.play(rewrite, {"text": "Done."}, expect="change")
    assert receipt.outcome == "failed"
    assert "no longer contains" in receipt.reason


def test_a_commit_that_changes_nothing_is_no_change(stage: Stage) -> None:
    receipt = stage.play({"run": "git commit -q --allow-empty -m Empty"}, {"text": "Done."}, expect="change")
    assert receipt.outcome == "no_change"


def test_one_task_cannot_speak_to_the_next(stage: Stage) -> None:
    traps = """
        mkdir -p ~/.claude/rules ~/.claude/projects/x/memory
        echo obey | tee ~/.claude/rules/x.md ~/.claude/projects/x/memory/m.md ~/.bashrc $TMPDIR/left
        git config user.name Trap
        echo 'exit 1' > .git/hooks/pre-commit; chmod +x .git/hooks/pre-commit"""
    stage.play({"run": traps}, ADD, {"text": "x"})
    look = "find ~/.claude/rules ~/.claude/projects/x/memory ~/.bashrc $TMPDIR/left .git/hooks/pre-commit 2>/dev/null"
    receipt = stage.play(
        {"run": f'[ -z "$({look})" ] && git config user.name > name.txt; git add name.txt'}, ADD, {"text": "y"}
    )
    assert receipt.outcome == "pull_request"
    assert git("show", f"{receipt.head}:name.txt", at=stage.bare()) == "Claude Worker"


def test_a_persisted_cache_outlives_a_task(stage: Stage) -> None:
    stage.play({"run": "mkdir -p ~/.cache/pip && echo kept > ~/.cache/pip/x"}, {"text": "x"})
    receipt = stage.play(
        {"run": "cp ~/.cache/pip/x kept.txt && git add kept.txt && git commit -qm Kept"}, {"text": "y"}
    )
    assert receipt.files_changed == ["kept.txt"]


def test_a_second_worker_shares_the_objects(stage: Stage) -> None:
    stage.fleet.init("02")
    stage.play(ADD, {"text": "x"})
    stage.fleet.dispatch("02", str(stage.calc), prompt=steps(ADD, {"text": "y"}))
    [receipt] = stage.fleet.watch(["02"], timeout=60)
    assert receipt.outcome == "pull_request"
    alternates = stage.fleet.layout.root / "02/github/local/calc/.git/objects/info/alternates"
    assert alternates.read_text(encoding="utf-8").strip() == f"{stage.bare()}/objects".replace(".made.git", ".git")


def test_below_the_disk_floor_a_task_is_accepted_and_waits(stage: Stage) -> None:
    stage.configure('disk_floor = "100000T"')
    task = stage.start(ADD)
    assert (task.state, task.wait_for) == ("waiting", "disk")
    row = stage.fleet.status(["01"])[0]
    assert row.state == "waiting"
    assert "disk_floor" in str(row.reason)
    assert stage.fleet.restart("01").state == "waiting"
    stage.configure('disk_floor = "1M"')
    stage.fleet.restart("01")
    assert stage.end().outcome == "pull_request"


def test_a_stopped_task_is_rescued_before_its_worker_is_reset(stage: Stage) -> None:
    task = stage.start({"run": "echo precious > precious.txt"}, {"text": "written"}, {"hang": True})
    stage.until(lambda row: row.last_text == "written")
    stage.fleet.stop("01")
    receipt = stage.fleet.reset("01")
    assert receipt
    assert receipt.outcome == "stopped"
    assert git("show", f"refs/work/01/{task.task_id}/state:precious.txt", at=stage.bare()) == "precious"
    stage.fleet.remove("01")


def test_remove_refuses_a_clone_that_could_not_be_rescued_until_it_is_meant(stage: Stage) -> None:
    stage.start({"text": "here"}, {"hang": True})
    stage.until(lambda row: row.last_text == "here")
    stage.fleet.stop("01")
    (stage.home / "github/local/calc/.git/HEAD").write_text("nonsense", encoding="utf-8")
    for verb in (stage.fleet.reset, stage.fleet.remove):
        with pytest.raises(Exception, match=r"rescued|has a task"):
            verb("01")
    assert (stage.home / "github/local/calc").is_dir()
    stage.fleet.remove("01", discard=True)
    assert not stage.home.exists()


def test_a_level_that_cannot_be_had_is_never_replaced_by_a_weaker_one(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "bin"
    broken.mkdir()
    (broken / "bwrap").write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    (broken / "bwrap").chmod(0o755)
    monkeypatch.setenv("PATH", f"{broken}:/usr/bin:/bin")
    with pytest.raises(Refused):
        stage.start(ADD)
    assert stage.fleet.status(["01"])[0].state == "idle"


@pytest.mark.parametrize("expect", ["either", "answer"])
def test_an_answer_becomes_the_comment(stage: Stage, expect: str) -> None:
    number = issue(stage, {"text": "One module, calc.py."})
    stage.fleet.dispatch("01", str(stage.calc), number, expect=expect)
    assert stage.end().outcome == "answered"
    found = Tickets(stage.fleet.layout.tickets).read(number)
    assert found.comments[0].body.startswith("One module, calc.py.")
    assert found.labels == ["answered"]


def test_named_task_ids_are_answered_even_after_their_end(stage: Stage) -> None:
    name = "0b9f3c52-5c1e-4f7e-9a3e-3f2f6f1f7c11"
    stage.play(ADD, {"text": "x"}, task_id=name)
    again = stage.start(ADD, {"text": "x"}, task_id=name)
    assert again.task_id == name
    assert stage.fleet.status(["01"])[0].state == "idle"

"""Merging: what passes lands on its base, linear and verified there, and nothing else does."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest

from claude_workers import Receipt, Task
from claude_workers.tickets.queue import Draft, Queue
from tests.conftest import git
from tests.desk import filed
from tests.racing import race
from tests.stage import ADD, DONE, WAIT, Stage, steps

MERGED = "refs/claude-workers/merged/main"
MUL = {"run": "printf 'def mul(a, b):\\n    return a * b\\n' > mul.py && git add . && git commit -qm 'Add mul'"}
TURN: dict[str, object] = {"turn": True}


@pytest.fixture
def merging(stage: Stage) -> Stage:
    """A stage where what passes is merged."""
    stage.configure('merge = "auto"\nverify = "python3 -c \'import calc\'"\nverify_retries = 1\n')
    return stage


def tip(stage: Stage, ref: str = MERGED) -> str:
    return git("rev-parse", ref, at=stage.calc)


def elsewhere(stage: Stage, text: str, subject: str = "Elsewhere", name: str = "calc.py") -> str:
    """Commit something to main as a person would, and return it."""
    with open(stage.calc / name, "a", encoding="utf-8") as stream:
        stream.write(text)
    git("add", ".", at=stage.calc)
    git("commit", "--quiet", "-m", subject, at=stage.calc)
    return tip(stage, "main")


def subjects(stage: Stage, ref: str = MERGED) -> list[str]:
    assert git("rev-list", "--merges", ref, at=stage.calc) == ""
    return git("log", "--format=%s", "--reverse", ref, at=stage.calc).splitlines()


def meanwhile(stage: Stage, text: str, *script: Mapping[str, object], name: str = "calc.py") -> Receipt:
    """Play a script that waits until a person has committed something to main."""
    stage.start(WAIT, *script)
    stage.until(lambda _: (stage.home / ".cache/came").exists())
    elsewhere(stage, text, name=name)
    (stage.home / ".cache/go").touch()
    return stage.end()


def test_what_passes_lands_and_the_working_tree_stays_as_it_was(merging: Stage) -> None:
    (merging.calc / "calc.py").write_text("unfinished\n", encoding="utf-8")
    before = tip(merging, "main")
    receipt = merging.play(ADD, DONE)
    assert (receipt.outcome, receipt.reason) == ("pull_request", "")
    assert receipt.merged == receipt.head == tip(merging)
    assert receipt.verify
    assert receipt.verify["sha"] == receipt.head
    assert tip(merging, "main") == before
    assert (merging.calc / "calc.py").read_text(encoding="utf-8") == "unfinished\n"
    assert git("status", "--porcelain", at=merging.calc) == "M calc.py"
    assert subjects(merging) == ["Begin", "Add sub"]


def test_a_tickets_change_that_lands_makes_the_ticket_done_and_frees_what_waited(merging: Stage) -> None:
    queue = Queue(merging.fleet.layout.tickets)
    first = queue.create(Draft(str(merging.calc), "Add sub", steps(ADD, DONE)))
    second = queue.create(Draft(str(merging.calc), "Then", blocked_by=(first,)))
    merging.fleet.dispatch("01", str(merging.calc), first)
    assert merging.end().merged
    assert [one.status for one in filed(queue.database.path)] == ["done", "open"]
    assert queue.read(second).blocked_by == []
    assert [one.action for one in queue.log(first)][:3] == ["done", "labelled", "commented"]
    assert "merged" in [one.action for one in queue.log(first)]
    assert "merged at" in queue.read(first).comments[-1].body


def test_the_next_task_begins_with_what_was_merged(merging: Stage) -> None:
    first = merging.play(ADD, DONE)
    second = merging.play({"run": "grep -q sub calc.py && git log -1 --format=%s origin/main"}, MUL, DONE)
    assert second.base == first.merged
    assert subjects(merging) == ["Begin", "Add sub", "Add mul"]


@pytest.mark.parametrize("kind", ["bare", "other"])
def test_a_base_that_nobody_has_checked_out_is_moved_itself(kind: str, merging: Stage, tmp_path: Path) -> None:
    place = merging.calc
    if kind == "bare":
        place = tmp_path / "hub.git"
        git("clone", "--quiet", "--bare", str(merging.calc), str(place), at=tmp_path)
    else:
        git("switch", "--quiet", "-c", "mine", at=place)
    merging.fleet.dispatch("01", str(place), prompt=steps(ADD, DONE), base="main")
    receipt = merging.end()
    assert git("rev-parse", "main", at=place) == receipt.merged
    assert git("for-each-ref", "refs/claude-workers", at=place) == ""


def test_a_base_that_moved_is_rebased_onto_and_verified_again(merging: Stage) -> None:
    receipt = meanwhile(merging, "x = 1\n", MUL, DONE, name="other.py")
    assert receipt.merged == tip(merging)
    assert receipt.verify
    assert receipt.verify["sha"] == receipt.merged
    assert receipt.base == tip(merging, "main")
    assert receipt.files_changed == ["mul.py"]
    assert subjects(merging) == ["Begin", "Elsewhere", "Add mul"]
    assert git("log", "-1", "--format=%an", receipt.branch, at=merging.calc) == git(
        "log", "-1", "--format=%an", MERGED, at=merging.calc
    )
    assert tip(merging, receipt.branch) == receipt.merged


def test_a_branch_with_merges_of_its_own_lands_as_one_commit(merging: Stage) -> None:
    aside = "git switch -qc aside && touch a && git add a && git commit -qm Aside && git switch -q - &&"
    receipt = merging.play({"run": f"{aside} true"}, MUL, {"run": "git merge -q --no-ff -m Both aside"}, DONE)
    assert receipt.merged
    assert subjects(merging) == ["Begin", "Both"]
    assert git("ls-tree", "--name-only", MERGED, at=merging.calc).split() == ["a", "calc.py", "mul.py"]


def resolving(onto: str) -> dict[str, object]:
    """Return a step that rebases by hand, both sides kept."""
    return {
        "run": f"git rebase -q {onto} || {{ sed -i '/^[<=>]\\{{7\\}}/d' calc.py && git add calc.py &&"
        " GIT_EDITOR=true git rebase --continue; }"
    }


def test_a_conflict_goes_back_to_the_agent_who_brings_both_in(merging: Stage) -> None:
    # The tip is known to the agent by the message alone; the mirror shows it under its name, too.
    onto = "$(git --git-dir=$(git config remote.origin.url) rev-parse refs/upstream/heads/main)"
    receipt = meanwhile(merging, "def neg(a):\n    return -a\n", ADD, TURN, resolving(onto), DONE)
    assert (receipt.reason, receipt.merged) == ("", tip(merging))
    assert subjects(merging) == ["Begin", "Elsewhere", "Add sub"]
    landed = git("show", f"{MERGED}:calc.py", at=merging.calc)
    assert "sub" in landed
    assert "neg" in landed
    told = [one.text for one in merging.fleet.logs("01") if one.kind == "prompt"]
    assert f"git rebase {tip(merging, 'main')}" in told[-1]
    assert any(one.text.startswith("conflicts with main") for one in merging.fleet.logs("01"))


def test_a_conflict_that_the_agent_does_not_resolve_is_left_to_a_person(merging: Stage) -> None:
    receipt = meanwhile(merging, "def neg(a):\n    return -a\n", ADD, TURN, {"text": "I do not know."})
    assert (receipt.outcome, receipt.merged) == ("pull_request", "")
    assert receipt.reason.startswith("not merged: ")
    assert tip(merging, receipt.branch) == receipt.head
    assert git("merge-base", receipt.base, receipt.head, at=merging.calc) == receipt.base
    assert git("for-each-ref", "refs/claude-workers", at=merging.calc) == ""


def test_what_does_not_pass_on_the_moved_base_is_mended_by_the_agent_or_not_merged(merging: Stage) -> None:
    gate = "python3 -c 'import calc; import other; assert not hasattr(other, chr(120)) or hasattr(calc, chr(121))'"
    (merging.calc / "other.py").write_text("", encoding="utf-8")
    elsewhere(merging, "", "Other", "other.py")
    merging.configure(f'merge = "auto"\nverify = "{gate}"\nverify_retries = 1\n')
    mend = {"run": "printf 'y = 1\\n' > extra && cat extra >> calc.py && rm extra && git commit -qam Mended"}
    onto = "$(git --git-dir=$(git config remote.origin.url) rev-parse refs/upstream/heads/main)"
    rebased = {"run": f"git rebase -q {onto}"}
    receipt = meanwhile(merging, "x = 1\n", MUL, TURN, rebased, mend, DONE, name="other.py")
    assert (receipt.reason, receipt.merged) == ("", tip(merging))
    assert subjects(merging)[-2:] == ["Add mul", "Mended"]


def test_what_never_passes_on_the_moved_base_is_not_merged(merging: Stage) -> None:
    merging.configure('merge = "auto"\nverify = "! test -e other.py"\nverify_retries = 0\n')
    receipt = meanwhile(merging, "x = 1\n", MUL, DONE, name="other.py")
    assert (receipt.outcome, receipt.merged) == ("pull_request", "")
    assert receipt.reason.startswith("not merged: ! test -e other.py: exit 1")
    assert tip(merging, receipt.branch) == receipt.head
    assert receipt.files_changed == ["mul.py"]


def test_a_change_that_is_in_the_base_already_counts_as_merged(merging: Stage) -> None:
    receipt = meanwhile(merging, "def sub(a, b):\n    return a - b\n", ADD, DONE)
    assert receipt.outcome == "pull_request"
    assert receipt.merged == tip(merging, "main")


def test_without_a_word_nothing_is_merged(stage: Stage) -> None:
    receipt = stage.play(ADD, DONE)
    assert (receipt.outcome, receipt.merged) == ("pull_request", "")
    assert git("for-each-ref", "refs/claude-workers", at=stage.calc) == ""


def test_one_repository_can_be_set_apart(merging: Stage) -> None:
    merging.configure('merge = "auto"\n[repos."local/calc"]\nmerge = "review"\n')
    assert merging.play(ADD, DONE).merged == ""


def test_many_workers_that_merge_at_once_all_land(merging: Stage) -> None:
    ids = ["01", "02", "03"]
    merging.fleet.init("02", "03")
    made = [
        {"run": f"echo {one} > {one}.txt && git add . && git commit -qm 'Add {one}'"} for one in ids
    ]  # fmt: skip
    answers = race(lambda one: merging.fleet.dispatch(ids[one], str(merging.calc), prompt=steps(made[one], DONE)), 3)
    assert all(isinstance(one, Task) for one in answers)
    receipts = merging.fleet.watch(ids, timeout=90)
    assert all(one.merged for one in receipts), [one.reason for one in receipts]
    assert sorted(subjects(merging)) == sorted(["Begin", *(f"Add {one}" for one in ids)])


def test_what_changes_its_own_gate_is_left_to_a_person(merging: Stage) -> None:
    merging.configure('merge = "auto"\nverify = "sh check.sh"\n')
    (merging.calc / "check.sh").write_text("true\n", encoding="utf-8")
    elsewhere(merging, "", "Check", "check.sh")
    receipt = merging.play({"run": "echo exit 0 > check.sh; git commit -qam Weaker"}, DONE)
    assert (receipt.outcome, receipt.merged) == ("pull_request", "")
    assert receipt.reason == "not merged: it changes what the gate runs: check.sh"
    assert git("for-each-ref", "refs/claude-workers", at=merging.calc) == ""


def test_a_base_that_was_renamed_meanwhile_is_not_made_again(merging: Stage) -> None:
    merging.start(WAIT, ADD, DONE)
    merging.until(lambda _: (merging.home / ".cache/came").exists())
    git("branch", "-m", "main", "trunk", at=merging.calc)
    (merging.home / ".cache/go").touch()
    receipt = merging.end()
    assert (receipt.merged, "main is gone" in receipt.reason) == ("", True)
    assert git("branch", "--list", "main", at=merging.calc) == ""


def test_a_branch_that_a_worktree_of_a_bare_repository_has_is_not_moved(merging: Stage, tmp_path: Path) -> None:
    hub = tmp_path / "hub.git"
    git("clone", "--quiet", "--bare", str(merging.calc), str(hub), at=tmp_path)
    git("worktree", "add", "--quiet", str(tmp_path / "tree"), "main", at=hub)
    merging.fleet.dispatch("01", str(hub), prompt=steps(ADD, DONE))
    receipt = merging.end()
    assert receipt.merged == git("rev-parse", MERGED, at=hub)
    assert git("status", "--porcelain", at=tmp_path / "tree") == ""
    assert git("rev-parse", "main", at=hub) != receipt.merged


def test_a_base_that_was_rewritten_is_told_of(merging: Stage) -> None:
    merging.play(ADD, DONE)
    git("commit", "--quiet", "--amend", "-m", "Rewritten", at=merging.calc)
    receipt = merging.play(MUL, DONE)
    assert any("another way than what was merged" in one for one in receipt.notes)
    assert subjects(merging) == ["Begin", "Add sub", "Add mul"]


def test_what_a_conflict_asks_for_is_heard_also_after_a_crash(merging: Stage) -> None:
    onto = "$(git --git-dir=$(git config remote.origin.url) rev-parse refs/upstream/heads/main)"
    pause = {"run": "touch ~/.cache/told; until [ -e ~/.cache/on ]; do sleep 0.02; done"}
    merging.start(WAIT, ADD, TURN, pause, resolving(onto), DONE)
    merging.until(lambda _: (merging.home / ".cache/came").exists())
    elsewhere(merging, "def neg(a):\n    return -a\n")
    (merging.home / ".cache/go").touch()
    row = merging.until(lambda _: (merging.home / ".cache/told").exists())
    os.kill(int(row.pid or 0), signal.SIGKILL)
    merging.until(lambda seen: seen.state == "crashed")
    (merging.home / ".cache/on").touch()
    merging.fleet.restart("01")
    receipt = merging.end()
    assert (receipt.reason, receipt.merged) == ("", tip(merging))
    told = [one.raw for one in merging.fleet.logs("01") if one.kind == "prompt"]
    assert told
    assert sum("git rebase" in one for one in told) >= 2

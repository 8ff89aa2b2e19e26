"""Tickets worked by the real Claude Code: changes that touch the same line both land, and a question is answered."""

from __future__ import annotations

import pytest

from claude_workers.pool import answers
from claude_workers.testing.endpoint import text, tool
from claude_workers.tickets import people
from claude_workers.tickets.queue import Draft, Queue
from tests.conftest import git
from tests.racing import until as wait_until
from tests.real.conftest import Desk
from tests.real.test_life import ADD, until

pytestmark = pytest.mark.real

MERGED = "refs/claude-workers/merged/main"
SAME_LINE = tool(
    "Bash",
    command="touch ~/.cache/came; until [ -e ~/.cache/go ]; do sleep 0.02; done;"
    ' branch=$(git branch --show-current); sed -i "s|^def add(a, b):|& # $branch|" calc.py;'
    " git commit -qam $branch",
)
# Both comments behind one def, whoever came first.
_BOTH = """
import pathlib, re
path = pathlib.Path("calc.py")
lines = [one for one in path.read_text().splitlines() if not re.match("[<=>]{7}", one)]
heads = [one for one in lines if one.startswith("def add")]
both = heads[0] + "".join(" #" + one.split("#", 1)[1] for one in heads[1:])
path.write_text("\\n".join([both, *(one for one in lines if one not in heads)]) + "\\n")
"""
RESOLVE = tool(
    "Bash",
    command="git rebase -q $(git --git-dir=$(git config remote.origin.url) rev-parse refs/upstream/merged/main);"
    f" python3 -c '{_BOTH}' && git add calc.py && GIT_EDITOR=true git rebase --continue",
)


def test_two_tickets_that_touch_the_same_line_both_land(desk: Desk) -> None:
    desk.configure('merge = "auto"\nverify = "python3 -c \'import calc; assert calc.add(1, 2) == 3\'"\n')
    desk.fleet.init("02")
    queue = Queue(desk.fleet.layout.tickets)
    for number in (1, 2):
        queue.create(Draft(str(desk.calc), f"Name ticket {number} beside add"))
    desk.endpoint.script("model", [SAME_LINE, text("Done."), RESOLVE, text("Both are in.")])
    caches = [desk.fleet.layout.root / worker / ".cache" for worker in ("01", "02")]
    for number, worker in enumerate(("01", "02"), 1):
        desk.fleet.dispatch(worker, str(desk.calc), number)
    wait_until(lambda: all((one / "came").exists() for one in caches), "both began with the same base")
    for one in caches:
        (one / "go").touch()
    events = list(desk.fleet.work(until_empty=True, interval=0.2))
    assert [one.succeeded for one in events if one.did == "ended"] == [True, True], events
    assert [one.status for one in queue.list(statuses=["done"])] == ["done", "done"]
    assert git("rev-list", "--merges", MERGED, at=desk.calc) == ""
    [line] = [one for one in git("show", f"{MERGED}:calc.py", at=desk.calc).splitlines() if one.startswith("def add")]
    assert "w01/issue-1" in line
    assert "w02/issue-2" in line
    told = [str(one["body"]) for one in desk.endpoint.requests]
    assert any("changed the same lines" in one for one in told)


def test_a_question_is_asked_parked_answered_and_the_session_goes_on(desk: Desk) -> None:
    queue = Queue(desk.fleet.layout.tickets)
    number = queue.create(Draft(str(desk.calc), "Add subtract"))
    ask = tool("Bash", command='worker-ask "With or without a docstring?"')
    desk.endpoint.script("model", [ask, text("I have asked."), ADD, text("Without, as you said.")])
    desk.fleet.dispatch("01", str(desk.calc), number)
    row = until(desk, lambda seen: seen.state == "idle" and seen.questions)
    [question] = queue.list(kind="question")
    assert row.questions == [f"ticket {question.id}: With or without a docstring?"]
    people.answer(queue.database, question.id, "ann", "Without one")
    assert [one.did for one in answers.answered(desk.fleet.layout, question.id)] == ["answered"]
    [receipt] = desk.fleet.watch(["01"], timeout=90)
    assert (receipt.outcome, receipt.answer) == ("pull_request", "Without, as you said.")
    last = str(desk.endpoint.requests[-1]["body"])
    assert "The answer: Without one" in last
    assert "worker-ask" in last  # the same session: it still knows what it did

"""The real Claude Code takes an issue on GitHub from dispatch to pull request, and its review after that."""

from __future__ import annotations

import pytest

from claude_workers.pool.follow import look
from claude_workers.testing.endpoint import text, tool
from tests.github.fake import GitHub
from tests.real.conftest import Desk

pytestmark = pytest.mark.real
REPO = "ann/calc"
ADD = tool("Bash", command="printf 'def sub(a, b):\\n    return a - b\\n' >> calc.py && git commit -qam 'Add sub'")
MEND = tool("Bash", command="printf '# subtraction\\n' >> calc.py && git commit -qam 'Say what it is'")


def test_an_issue_becomes_a_pull_request_and_its_failing_check_another_commit(
    desk: Desk, github: GitHub, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_SERVER_URL", github.url)
    monkeypatch.setenv("GH_TOKEN", token)
    desk.configure('verify = "grep -q sub calc.py"')
    number = github.file_issue(REPO, "ann", "Add a subtract function", "It is missing.<!-- hidden -->")

    desk.endpoint.script("model", [ADD, text("Added."), MEND, text("Said.")])
    first = desk.fleet.dispatch("01", REPO, number)
    [receipt] = desk.fleet.watch(["01"], timeout=90)
    assert receipt.outcome == "pull_request"
    assert receipt.verified
    heard = str(desk.endpoint.requests)
    assert "It is missing." in heard
    assert "hidden" not in heard
    pull = int(receipt.pull_request.rpartition("/")[2])

    github.check_run(REPO, receipt.head, "lint", "failure", log="calc.py:3: say what it is")
    assert look(desk.fleet.layout, REPO, pull).state == "dispatched"
    second = desk.fleet.status(["01"])[0]
    [mended] = desk.fleet.watch(["01"], timeout=90)
    assert mended.outcome == "pull_request"
    assert mended.pull_request == receipt.pull_request
    assert github.refs(REPO, "refs/heads/w01/")[f"refs/heads/{receipt.branch}"] == mended.head
    assert second.task_id != first.task_id
    said = str([one["body"] for one in desk.endpoint.requests if one["body"].get("tools")][-1])
    assert "say what it is" in said
    assert "It is missing." in said, "the session went on: what was said first is still known"

"""What becomes of an agent's work on GitHub: a pull request, a comment, labels, and at what price in requests."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from claude_workers import credentials
from claude_workers.home.home import Home
from tests.github.fake import GitHub
from tests.github.stage import REPO, GitHubStage
from tests.stage import ADD, WAIT, steps


def test_an_issue_becomes_a_draft_a_label_and_one_comment(on_github: GitHubStage) -> None:
    task = on_github.start(ADD, {"text": "Added sub."})
    number = int(task.issue or 0)
    receipt = on_github.end()
    assert receipt.outcome == "pull_request"
    [pull] = on_github.pulls()
    assert pull.pull
    assert (pull.title, pull.state, pull.author) == ("Add sub", "open", "robot")
    assert (pull.pull.head, pull.pull.base, pull.pull.draft) == (f"w01/issue-{number}", "main", True)
    assert on_github.github.refs(REPO, "refs/heads/w01/") == {f"refs/heads/{receipt.branch}": receipt.head}
    assert str(receipt.pull_request).endswith(f"/{REPO}/pull/{pull.number}")
    for said in (f"Fixes #{number}", "Added sub.", "**unverified**", "files changed: `calc.py`", task.task_id):
        assert said in str(pull.body)
    [comment] = on_github.said(number)
    assert str(receipt.pull_request) in comment
    assert on_github.labels(number) == ["pull-request"]
    assert on_github.claims() == {}


def test_while_it_works_the_issue_is_claimed_and_labelled(on_github: GitHubStage) -> None:
    task = on_github.start(WAIT, {"text": "x"})
    assert list(on_github.claims()) == [f"refs/claude-workers/claims/issue-{task.issue}"]
    assert on_github.labels(int(task.issue or 0)) == ["worker:01"]


def test_workers_of_one_name_on_two_machines_are_told_apart_by_the_labels(on_github: GitHubStage) -> None:
    on_github.configure('host_name = "vps"\n')
    first = on_github.start(ADD, {"text": "Added."})
    assert (first.host, on_github.labels(int(first.issue or 0))) == ("vps", ["worker:vps/01"])
    on_github.configure("")
    on_github.end()
    assert on_github.labels(int(first.issue or 0)) == ["pull-request"]
    on_github.fleet.init("02", label="night shift")
    second = on_github.fleet.dispatch("02", REPO, on_github.file(WAIT, {"text": "x"}))
    on_github.fleet.stop("02")
    number = int(second.issue or 0)
    assert on_github.labels(number) == ["worker:night shift"]
    on_github.fleet.reset("02")
    on_github.fleet.release(REPO, number)
    assert on_github.labels(number) == []
    assert "CLAUDE_WORKERS" not in "".join(agent_environment(on_github))


def agent_environment(stage: GitHubStage) -> list[str]:
    """Return the names of what the operator set for a home and its agent must not see."""
    values = credentials.read_env(Home(stage.fleet.layout, "02").env_file)
    assert credentials.LABEL in values
    return list(credentials.for_agent(values, "key"))


def test_a_change_that_passed_the_gate_is_no_draft(on_github: GitHubStage) -> None:
    on_github.configure(f'[repos."{REPO}"]\nverify = "grep -q sub calc.py"\n')
    assert on_github.play(ADD, {"text": "Added."}).verified
    [pull] = on_github.pulls()
    assert pull.pull
    assert not pull.pull.draft
    assert "verify: `grep -q sub calc.py` exit 0" in str(pull.body)


def test_a_failure_keeps_the_label_says_why_and_opens_nothing(on_github: GitHubStage) -> None:
    on_github.configure(f'[repos."{REPO}"]\nverify = "false"\nverify_retries = 0\n')
    receipt = on_github.play(ADD, {"text": "Added."})
    assert receipt.outcome == "verify_failed"
    number = int(receipt.issue or 0)
    assert on_github.labels(number) == ["worker:01"]
    [comment] = on_github.said(number)
    assert "did not pass its check" in comment
    assert "exit 1" in comment
    assert on_github.pulls() == []
    assert on_github.claims() == {}


def test_an_answer_becomes_the_comment_and_the_label_goes(on_github: GitHubStage) -> None:
    receipt = on_github.play({"text": "One module, calc.py."}, expect="answer")
    assert receipt.outcome == "answered"
    number = int(receipt.issue or 0)
    [comment] = on_github.said(number)
    assert comment.startswith("One module, calc.py.")
    assert on_github.labels(number) == ["answered"]
    assert on_github.pulls() == []


def test_the_same_issue_again_continues_the_pull_request(on_github: GitHubStage) -> None:
    first = on_github.play(ADD, {"text": "Added."})
    more = {"run": "echo '# more' >> calc.py; git commit -qam More"}
    on_github.fleet.dispatch("01", REPO, first.issue, prompt=steps(more, {"text": "More."}))
    second = on_github.end()
    assert (second.branch, second.pull_request) == (first.branch, first.pull_request)
    [pull] = on_github.pulls()
    assert "More." in str(pull.body)
    assert "Added." not in str(pull.body)


def test_what_people_wrote_in_a_pull_request_stays(on_github: GitHubStage) -> None:
    first = on_github.play(ADD, {"text": "Added."})
    [pull] = on_github.pulls()
    ours = str(pull.body)
    on_github.github.edit_issue(REPO, pull.number, body=f"By hand above.\n\n{ours}\n\nBelow.", title="By hand")
    more = {"run": "echo '# more' >> calc.py; git commit -qam More"}
    on_github.fleet.dispatch("01", REPO, first.issue, prompt=steps(more, {"text": "More."}))
    on_github.end()
    [pull] = on_github.pulls()
    assert pull.title == "By hand"
    assert str(pull.body).startswith("By hand above.\n\n")
    assert str(pull.body).endswith("\n\nBelow.")
    assert "More." in str(pull.body)


def test_refused_tools_and_hosts_are_named_in_the_pull_request(on_github: GitHubStage) -> None:
    denied = {"tool_name": "Bash", "tool_input": {"command": "sudo reboot"}}
    outside = {"run": "curl -sS http://unlisted.example/; true"}
    receipt = on_github.play(ADD, outside, {"text": "Added.", "result": {"permission_denials": [denied]}})
    assert receipt.blocked_hosts == ["unlisted.example:80"]
    [pull] = on_github.pulls()
    assert "refused hosts (allow with allowed_domains): `unlisted.example:80`" in str(pull.body)
    assert "refused tools: `Bash sudo reboot`" in str(pull.body)


def rest(github: GitHub) -> list[str]:
    """Return the REST requests so far, without the repository's part of their paths."""
    return [f"{one.method} {one.path.removeprefix(f'/repos/{REPO}')}" for one in github.calls]


@pytest.mark.parametrize("known", [True, False], ids=["labels-known", "labels-new"])
def test_a_task_costs_few_requests(on_github: GitHubStage, *, known: bool) -> None:
    github = on_github.github
    number = on_github.file(WAIT, ADD, {"text": "Added."})
    github.comment(REPO, number, "ann", "Please.")
    github.comment(REPO, number, "ann", "Soon.")
    if known:
        other = github.file_issue(REPO, "ann", "Other", "", labels=["worker:01", "pull-request"])
        github.close(REPO, other)
    github.reset_calls()
    on_github.fleet.dispatch("01", REPO, number)
    assert len(rest(github)) == (6 if known else 7), rest(github)
    github.reset_calls()
    on_github.go()
    assert on_github.end().outcome == "pull_request"
    assert len(rest(github)) == (7 if known else 8), rest(github)


def test_each_further_author_costs_one_request(on_github: GitHubStage) -> None:
    github = on_github.github
    number = on_github.file({"text": "x"})
    for login in ("bob", "eve", "bob", "eve"):
        github.add_user(login)
        github.comment(REPO, number, login, "Me too.")
    github.reset_calls()
    on_github.fleet.dispatch("01", REPO, number, expect="answer")
    asked = [one for one in rest(github) if one.startswith("GET /collaborators/")]
    assert sorted(asked) == [f"GET /collaborators/{login}/permission" for login in ("ann", "bob", "eve")]
    assert on_github.end().outcome == "answered"


def holders(folder: Path, *secrets: str) -> list[Path]:
    """Return every file below a folder that holds one of the secrets."""
    found = []
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            found += [path for one in secrets if one.encode() in content]
    return found


def test_no_token_is_in_any_file_or_argv_or_in_the_agents_reach(
    on_github: GitHubStage, token: str, tmp_path: Path
) -> None:
    secrets = (token, base64.b64encode(f"x-access-token:{token}".encode()).decode())
    look = {"run": "env; cat /proc/*/environ /proc/*/cmdline ~/.gitconfig .git/config; git config -l; ls -a ~"}
    keep = {"run": "{ env; cat /proc/*/environ /proc/*/cmdline; } > seen.txt 2>&1; git add seen.txt"}
    on_github.start(WAIT, look, keep, ADD, {"text": "Added."})
    on_github.github.fail_next("POST *git-receive-pack", "hang")
    on_github.go()
    on_github.github.await_hanging()
    argvs = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline")]
    assert not [one for one in argvs if any(secret.encode() in one for secret in secrets)]
    on_github.kill()
    on_github.fleet.restart("01")
    receipt = on_github.end()
    assert receipt.outcome == "pull_request"
    assert "seen.txt" in receipt.files_changed
    assert holders(tmp_path, *secrets) == []


def test_the_agent_cannot_reach_the_forge_where_the_runner_holds_the_token(on_github: GitHubStage) -> None:
    url = f"{on_github.github.url}/rate_limit"
    tries = f"curl -sS {url}; curl -sS --noproxy '*' {url}; git ls-remote origin; git push origin HEAD; true"
    receipt = on_github.play({"run": tries}, ADD, {"text": "Added."})
    assert receipt.outcome == "pull_request"
    assert not [one for one in on_github.github.calls if one.path == "/rate_limit"]
    pushes = [one for one in on_github.github.git_calls if one.path.endswith("git-receive-pack")]
    assert len(pushes) == 3, "the claim, the branch, and the claim's removal"

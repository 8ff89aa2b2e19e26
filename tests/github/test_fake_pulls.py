"""The fake's pull requests, reviews, checks and refs agree with its git repositories."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.conftest import git
from tests.github.fake import GitHub
from tests.github.fixtures import Connect

REPO = "ann/calc"


@pytest.fixture
def head(github: GitHub) -> str:
    """A pushed branch w01/x."""
    return github.commit(REPO, "w01/x", {"calc.py": "def add(a, b):\n    return b + a\n", "new.txt": "1\n2\n"})


def proposal(**more: Any) -> dict[str, Any]:
    return {"head": "w01/x", "base": "main", "title": "Change", "body": "Why", **more}


@pytest.fixture
def pull(head: str, robot: httpx.Client) -> int:
    """A pull request of robot's."""
    return int(robot.post("/pulls", json=proposal()).json()["number"])


def test_a_pull_request_tells_what_git_knows(robot: httpx.Client, head: str) -> None:
    made = robot.post("/pulls", json=proposal(head="ann:w01/x", draft=True)).json()
    assert (made["head"]["sha"], made["head"]["label"], made["base"]["ref"]) == (head, "ann:w01/x", "main")
    assert (made["commits"], made["changed_files"], made["additions"], made["deletions"]) == (1, 2, 3, 1)
    assert (made["draft"], made["mergeable"], made["mergeable_state"]) == (True, True, "draft")
    assert made["user"]["login"] == "robot"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (proposal(head="absent"), "head"),
        (proposal(base="absent"), "base"),
        (proposal(head="eve:w01/x"), "head"),
        (proposal(head="main"), "No commits between main and main"),
        (proposal(title=" "), "title"),
    ],
)
def test_a_pull_request_needs_its_branches(robot: httpx.Client, head: str, body: dict[str, Any], said: str) -> None:
    refused = robot.post("/pulls", json=body)
    assert refused.status_code == 422
    [error] = refused.json()["errors"]
    assert said in (error.get("field"), error.get("message"))
    assert robot.get("/pulls").json() == []


def test_a_branch_without_commits_of_its_own_is_not_proposed(github: GitHub, robot: httpx.Client) -> None:
    git("update-ref", "refs/heads/same", "main", at=github.repository(REPO).bare)
    [error] = robot.post("/pulls", json=proposal(head="same")).json()["errors"]
    assert error["message"] == "No commits between main and same"


def test_a_branch_is_proposed_once_at_a_time(robot: httpx.Client, pull: int) -> None:
    refused = robot.post("/pulls", json=proposal())
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["message"] == "A pull request already exists for ann:w01/x."
    robot.patch(f"/pulls/{pull}", json={"state": "closed"})
    assert robot.post("/pulls", json=proposal()).status_code == 201


def test_drafts_are_refused_where_there_are_none(github: GitHub, robot: httpx.Client, head: str) -> None:
    github.repository(REPO).drafts = False
    refused = robot.post("/pulls", json=proposal(draft=True))
    assert refused.status_code == 422
    assert refused.json()["message"] == "Draft pull requests are not supported in this repository."


def test_pull_requests_are_found_by_their_branch(robot: httpx.Client, pull: int) -> None:
    for query, count in (({"head": "ann:w01/x"}, 1), ({"head": "ann:other"}, 0), ({"base": "other"}, 0),
                         ({"state": "closed"}, 0), ({"head": "no-owner-no-filter"}, 1)):  # fmt: skip
        assert len(robot.get("/pulls", params=query).json()) == count, query


def test_a_pull_request_follows_its_branch(github: GitHub, robot: httpx.Client, pull: int) -> None:
    github.clock.freeze()
    github.clock.advance(60)
    newer = github.commit(REPO, "w01/x", {"new.txt": "3\n"})
    told = robot.get(f"/pulls/{pull}").json()
    assert (told["head"]["sha"], told["updated_at"], told["commits"]) == (newer, github.clock.now(), 2)
    assert github.refs(REPO, "refs/pull/") == {f"refs/pull/{pull}/head": newer}


def test_a_pull_request_is_closed_with_its_branch_and_not_reopened(robot: httpx.Client, pull: int) -> None:
    assert robot.delete("/git/refs/heads/w01/x").status_code == 204
    assert robot.get(f"/pulls/{pull}").json()["state"] == "closed"
    assert robot.patch(f"/pulls/{pull}", json={"state": "open"}).status_code == 422


def test_a_merge_is_one_in_git_and_closes_what_it_fixes(github: GitHub, robot: httpx.Client, head: str) -> None:
    fixed, other = (github.file_issue(REPO, "ann", one) for one in ("Fixed", "Other"))
    pull = robot.post("/pulls", json=proposal(body=f"Fixes #{fixed}. See #{other}.")).json()["number"]
    assert robot.put(f"/pulls/{pull}/merge", json={"sha": "0" * 40}).status_code == 409
    commit = robot.put(f"/pulls/{pull}/merge").json()["sha"]
    assert github.refs(REPO, "refs/heads/main") == {"refs/heads/main": commit}
    assert git("rev-parse", f"{commit}^2", at=github.repository(REPO).bare) == head
    told = robot.get(f"/pulls/{pull}").json()
    assert (told["merged"], told["state"], told["merge_commit_sha"]) == (True, "closed", commit)
    assert (told["merged_by"]["login"], told["changed_files"]) == ("robot", 2)
    assert [robot.get(f"/issues/{one}").json()["state"] for one in (fixed, other)] == ["closed", "open"]
    closing = robot.get(f"/issues/{fixed}/events").json()[-1]
    assert (closing["event"], closing["commit_id"]) == ("closed", commit)
    assert robot.put(f"/pulls/{pull}/merge").status_code == 405


def test_a_squash_is_one_commit_and_a_rebase_is_not_allowed(github: GitHub, robot: httpx.Client, pull: int) -> None:
    assert robot.put(f"/pulls/{pull}/merge", json={"merge_method": "rebase"}).status_code == 405
    commit = robot.put(f"/pulls/{pull}/merge", json={"merge_method": "squash"}).json()["sha"]
    bare = github.repository(REPO).bare
    assert git("show", "--no-patch", "--format=%P|%s", commit, at=bare).endswith(f"|Change (#{pull})")
    assert len(git("show", "--no-patch", "--format=%P", commit, at=bare).split()) == 1


def test_a_conflict_and_a_draft_are_not_merged(github: GitHub, robot: httpx.Client, pull: int) -> None:
    github.commit(REPO, "main", {"calc.py": "def add(a, b):\n    return a - b\n"})
    told = robot.get(f"/pulls/{pull}").json()
    assert (told["mergeable"], told["mergeable_state"]) == (False, "dirty")
    assert robot.put(f"/pulls/{pull}/merge").status_code == 405
    github.commit(REPO, "w02", {"b.txt": "b"})
    draft = github.open_pull(REPO, "robot", "w02", "Draft", draft=True)
    assert robot.put(f"/pulls/{draft}/merge").json()["message"] == "Pull Request is still a draft"
    github.ready(REPO, draft)
    assert robot.put(f"/pulls/{draft}/merge").status_code == 200


def test_whether_it_can_be_merged_may_be_unknown_at_first(github: GitHub, robot: httpx.Client, head: str) -> None:
    github.repository(REPO).slow_mergeable = True
    pull = github.open_pull(REPO, "robot", "w01/x", "Change")
    assert [robot.get(f"/pulls/{pull}").json()["mergeable"] for _ in range(2)] == [None, True]


def test_a_branch_merged_by_hand_is_a_merged_pull_request(github: GitHub, robot: httpx.Client, pull: int) -> None:
    git("update-ref", "refs/heads/main", "w01/x", at=github.repository(REPO).bare)
    told = robot.get(f"/pulls/{pull}").json()
    assert (told["merged"], told["state"]) == (True, "closed")


@pytest.mark.parametrize("ruleset", [True, False])
def test_a_protected_branch_demands_a_check_and_a_review(
    github: GitHub, robot: httpx.Client, pull: int, head: str, *, ruleset: bool
) -> None:
    github.protect(REPO, "main", ["test"], ruleset=ruleset)
    assert robot.get(f"/pulls/{pull}").json()["mergeable_state"] == "blocked"
    assert "test" in robot.put(f"/pulls/{pull}/merge").json()["message"]
    github.check_run(REPO, head, "test")
    assert "approving review" in robot.put(f"/pulls/{pull}/merge").json()["message"]
    github.review(REPO, pull, "ann", "APPROVED")
    assert robot.put(f"/pulls/{pull}/merge").status_code == 200


def test_what_protects_a_branch_is_told_in_its_own_place(github: GitHub, robot: httpx.Client, connect: Connect) -> None:
    assert robot.get("/rules/branches/main").json() == []
    assert robot.get("/branches/main").json()["protected"] is False
    ann = connect(github.token("ann", "classic"))
    assert ann.get("/branches/main/protection").json()["message"] == "Branch not protected"
    github.protect(REPO, "main", ["test"])
    assert ann.get("/branches/main/protection").json()["required_status_checks"]["contexts"] == ["test"]
    assert connect(github.token("robot", "classic")).get("/branches/main/protection").status_code == 404
    assert robot.get("/rules/branches/main").json() == []
    assert robot.get("/branches/main").json()["protection"]["required_status_checks"]["contexts"] == ["test"]
    github.protect(REPO, "main", ["test"], ruleset=True)
    rules = [one["type"] for one in robot.get("/rules/branches/main").json()]
    assert rules == ["pull_request", "required_status_checks"]
    assert [one["enforcement"] for one in robot.get("/rulesets").json()] == ["active"]


def test_reviews_and_their_comments_are_told(github: GitHub, robot: httpx.Client, pull: int, head: str) -> None:
    review = github.review(REPO, pull, "ann", "request_changes", "Look", [("new.txt", 2, "Why two?")])
    [told] = robot.get(f"/pulls/{pull}/reviews").json()
    assert (told["id"], told["state"], told["commit_id"]) == (review, "CHANGES_REQUESTED", head)
    [comment] = robot.get(f"/pulls/{pull}/comments").json()
    assert (comment["path"], comment["line"], comment["body"]) == ("new.txt", 2, "Why two?")
    assert comment["pull_request_review_id"] == review
    assert comment["diff_hunk"].startswith("@@")
    [same] = robot.get(f"/pulls/{pull}/reviews/{review}/comments").json()
    assert same["id"] == comment["id"]
    assert "line" not in same


def test_a_review_is_written_and_no_one_approves_their_own(
    robot: httpx.Client, connect: Connect, github: GitHub, pull: int
) -> None:
    refused = robot.post(f"/pulls/{pull}/reviews", json={"event": "APPROVE"})
    assert (refused.status_code, refused.json()["errors"]) == (422, ["Can not approve your own pull request"])
    ann = connect(github.token("ann"))
    inline = [{"path": "new.txt", "line": 1, "body": "One"}]
    assert ann.post(f"/pulls/{pull}/reviews", json={"body": "x", "comments": inline}).json()["state"] == "PENDING"
    assert robot.get(f"/pulls/{pull}/reviews").json() == []
    assert ann.post(f"/pulls/{pull}/reviews", json={"event": "APPROVE"}).json()["state"] == "APPROVED"
    elsewhere = [{"path": "README.md", "line": 1, "body": "One"}]
    refused = ann.post(f"/pulls/{pull}/reviews", json={"event": "COMMENT", "body": "x", "comments": elsewhere})
    assert refused.status_code == 422


def test_a_line_is_commented_on(robot: httpx.Client, pull: int, head: str) -> None:
    body = {"body": "x", "commit_id": head, "path": "new.txt", "line": 1}
    assert robot.post(f"/pulls/{pull}/comments", json=body).json()["line"] == 1
    assert robot.post(f"/pulls/{pull}/comments", json={**body, "path": "none"}).status_code == 422
    assert robot.post(f"/pulls/{pull}/comments", json={**body, "commit_id": "0" * 40}).status_code == 422


def test_of_each_name_the_latest_check_run_is_told(github: GitHub, robot: httpx.Client, pull: int, head: str) -> None:
    github.check_run(REPO, head, "test", "failure", "1 failed", annotations=[("calc.py", 2, "boom")])
    github.check_run(REPO, head, "lint", None)
    later = github.check_run(REPO, head, "test")
    told = robot.get("/commits/w01/x/check-runs").json()
    assert {one["name"]: one["conclusion"] for one in told["check_runs"]} == {"test": "success", "lint": None}
    assert told["total_count"] == 2
    every = robot.get(f"/commits/{head}/check-runs", params={"filter": "all", "check_name": "test"}).json()
    assert every["check_runs"][0]["id"] == later
    [remark] = robot.get(f"/check-runs/{every['check_runs'][1]['id']}/annotations").json()
    assert (remark["path"], remark["start_line"], remark["message"]) == ("calc.py", 2, "boom")
    assert robot.get("/commits/absent/check-runs").status_code == 422


def test_a_log_lies_elsewhere_and_takes_no_token(
    github: GitHub, robot: httpx.Client, connect: Connect, head: str
) -> None:
    job = github.check_run(REPO, head, "test", "failure", log="E   assert 1 == 2\n")
    found = robot.get(f"/actions/jobs/{job}/logs")
    assert found.status_code == 302
    assert httpx.get(found.headers["location"]).text == "E   assert 1 == 2\n"
    assert robot.get(found.headers["location"]).status_code == 400
    # What follows the redirect leaves the token behind, as it is another host.
    assert robot.get(f"/actions/jobs/{job}/logs", follow_redirects=True).text == "E   assert 1 == 2\n"
    assert connect(None).get(f"/actions/jobs/{job}/logs").status_code == 403
    assert robot.get(f"/actions/jobs/{github.check_run(REPO, head, 'old')}/logs").status_code == 404


def test_only_an_app_makes_check_runs(github: GitHub, robot: httpx.Client, connect: Connect, head: str) -> None:
    body = {"name": "own", "head_sha": head, "conclusion": "success"}
    assert robot.post("/check-runs", json=body).status_code == 403
    assert connect(github.token("ann", "classic")).post("/check-runs", json=body).status_code == 403
    app = connect(github.token("ann", "app", {"checks": "write"}))
    assert app.post("/check-runs", json=body).json()["status"] == "completed"


def test_statuses_come_to_one(github: GitHub, robot: httpx.Client, connect: Connect, head: str) -> None:
    assert robot.get(f"/commits/{head}/status").json()["state"] == "pending"
    github.status(REPO, head, "ci", "pending")
    github.status(REPO, head, "ci", "success")
    assert robot.get("/commits/w01/x/status").json()["state"] == "success"
    ann = connect(github.token("ann", "classic"))
    assert ann.post(f"/statuses/{head}", json={"state": "error", "context": "cd"}).status_code == 201
    told = robot.get(f"/commits/{head}/status").json()
    assert (told["state"], told["total_count"]) == ("failure", 2)


def test_refs_and_commits_are_those_of_git(github: GitHub, robot: httpx.Client, head: str) -> None:
    git("update-ref", "refs/claude-workers/claims/1", "w01/x", at=github.repository(REPO).bare)
    assert [one["ref"] for one in robot.get("/git/matching-refs/heads/w01/").json()] == ["refs/heads/w01/x"]
    [claim] = robot.get("/git/matching-refs/claude-workers/").json()
    assert claim["object"]["sha"] == head
    assert robot.get("/git/matching-refs/heads/none").json() == []
    assert robot.get("/git/ref/heads/w01/x").json()["object"]["sha"] == head
    assert robot.get("/git/ref/heads/w01").status_code == 404
    told = robot.get(f"/git/commits/{head}").json()
    assert (told["message"], told["author"]["name"], len(told["parents"])) == ("Change", "ann", 1)
    assert robot.get(f"/git/commits/{'0' * 40}").status_code == 404
    assert robot.get("/branches/w01/x").json()["commit"]["sha"] == head
    assert robot.get("/branches/none").json()["message"] == "Branch not found"
    assert robot.delete("/git/refs/claude-workers/claims/1").status_code == 204
    assert robot.delete("/git/refs/claude-workers/claims/1").json()["message"] == "Reference does not exist"

"""The fake's issues, labels, comments and reactions behave as GitHub's do."""

from __future__ import annotations

import httpx
import pytest

from tests.github.fake import GitHub
from tests.github.fixtures import Connect
from tests.racing import race

REPO = "ann/calc"


@pytest.fixture
def number(github: GitHub) -> int:
    return github.file_issue(REPO, "ann", "Add sub", "It is *missing*.")


@pytest.fixture
def stranger(github: GitHub, connect: Connect) -> httpx.Client:
    github.add_user("eve")
    return connect(github.token("eve", permissions={"issues": "write", "pull_requests": "write"}))


def names(answer: httpx.Response) -> list[str]:
    return [one["name"] for one in answer.json()]


def test_a_label_is_made_once_in_any_case_of_letters(robot: httpx.Client) -> None:
    assert robot.post("/labels", json={"name": "Worker:01", "color": "FF0000"}).json()["color"] == "ff0000"
    again = robot.post("/labels", json={"name": "worker:01"})
    assert again.status_code == 422
    assert again.json()["errors"] == [{"resource": "Label", "field": "name", "code": "already_exists"}]
    assert robot.get("/labels/WORKER:01").json()["name"] == "Worker:01"


def test_of_many_that_make_a_label_at_once_one_makes_it(connect: Connect, token: str) -> None:
    clients = [connect(token) for _ in range(20)]
    answers = race(lambda one: clients[one].post("/labels", json={"name": "x"}).status_code)
    assert sorted(answers, key=str) == [201] + [422] * 19


@pytest.mark.parametrize("body", [{"name": "x" * 51}, {"name": "x", "color": "#ff0000"}, {"name": " "},
                                  {"name": "x", "description": "x" * 101}])  # fmt: skip
def test_a_label_out_of_bounds_is_refused_and_not_made(robot: httpx.Client, body: dict[str, str]) -> None:
    assert robot.post("/labels", json=body).status_code == 422
    assert robot.get("/labels").json() == []
    assert robot.post("/labels", json={"name": "x" * 50}).status_code == 201


def test_a_label_renamed_or_removed_changes_on_its_issues(github: GitHub, robot: httpx.Client, number: int) -> None:
    github.add_label(REPO, number, "old")
    assert robot.patch("/labels/OLD", json={"new_name": "new"}).json()["name"] == "new"
    assert names(robot.get(f"/issues/{number}/labels")) == ["new"]
    assert robot.delete("/labels/new").status_code == 204
    assert robot.get(f"/issues/{number}/labels").json() == []
    assert robot.delete("/labels/new").status_code == 404


def test_a_label_put_on_an_issue_is_made_grey_where_it_is_new(robot: httpx.Client, number: int) -> None:
    robot.post("/labels", json={"name": "Bug", "color": "ff0000"})
    answer = robot.post(f"/issues/{number}/labels", json={"labels": ["bug", "claimed"]})
    assert [(one["name"], one["color"]) for one in answer.json()] == [("Bug", "ff0000"), ("claimed", "ededed")]
    assert names(robot.get("/labels")) == ["Bug", "claimed"]


def test_a_label_makes_its_issue_newer_when_it_comes_and_when_it_goes(
    github: GitHub, robot: httpx.Client, number: int
) -> None:
    github.clock.freeze()
    seen = []
    for method, path in (("POST", ""), ("POST", ""), ("DELETE", "/x")):
        github.clock.advance(10)
        body = {"labels": ["x"]} if method == "POST" else None
        robot.request(method, f"/issues/{number}/labels{path}", json=body)
        seen.append(robot.get(f"/issues/{number}").json()["updated_at"])
    first, again, gone = seen
    assert first == again
    assert gone > again
    assert [one["event"] for one in robot.get(f"/issues/{number}/events").json()] == ["labeled", "unlabeled"]


def test_a_label_that_is_not_on_an_issue_cannot_be_taken_off(robot: httpx.Client, number: int) -> None:
    robot.post("/labels", json={"name": "known"})
    for name in ("known", "unknown"):
        answer = robot.delete(f"/issues/{number}/labels/{name}")
        assert (answer.status_code, answer.json()["message"]) == (404, "Label does not exist")


def test_the_labels_of_an_issue_are_replaced(robot: httpx.Client, number: int) -> None:
    robot.post(f"/issues/{number}/labels", json={"labels": ["a", "b"]})
    assert names(robot.put(f"/issues/{number}/labels", json={"labels": ["B", "c"]})) == ["b", "c"]
    robot.patch(f"/issues/{number}", json={"labels": []})
    assert robot.get(f"/issues/{number}").json()["labels"] == []


def test_a_stranger_sets_no_label(github: GitHub, stranger: httpx.Client, number: int) -> None:
    assert stranger.post(f"/issues/{number}/labels", json={"labels": ["x"]}).status_code == 403
    # GitHub drops them silently where an issue is filed.
    assert stranger.post("/issues", json={"title": "T", "labels": ["x"]}).json()["labels"] == []
    github.set_permission(REPO, "eve", "triage")
    refused = stranger.post(f"/issues/{number}/labels", json={"labels": ["x"]})
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (403, "unauthorized")
    github.add_label(REPO, number, "x")
    assert stranger.delete(f"/issues/{number}/labels/x").status_code == 200


def test_issues_and_pull_requests_share_numbers_and_the_list(github: GitHub, robot: httpx.Client, number: int) -> None:
    github.commit(REPO, "w01/x", {"a.txt": "a"})
    pull = github.open_pull(REPO, "robot", "w01/x", "Change")
    assert pull == number + 1
    listed = {one["number"]: "pull_request" in one for one in robot.get("/issues").json()}
    assert listed == {number: False, pull: True}
    assert robot.get(f"/issues/{pull}").json()["pull_request"]["url"].endswith(f"/pulls/{pull}")
    assert robot.get(f"/pulls/{number}").status_code == 404


def test_since_is_the_time_of_the_last_change_and_includes_it(github: GitHub, robot: httpx.Client, number: int) -> None:
    github.clock.freeze()
    github.clock.advance(10)
    other = github.file_issue(REPO, "ann", "Other")
    then = robot.get(f"/issues/{other}").json()["updated_at"]
    assert [one["number"] for one in robot.get("/issues", params={"since": then}).json()] == [other]
    github.clock.advance(10)
    github.comment(REPO, number, "ann", "Up")
    found = robot.get("/issues", params={"since": then, "sort": "updated", "direction": "asc"}).json()
    assert [one["number"] for one in found] == [other, number]


def test_issues_are_filtered(github: GitHub, robot: httpx.Client, number: int) -> None:
    github.add_label(REPO, number, "Bug")
    github.add_label(REPO, number, "ready")
    github.close(REPO, github.file_issue(REPO, "robot", "Closed", labels=["bug"]))
    for query, expected in (({"labels": "bug,READY"}, 1), ({"labels": "bug", "state": "all"}, 2), ({"labels": "no"}, 0),
                            ({"creator": "Ann"}, 1), ({"state": "closed"}, 1), ({"assignee": "none"}, 1)):  # fmt: skip
        assert len(robot.get("/issues", params=query).json()) == expected, query


def test_an_issue_is_edited_closed_and_reopened(github: GitHub, robot: httpx.Client, number: int) -> None:
    closed = robot.patch(f"/issues/{number}", json={"state": "closed", "state_reason": "not_planned"}).json()
    assert (closed["state"], closed["state_reason"], closed["closed_by"]["login"]) == ("closed", "not_planned", "robot")
    opened = robot.patch(f"/issues/{number}", json={"state": "open", "title": "Better"}).json()
    assert (opened["state"], opened["closed_at"], opened["title"]) == ("open", None, "Better")
    events = [one["event"] for one in robot.get(f"/issues/{number}/events").json()]
    assert events == ["closed", "renamed", "reopened"]


def test_only_a_changed_text_is_an_edit(github: GitHub, robot: httpx.Client, number: int) -> None:
    def edited() -> str | None:
        query = "query($owner:String!,$name:String!,$number:Int!){repository(owner:$owner,name:$name)"
        query += "{issue(number:$number){lastEditedAt}}}"
        variables = {"owner": "ann", "name": "calc", "number": number}
        answer = robot.post(f"{github.url}/graphql", json={"query": query, "variables": variables}).json()
        found: str | None = answer["data"]["repository"]["issue"]["lastEditedAt"]
        return found

    github.clock.freeze()
    github.clock.advance(60)
    github.add_label(REPO, number, "x")
    github.edit_issue(REPO, number, title="Other")
    assert edited() is None
    github.edit_issue(REPO, number, body="Do something else.")
    assert edited() == github.clock.now()


def test_an_issue_that_is_gone_never_was_or_is_switched_off_says_which(
    github: GitHub, robot: httpx.Client, number: int
) -> None:
    assert robot.get(f"/issues/{number + 9}").status_code == 404
    other = github.file_issue(REPO, "ann", "Wrong")
    github.delete_issue(REPO, other)
    assert robot.get(f"/issues/{other}").status_code == 410
    github.repository(REPO).has_issues = False
    for path in ("/issues", f"/issues/{number}", f"/issues/{number}/comments"):
        answer = robot.get(path)
        assert (answer.status_code, answer.json()["message"]) == (410, "Issues are disabled for this repo")
    github.commit(REPO, "x", {"a.txt": "a"})
    pull = github.open_pull(REPO, "robot", "x", "Change")
    assert robot.post(f"/issues/{pull}/comments", json={"body": "Still"}).status_code == 201


def test_a_comment_is_written_changed_and_found_by_its_change(github: GitHub, robot: httpx.Client, number: int) -> None:
    github.clock.freeze()
    first, second = (robot.post(f"/issues/{number}/comments", json={"body": one}).json() for one in ("a", "b"))
    github.clock.advance(5)
    changed = robot.patch(f"/issues/comments/{first['id']}", json={"body": "c"}).json()
    assert (changed["body"], changed["created_at"]) == ("c", first["created_at"])
    assert changed["updated_at"] > first["updated_at"]
    since = {"since": changed["updated_at"]}
    assert [one["id"] for one in robot.get(f"/issues/{number}/comments", params=since).json()] == [first["id"]]
    assert robot.get(f"/issues/comments/{second['id']}").json()["user"]["login"] == "robot"
    assert robot.get(f"/issues/{number}").json()["comments"] == 2


@pytest.mark.parametrize(("body", "status"), [(" ", 422), ("x" * 65536, 201), ("x" * 65537, 422)])
def test_a_comment_is_neither_blank_nor_endless(robot: httpx.Client, number: int, body: str, status: int) -> None:
    assert robot.post(f"/issues/{number}/comments", json={"body": body}).status_code == status


def test_a_locked_issue_takes_comments_of_those_who_may_write_alone(
    github: GitHub, robot: httpx.Client, stranger: httpx.Client, number: int
) -> None:
    own = stranger.post(f"/issues/{number}/comments", json={"body": "Before"})
    assert own.status_code == 201
    github.lock(REPO, number)
    refused = stranger.post(f"/issues/{number}/comments", json={"body": "x"})
    assert (refused.status_code, "locked" in refused.json()["message"]) == (403, True)
    assert robot.post(f"/issues/{number}/comments", json={"body": "x"}).status_code == 201
    assert robot.get(f"/issues/{number}").json()["locked"] is True


def test_a_stranger_changes_their_own_words_alone(github: GitHub, stranger: httpx.Client, number: int) -> None:
    comment = github.comment(REPO, number, "ann", "Mine")
    assert stranger.patch(f"/issues/comments/{comment}", json={"body": "x"}).status_code == 403
    assert stranger.patch(f"/issues/{number}", json={"body": "x"}).status_code == 403
    own = stranger.post("/issues", json={"title": "T"}).json()["number"]
    assert stranger.patch(f"/issues/{own}", json={"state": "closed"}).status_code == 200


def test_the_same_reaction_twice_is_one(github: GitHub, robot: httpx.Client, number: int) -> None:
    comment = github.comment(REPO, number, "ann", "Hello")
    for path in (f"/issues/{number}", f"/issues/comments/{comment}"):
        statuses = [robot.post(f"{path}/reactions", json={"content": "eyes"}).status_code for _ in range(2)]
        assert statuses == [201, 200]
        assert [one["content"] for one in robot.get(f"{path}/reactions").json()] == ["eyes"]
        assert robot.get(path).json()["reactions"]["eyes"] == 1
        assert robot.get(f"{path}/reactions", params={"content": "heart"}).json() == []


def test_what_a_removed_user_wrote_is_by_nobody(github: GitHub, robot: httpx.Client, number: int) -> None:
    github.add_user("eve")
    comment = github.comment(REPO, number, "eve", "Bye")
    github.remove_user("eve")
    assert robot.get(f"/issues/comments/{comment}").json()["user"] is None


def test_search_finds_by_words_and_labels(github: GitHub, robot: httpx.Client, number: int) -> None:
    github.add_label(REPO, number, "help wanted")
    github.file_issue(REPO, "robot", "Other")

    def found(query: str) -> list[int]:
        answer = robot.get(f"{github.api}/search/issues", params={"q": query}).json()
        return [one["number"] for one in answer["items"]]

    assert found('repo:ann/calc is:issue is:open label:"help wanted"') == [number]
    assert found("repo:ann/calc missing in:body") == [number]
    assert found("repo:ann/calc -author:ann") == [number + 1]
    assert found("repo:ann/calc is:pr") == []
    assert robot.get(f"{github.api}/search/issues", params={"q": "repo:ann/none"}).status_code == 422

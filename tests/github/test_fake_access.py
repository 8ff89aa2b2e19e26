"""The fake shows, hides, limits and redirects as GitHub does."""

from __future__ import annotations

import http.client
import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.github.fake import GitHub
from tests.github.fixtures import Connect

REPO = "ann/calc"


def said(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["message"]


def test_a_bad_token_is_refused_even_where_none_is_needed(
    github: GitHub, connect: Connect, robot: httpx.Client, token: str
) -> None:
    assert said(connect("ghp_wrong").get("/issues")) == (401, "Bad credentials")
    assert connect(None).get("/issues").status_code == 200
    github.revoke(token)
    assert said(robot.get("/issues")) == (401, "Bad credentials")


def test_without_a_token_nothing_is_written(connect: Connect) -> None:
    assert said(connect(None).post("/issues", json={"title": "T"})) == (401, "Requires authentication")


@pytest.mark.parametrize("scheme", ["Bearer", "token", "bearer"])
def test_a_token_comes_in_each_scheme_and_as_a_password(github: GitHub, token: str, scheme: str) -> None:
    answer = httpx.get(f"{github.api}/user", headers={"Authorization": f"{scheme} {token}"})
    assert answer.json()["login"] == "robot"
    assert httpx.get(f"{github.url}/user", auth=("anyone", token)).json()["login"] == "robot"


def test_a_private_repository_is_not_found_by_those_who_may_not_see_it(github: GitHub, connect: Connect) -> None:
    github.add_repository("ann/secret", private=True)
    github.add_user("eve")
    path = f"{github.api}/repos/ann/secret"
    for token in (None, github.token("eve"), github.token("eve", "classic"), github.token("ann", "classic", scopes=()),
                  github.token("ann", repositories=(REPO,))):  # fmt: skip
        assert said(connect(token).get(path)) == (404, "Not Found")
    for token in (github.token("ann", "classic"), github.token("ann", repositories=("ann/secret",))):
        assert connect(token).get(path).json()["private"] is True


def test_a_right_that_a_token_lacks_is_named(github: GitHub, connect: Connect) -> None:
    number = github.file_issue(REPO, "ann", "T")
    narrow = connect(github.token("robot", permissions={"issues": "read", "pull_requests": "write"}))
    refused = narrow.post(f"/issues/{number}/labels", json={"labels": ["x"]})
    assert said(refused) == (403, "Resource not accessible by personal access token")
    assert "issues=write" in refused.headers["x-accepted-github-permissions"]
    assert narrow.get(f"/issues/{number}").status_code == 200
    github.commit(REPO, "x", {"a.txt": "a"})
    pull = github.open_pull(REPO, "robot", "x", "Change")
    assert narrow.post(f"/issues/{pull}/labels", json={"labels": ["x"]}).status_code == 200


def test_a_token_made_for_other_repositories_reads_a_public_one(github: GitHub, connect: Connect) -> None:
    github.add_repository("ann/other")
    other = connect(github.token("robot", repositories=("ann/other",)))
    assert other.get("/issues").status_code == 200
    assert other.post("/issues", json={"title": "T"}).status_code == 403


def test_a_classic_token_tells_its_scopes_and_needs_them(github: GitHub, connect: Connect) -> None:
    classic = connect(github.token("robot", "classic", scopes=("public_repo", "gist")))
    assert classic.get("/labels").headers["x-oauth-scopes"] == "public_repo, gist"
    assert classic.post("/issues", json={"title": "T"}).status_code == 201
    poor = connect(github.token("robot", "classic", scopes=()))
    assert poor.post("/issues", json={"title": "T"}).status_code == 404
    assert "x-oauth-scopes" not in connect(github.token("robot")).get("/labels").headers


@pytest.mark.parametrize(
    ("login", "role", "permission"),
    [("ann", None, "admin"), ("robot", "write", "write"), ("eve", None, "read"), ("eve", "triage", "read"),
     ("eve", "maintain", "write")],
)  # fmt: skip
def test_a_user_s_permission_is_told(
    github: GitHub, robot: httpx.Client, login: str, role: Any, permission: str
) -> None:
    github.add_user("eve")
    if login != "ann":
        github.set_permission(REPO, login, role)
    told = robot.get(f"/collaborators/{login}/permission").json()
    expected = role or ("admin" if login == "ann" else "read")
    assert (told["permission"], told["role_name"], told["user"]["login"]) == (permission, expected, login)


def test_the_permission_of_no_one_and_of_a_stranger_to_what_is_private(github: GitHub, connect: Connect) -> None:
    github.add_user("eve")
    github.add_repository("ann/secret", private=True)
    ann = connect(github.token("ann"))
    assert ann.get("/collaborators/nobody/permission").status_code == 404
    told = ann.get(f"{github.api}/repos/ann/secret/collaborators/eve/permission").json()
    assert told["permission"] == "none"
    assert connect(github.token("eve")).get("/collaborators/ann/permission").status_code == 403


def test_an_archived_repository_is_read_only(github: GitHub, robot: httpx.Client) -> None:
    number = github.file_issue(REPO, "ann", "T")
    github.repository(REPO).archived = True
    refused = robot.post(f"/issues/{number}/comments", json={"body": "x"})
    assert said(refused) == (403, "Repository was archived so is read-only.")
    assert robot.get(f"/issues/{number}").status_code == 200
    assert robot.get(f"{github.api}/repos/ann/calc").json()["archived"] is True


def test_pages_are_linked_by_the_repository_s_number(github: GitHub, robot: httpx.Client) -> None:
    for index in range(35):
        github.file_issue(REPO, "ann", f"T{index}")
    first = robot.get("/issues")
    assert len(first.json()) == 30
    assert set(first.links) == {"next", "last"}
    assert re.search(r"/repositories/\d+/issues\?page=2", first.links["next"]["url"])
    second = robot.get(first.links["next"]["url"])
    assert len(second.json()) == 5
    assert set(second.links) == {"prev", "first"}
    assert "link" not in robot.get("/issues", params={"per_page": "100"}).headers
    for _ in range(70):
        github.file_issue(REPO, "ann", "More")
    most = robot.get("/issues", params={"per_page": "200", "state": "all"})
    assert len(most.json()) == 100
    assert httpx.URL(most.links["next"]["url"]).params["state"] == "all"


def test_a_renamed_repository_leads_to_its_number_with_the_same_method(github: GitHub, robot: httpx.Client) -> None:
    number = github.file_issue(REPO, "ann", "T")
    github.rename(REPO, "sums")
    moved = robot.get("/issues", params={"state": "all"})
    assert said(moved) == (301, "Moved Permanently")
    assert [one["number"] for one in robot.get(moved.headers["location"]).json()] == [number]
    posted = robot.post(f"/issues/{number}/comments", json={"body": "x"})
    assert said(posted) == (307, "Moved Permanently")
    assert posted.json()["url"] == posted.headers["location"]
    again = robot.post(f"/issues/{number}/comments", json={"body": "x"}, follow_redirects=True)
    assert again.status_code == 201
    assert robot.get(f"{github.api}/repos/ann/calc", follow_redirects=True).json()["full_name"] == "ann/sums"


def test_what_did_not_change_costs_nothing(github: GitHub, robot: httpx.Client) -> None:
    first = robot.get("/issues")
    again = robot.get("/issues", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["x-ratelimit-used"] == first.headers["x-ratelimit-used"]
    assert again.headers["etag"] == first.headers["etag"]
    github.file_issue(REPO, "ann", "T")
    changed = robot.get("/issues", headers={"If-None-Match": first.headers["etag"]})
    assert changed.status_code == 200
    assert int(changed.headers["x-ratelimit-used"]) == int(first.headers["x-ratelimit-used"]) + 1


def test_the_limit_is_each_account_s_own_and_comes_back(github: GitHub, robot: httpx.Client, connect: Connect) -> None:
    github.clock.freeze()
    github.limit("robot", remaining=1)
    last = robot.get("/issues")
    assert (last.status_code, last.headers["x-ratelimit-remaining"]) == (200, "0")
    refused = robot.get("/issues")
    assert refused.status_code == 403
    assert "API rate limit exceeded" in refused.json()["message"]
    assert refused.headers["x-ratelimit-remaining"] == "0"
    wait = int(refused.headers["x-ratelimit-reset"]) - int(github.clock.seconds())
    assert 0 < wait <= 3600
    assert robot.get(f"{github.api}/rate_limit").json()["resources"]["core"]["remaining"] == 0
    assert connect(github.token("ann")).get("/issues").status_code == 200
    github.clock.advance(wait)
    assert robot.get("/issues").headers["x-ratelimit-remaining"] == "4999"


def test_every_answer_carries_github_s_headers(robot: httpx.Client) -> None:
    for answer in (robot.get("/issues"), robot.get("/issues/9"), robot.post("/issues", json={"title": "T"})):
        for name in ("date", "x-github-request-id", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-used",
                     "x-ratelimit-reset", "x-ratelimit-resource", "x-github-api-version-selected"):  # fmt: skip
            assert answer.headers.get(name), name
        assert ("etag" in answer.headers) == (answer.status_code == 200)


def test_a_client_without_a_name_is_refused(github: GitHub) -> None:
    connection = http.client.HTTPConnection(github.url.removeprefix("http://"))
    connection.request("GET", "/api/v3/repos/ann/calc")
    answer = connection.getresponse()
    assert (answer.status, b"User-Agent" in answer.read()) == (403, True)
    connection.close()


@pytest.mark.parametrize(
    "form", [lambda url: f"{url}/api/v3", lambda url: url, lambda _: "http://api.github.localhost"]
)
def test_each_form_of_address_leads_to_the_same(github: GitHub, token: str, form: Callable[[str], str]) -> None:
    base = form(github.url)
    proxy = github.url if "localhost" in base else None
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=base, proxy=proxy, headers=headers) as client:
        assert client.get("/repos/ann/calc").json()["full_name"] == REPO
        for index in range(2):
            github.file_issue(REPO, "ann", f"T{index}")
        link = client.get("/repos/ann/calc/issues", params={"per_page": 1}).links["next"]["url"]
        assert link.startswith(f"{base}/repositories/")
        assert len(client.get(link).json()) == 1
    assert {one.path for one in github.calls} >= {"/repos/ann/calc", "/repos/ann/calc/issues"}


def test_calls_are_kept_in_order(github: GitHub, robot: httpx.Client) -> None:
    robot.get("/issues", params={"state": "all"})
    robot.post("/labels", json={"name": "x"})
    assert github.calls == [
        ("GET", "/repos/ann/calc/issues", {"state": "all"}, 200),
        ("POST", "/repos/ann/calc/labels", {}, 201),
    ]
    github.reset_calls()
    assert github.calls == []


def test_what_a_client_asks_wrongly_is_kept_and_refused(github: GitHub, robot: httpx.Client) -> None:
    assert robot.get("/issues", params={"label": "x"}).status_code == 200
    assert robot.post("/issues", json={"name": "T"}).status_code == 422
    assert robot.post("/issues", content=b"{").status_code == 400
    assert robot.get("/nothing").status_code == 404
    wrong = list(github.violations)
    github.violations.clear()
    assert len(wrong) == 3
    assert "unknown query key label" in wrong[0]


def test_graphql_says_what_it_cannot_find(github: GitHub, robot: httpx.Client) -> None:
    assert robot.post(f"{github.api}/../graphql", json={"query": "{viewer{login}}"}).status_code == 200
    query = "query($owner:String!,$name:String!,$number:Int!){repository(owner:$owner,name:$name)"
    body = {"query": query + "{issue(number:$number){lastEditedAt}}}"}
    for name, kind in (("calc", "issue"), ("none", "repository")):
        variables = {"owner": "ann", "name": name, "number": 9}
        answer = robot.post(f"{github.url}/api/graphql", json={**body, "variables": variables}).json()
        assert (answer["errors"][0]["type"], answer["errors"][0]["path"][-1]) == ("NOT_FOUND", kind)

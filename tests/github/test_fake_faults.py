"""The fake fails as it is told to, and only then."""

from __future__ import annotations

import json
import subprocess
import threading
from pathlib import Path

import httpx
import pytest

from tests.conftest import git
from tests.github.contract import Contract
from tests.github.fake import GitHub
from tests.github.faults import How

REPO = "ann/calc"


@pytest.mark.parametrize("how", ["500", "502"])
def test_a_broken_server_answers_with_a_page_and_does_nothing(github: GitHub, robot: httpx.Client, how: How) -> None:
    github.fail_next("POST */labels", how)
    answer = robot.post("/labels", json={"name": "x"})
    assert (answer.status_code, answer.headers["content-type"]) == (int(how), "text/html")
    assert answer.text.startswith("<!DOCTYPE html>")
    assert robot.get("/labels").json() == []
    assert robot.post("/labels", json={"name": "x"}).status_code == 201


@pytest.mark.parametrize(("how", "made"), [("reset", 0), ("lost", 1)])
def test_a_connection_ends_before_or_after_the_effect(github: GitHub, robot: httpx.Client, how: How, made: int) -> None:
    github.fail_next("POST */labels", how)
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        robot.post("/labels", json={"name": "x"})
    assert len(robot.get("/labels").json()) == made
    assert [one.status for one in github.calls] == [201 if made else 0, 200]


def test_half_a_body_is_no_json(github: GitHub, robot: httpx.Client) -> None:
    github.fail_next("GET */labels", "truncated")
    robot.post("/labels", json={"name": "x"})
    answer = robot.get("/labels")
    assert answer.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        answer.json()


def test_what_hangs_is_let_go_when_the_fake_closes(contract: Contract, tmp_path: Path) -> None:
    outcome: list[str] = []

    def ask(url: str) -> None:
        try:
            httpx.get(url, timeout=30)
        except httpx.TransportError as error:
            outcome.append(type(error).__name__)

    with GitHub(tmp_path / "other", contract) as other:
        other.fail_next("GET /user", "hang")
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(f"{other.api}/user", timeout=0.05)
        other.fail_next("GET /user", "hang")
        waiting = threading.Thread(target=ask, args=(f"{other.api}/user",))
        waiting.start()
        other.await_hanging(2)
    waiting.join(timeout=30)
    assert outcome in (["ReadError"], ["RemoteProtocolError"])


@pytest.mark.parametrize(("how", "status"), [("secondary", 403), ("secondary-429", 429)])
def test_who_asks_too_quickly_is_told_when_to_come_back(
    github: GitHub, robot: httpx.Client, how: How, status: int
) -> None:
    github.fail_next("*", how, retry_after=7, times=2)
    answers = [robot.get("/labels") for _ in range(3)]
    assert [one.status_code for one in answers] == [status, status, 200]
    assert answers[0].headers["retry-after"] == "7"
    assert answers[0].json()["message"].startswith("You have exceeded a secondary rate limit")
    assert answers[0].headers["x-ratelimit-remaining"] != "0"


def test_the_primary_limit_tells_when_it_is_over(github: GitHub, robot: httpx.Client) -> None:
    github.clock.freeze()
    github.fail_next(lambda method, path: method == "GET" and path.endswith("/labels"), "primary", retry_after=9)
    answer = robot.get("/labels")
    assert (answer.status_code, answer.headers["x-ratelimit-remaining"]) == (403, "0")
    assert int(answer.headers["x-ratelimit-reset"]) == int(github.clock.seconds()) + 9
    assert "retry-after" not in answer.headers
    assert robot.get("/labels").status_code == 200


def test_faults_come_in_the_order_they_were_asked_for_and_can_be_forgotten(github: GitHub, robot: httpx.Client) -> None:
    github.fail_next("GET *", "500")
    github.fail_next("GET */labels", "502")
    github.fail_next("GET */labels", "500", times=9)
    assert [robot.get("/labels").status_code for _ in range(3)] == [500, 502, 500]
    github.clear_faults()
    assert robot.get("/labels").status_code == 200


@pytest.mark.parametrize("how", ["500", "reset", "truncated", "secondary"])
def test_git_fails_too(github: GitHub, tmp_path: Path, how: How) -> None:
    # curl asks once more where a connection that it used before is reset.
    github.fail_next("POST *git-upload-pack", how, times=2)
    address = f"{github.url}/ann/calc.git"
    with pytest.raises(subprocess.CalledProcessError):
        clone(address, tmp_path / "first")
    github.clear_faults()
    clone(address, tmp_path / "second")


def clone(address: str, path: Path) -> None:
    # Protocol 0 is one request: no later one makes up for what the fault took.
    git("-c", "protocol.version=0", "clone", "--quiet", address, str(path), at=path.parent)


def test_a_push_whose_answer_is_lost_took_effect(github: GitHub, token: str, tmp_path: Path) -> None:
    path = tmp_path / "clone"
    address = github.url.replace("http://", f"http://x-access-token:{token}@") + "/ann/calc.git"
    clone(address, path)
    git("commit", "--quiet", "--allow-empty", "-m", "Empty", at=path)
    github.fail_next("POST *git-receive-pack", "lost")
    with pytest.raises(subprocess.CalledProcessError):
        git("push", "--quiet", "origin", "HEAD:refs/heads/lost", at=path)
    assert github.refs(REPO, "refs/heads/lost") == {"refs/heads/lost": git("rev-parse", "HEAD", at=path)}

"""The contract finds what clients ask wrongly and what the fake answers wrongly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import CHECKOUT
from tests.github import cut
from tests.github.contract import Asked, Contract
from tests.github.rest import OPERATIONS
from tests.github.routes import ROUTES

ISSUE = "/repos/ann/calc/issues/1"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (Asked("GET", "/repos/ann/calc/issues", {"label": "bug"}), "unknown query key label"),
        (Asked("GET", "/repos/ann/calc/issues", {"state": "merged"}), "query state"),
        (Asked("GET", "/repos/ann/calc/issues", {"since": "yesterday"}), "query since"),
        (Asked("GET", "/repos/ann/calc/issues/first"), "path issue_number"),
        (Asked("GET", "/search/issues"), "query key q is missing"),
        (Asked("POST", f"{ISSUE}/comments", {}, {"text": "x"}), '"body" is a required property'),
        (Asked("POST", f"{ISSUE}/comments"), "the body is missing"),
        (Asked("POST", f"{ISSUE}/labels", {}, {"labels": "bug"}), "body at"),
        (Asked("POST", f"{ISSUE}/reactions", {}, {"content": "smile"}), "body at content"),
        (Asked("POST", "/repos/ann/calc/pulls", {}, {"head": "x"}), '"base" is a required property'),
        (Asked("GET", "/repos/ann/calc/issue/1"), "no such operation"),
        (Asked("DELETE", ISSUE), "no such operation"),
    ],
)
def test_a_wrong_request_is_a_violation(contract: Contract, asked: Asked, said: str) -> None:
    [fault] = contract.check_request(asked)
    assert said in fault


@pytest.mark.parametrize(
    "asked",
    [
        Asked("GET", "/repos/ann/calc/issues", {"labels": "a,b", "since": "2026-01-01T00:00:00Z", "per_page": "100"}),
        Asked("POST", f"{ISSUE}/reactions", {}, {"content": "eyes"}),
        Asked("POST", "/repos/ann/calc/pulls", {}, {"head": "x", "base": "main", "title": "T", "draft": True}),
        Asked("PATCH", ISSUE, {}, {"body": None, "labels": ["a", {"name": "b"}]}),
    ],
)
def test_a_right_request_is_none(contract: Contract, asked: Asked) -> None:
    assert contract.check_request(asked) == []


@pytest.mark.parametrize(
    ("path", "template", "params"),
    [
        ("/branches/w01%2Fissue-1", "/branches/{branch}", {"branch": "w01/issue-1"}),
        ("/branches/w01/issue-1/protection", "/branches/{branch}/protection", {"branch": "w01/issue-1"}),
        ("/git/matching-refs/heads/w01/", "/git/matching-refs/{ref}", {"ref": "heads/w01/"}),
        ("/commits/w01/x/check-runs", "/commits/{ref}/check-runs", {"ref": "w01/x"}),
        ("/labels/needs%3A%20a%2Fb", "/labels/{name}", {"name": "needs: a/b"}),
    ],
)
def test_a_path_is_led_to_its_operation(contract: Contract, path: str, template: str, params: dict[str, str]) -> None:
    found = contract.operation("GET", f"/repos/ann/calc{path}")
    assert found
    operation, values = found
    assert operation.path == "/repos/{owner}/{repo}" + template
    assert values == {"owner": "ann", "repo": "calc", **params}


def a_label(**more: Any) -> dict[str, Any]:
    return {"id": 1, "node_id": "LA_1", "url": "https://x/", "name": "bug", "description": None, "color": "ededed",
            "default": False, **more}  # fmt: skip


@pytest.mark.parametrize(
    ("status", "body", "faults"),
    [
        (200, [a_label()], 0),
        (200, [a_label(id="1")], 1),
        (200, [{"name": "bug"}], 6),
        (200, None, 1),
        (404, {"message": "Not Found", "documentation_url": "https://x/"}, 0),
        (404, None, 1),
        (418, {}, 1),
    ],
)
def test_an_answer_is_checked_by_its_status(contract: Contract, status: int, body: Any, faults: int) -> None:
    assert len(contract.check_answer(Asked("GET", f"{ISSUE}/labels"), status, body)) == faults


def test_an_answer_without_content_has_none(contract: Contract) -> None:
    asked = Asked("DELETE", "/repos/ann/calc/labels/bug")
    assert contract.check_answer(asked, 204, None) == []
    assert contract.check_answer(asked, 204, {}) != []


def test_every_operation_of_the_cut_is_answered_and_no_other() -> None:
    assert OPERATIONS
    expected = {(method.upper(), path) for path, methods in cut.operations() for method in methods}
    assert set(ROUTES) == expected


def test_a_cut_says_null_as_json_schema_does_and_keeps_properties_named_like_prose() -> None:
    thing = {
        "type": "object",
        "description": "prose",
        "properties": {
            "description": {"type": "string", "nullable": True, "example": "x"},
            "side": {"type": "string", "enum": ["a"], "nullable": True},
            "owner": {"allOf": [{"$ref": "#/components/schemas/user"}], "nullable": True},
        },
    }
    item = {"responses": {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/thing"}}}}}}
    whole = {
        "openapi": "3.0.3",
        "paths": {path: dict.fromkeys(methods, item) for path, methods in cut.operations()},
        "components": {"schemas": {"thing": thing, "user": {"type": "object"}, "unused": {"type": "string"}}},
    }
    schemas = cut.cut(whole)["components"]["schemas"]
    assert set(schemas) == {"thing", "user"}
    assert schemas["thing"]["properties"] == {
        "description": {"type": ["string", "null"]},
        "side": {"type": ["string", "null"], "enum": ["a", None]},
        "owner": {"anyOf": [{"allOf": [{"$ref": "#/components/schemas/user"}]}, {"type": "null"}]},
    }
    assert "description" not in schemas["thing"]


def test_a_cut_of_other_operations_is_not_current(contract: Contract, tmp_path: Path) -> None:
    kept = CHECKOUT / ".cache" / cut.NAME
    assert cut.current(kept)
    described = json.loads(kept.read_text(encoding="utf-8"))
    del described["paths"]["/user"]
    (tmp_path / cut.NAME).write_text(json.dumps(described), encoding="utf-8")
    assert not cut.current(tmp_path / cut.NAME)
    assert not cut.current(tmp_path / "absent.json")


def test_the_setup_fetches_the_version_that_the_cut_is_of() -> None:
    assert f"GITHUB_OPENAPI={cut.VERSION}\n" in (CHECKOUT / "scripts" / "setup").read_text(encoding="utf-8")

"""GraphQL: the two questions that have no counterpart in REST, or that `gh` puts before all others."""

from __future__ import annotations

from typing import Any

from tests.github.access import sees
from tests.github.answers import Answer, Refused
from tests.github.records import Token
from tests.github.state import State


def answer(state: State, token: Token | None, body: Any) -> Answer:
    """Answer who asks, or when an issue's text was last edited."""
    if token is None:
        raise Refused(401, "This endpoint requires you to be authenticated.")
    query, variables = (body or {}).get("query", ""), (body or {}).get("variables") or {}
    if "viewer" in query:
        return Answer(200, {"data": {"viewer": {"login": token.login}}})
    if "lastEditedAt" not in query or not {"owner", "name", "number"} <= set(variables):
        raise AssertionError(f"the fake does not know the query {query}")
    repository, _ = state.find(f"{variables['owner']}/{variables['name']}")
    if repository is None or not sees(state, token, repository):
        name = f"{variables['owner']}/{variables['name']}"
        return _missing(["repository"], f"Could not resolve to a Repository with the name '{name}'.")
    issue = repository.issues.get(variables["number"])
    if issue is None or issue.pull:
        why = f"Could not resolve to an Issue with the number of {variables['number']}."
        return _missing(["repository", "issue"], why)
    return Answer(200, {"data": {"repository": {"issue": {"lastEditedAt": issue.last_edited_at}}}})


def _missing(path: list[str], why: str) -> Answer:
    data: dict[str, object] = {path[0]: {path[1]: None} if len(path) > 1 else None}
    errors = [{"type": "NOT_FOUND", "path": path, "locations": [{"line": 1, "column": 1}], "message": why}]
    return Answer(200, {"data": data, "errors": errors})

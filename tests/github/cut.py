"""The cut: GitHub's own API description with only the operations we use, as JSON Schema.

python tests/github/cut.py node_modules/@octokit/openapi/generated/api.github.com.json OUTPUT
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

VERSION = "23.0.2"
NAME = f"github-openapi-{VERSION}.json"

# One line for each path: the methods, then the path below /repos/{owner}/{repo} or, with two slashes, the whole path.
_OPERATIONS = """
get
get post /issues
get patch /issues/{issue_number}
get post /issues/{issue_number}/comments
get /issues/{issue_number}/events
get post put /issues/{issue_number}/labels
delete /issues/{issue_number}/labels/{name}
get post /issues/{issue_number}/reactions
get patch /issues/comments/{comment_id}
get post /issues/comments/{comment_id}/reactions
get post /labels
get patch delete /labels/{name}
get /collaborators/{username}/permission
get post /pulls
get patch /pulls/{pull_number}
put /pulls/{pull_number}/merge
get post /pulls/{pull_number}/reviews
get post /pulls/{pull_number}/comments
get /pulls/{pull_number}/reviews/{review_id}/comments
get /commits/{ref}/check-runs
get /commits/{ref}/status
post /check-runs
get /check-runs/{check_run_id}/annotations
post /statuses/{sha}
get /actions/jobs/{job_id}/logs
get /git/matching-refs/{ref}
get /git/ref/{ref}
get /git/commits/{commit_sha}
delete /git/refs/{ref}
get /branches/{branch}
get /branches/{branch}/protection
get /rules/branches/{branch}
get /rulesets
get //
get //search/issues
get //user
get //rate_limit
"""
_PROSE = {
    "description",
    "summary",
    "example",
    "examples",
    "externalDocs",
    "tags",
    "x-github",
    "x-octokit",
    "x-multi-segment",
}
# The maps whose keys are names, so that a property called "description" is kept.
_MAPS = {"properties", "patternProperties", "schemas", "parameters", "responses", "content"}


def operations() -> Iterator[tuple[str, list[str]]]:
    """Yield each path with its methods."""
    for line in _OPERATIONS.strip().splitlines():
        words = line.split()
        below = words.pop() if "/" in line else ""
        yield below[1:] if below.startswith("//") else f"/repos/{{owner}}/{{repo}}{below}", words


def cut(whole: dict[str, Any]) -> dict[str, Any]:
    """Return the part of the description that our operations reach."""
    paths = {}
    for path, methods in operations():
        found = whole["paths"][path]
        paths[path] = clean({method: found[method] for method in methods})
    part: dict[str, Any] = {"openapi": whole["openapi"], "info": {"version": VERSION}, "paths": paths, "components": {}}
    waiting = set(references(paths))
    while waiting:
        reference = waiting.pop()
        _, _, kind, name = reference.split("/")
        kept = part["components"].setdefault(kind, {})
        if name not in kept:
            kept[name] = clean(whole["components"][kind][name])
            waiting |= set(references(kept[name]))
    # In order, so that the same description always makes the same file.
    part["components"] = {kind: dict(sorted(kept.items())) for kind, kept in sorted(part["components"].items())}
    return part


def references(node: object) -> Iterator[str]:
    """Yield every reference in a part of a description."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def clean(node: Any, *, names: bool = False) -> Any:
    """Return a copy without prose, in which what may be null says so as JSON Schema does."""
    if isinstance(node, list):
        return [clean(one) for one in node]
    if not isinstance(node, dict):
        return node
    if names:
        return {key: clean(value) for key, value in node.items()}
    kept = {
        key: clean(value, names=key in _MAPS and isinstance(value, dict))
        for key, value in node.items()
        if key not in _PROSE and key != "nullable" and not (key == "headers" and "content" in node)
    }
    return _or_null(kept) if node.get("nullable") is True else kept


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    if isinstance(schema.get("type"), str):
        # An enum is checked besides the type: without null in both, null would be refused.
        listed = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
        return {**schema, **listed, "type": [schema["type"], "null"]}
    return {"anyOf": [schema, {"type": "null"}]} if schema else {}


def current(path: Path) -> bool:
    """Tell whether a cut is there and has the operations that we use."""
    if not path.exists():
        return False
    paths = json.loads(path.read_text(encoding="utf-8"))["paths"]
    return {name: set(item) for name, item in paths.items()} == {name: set(methods) for name, methods in operations()}


def main() -> int:
    """Look at a cut, or make it."""
    *source, target = map(Path, sys.argv[1:])
    if not source:
        return 0 if current(target) else 1
    text = json.dumps(cut(json.loads(source[0].read_text(encoding="utf-8"))), separators=(",", ":"))
    # Another run of the tests may be reading: the file appears whole.
    part = target.with_suffix(f".{os.getpid()}")
    part.write_text(text, encoding="utf-8")
    part.replace(target)
    return 0


if __name__ == "__main__":
    sys.exit(main())

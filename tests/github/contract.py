"""The contract: GitHub's description of its API, against which requests and answers are checked."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jsonschema_rs

# GitHub gives these on any operation, described there or not; their body is its basic error.
_ANYWHERE = {301, 302, 304, 307, 401, 403, 404, 405, 409, 410, 422, 429, 500, 502, 503}
_ERRORS = 400
# A redirect has a body where a repository moved, and none where a log is elsewhere.
_EITHER = {301, 302, 307}
_BASIC = {"$ref": "#/components/schemas/basic-error"}
# Parameters that may contain slashes, encoded or not.
_LONG = {"ref", "branch"}


@dataclass(frozen=True)
class Operation:
    """One method of one path."""

    method: str
    path: str
    pattern: re.Pattern[str]
    described: Mapping[str, Any]

    @property
    def name(self) -> str:
        """How a violation calls it."""
        return f"{self.method} {self.path}"


@dataclass
class Asked:
    """A request as the contract sees it."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None


class Contract:
    """The operations of one description and the schemas they name."""

    def __init__(self, path: Path) -> None:
        self._whole = json.loads(path.read_text(encoding="utf-8"))
        self._validators: dict[str, jsonschema_rs.Validator] = {}
        found = [
            Operation(method.upper(), template, _pattern(template), described)
            for template, item in self._whole["paths"].items()
            for method, described in item.items()
        ]
        # A path that ends in a long parameter would swallow the longer paths below it.
        self._operations = sorted(found, key=lambda one: (-one.path.count("/"), one.path.count("{")))

    def operation(self, method: str, path: str) -> tuple[Operation, dict[str, str]] | None:
        """Return the operation of a request with its decoded path parameters."""
        for one in self._operations:
            if one.method == method and (match := one.pattern.fullmatch(path)):
                return one, {name: unquote(value) for name, value in match.groupdict().items()}
        return None

    def check_request(self, asked: Asked) -> list[str]:
        """Return what is wrong with a request, one line each."""
        found = self.operation(asked.method, asked.path)
        if found is None:
            return [f"{asked.method} {asked.path}: no such operation"]
        one, values = found
        return [f"{one.name}: {fault}" for fault in (*self._parameters(one, values, asked), *self._body(one, asked))]

    def check_answer(self, asked: Asked, status: int, body: Any) -> list[str]:
        """Return what is wrong with an answer, one line each; an absent body is None."""
        found = self.operation(asked.method, asked.path)
        if found is None:
            return []
        one, _ = found
        responses = one.described["responses"]
        if str(status) not in responses and status not in _ANYWHERE:
            return [f"{one.name}: status {status} is not described"]
        content = self._resolve(responses.get(str(status), {})).get("content", {})
        schema = content.get("application/json", {}).get("schema") or (_BASIC if status >= _ERRORS else None)
        if schema is None or body is None:
            wrong = f"{one.name}: {status} {'without' if body is None else 'with'} a body"
            return [wrong] if (schema is None) != (body is None) and status not in _EITHER else []
        return [f"{one.name}: {status} answer {fault}" for fault in self._faults(schema, body)]

    def _parameters(self, one: Operation, values: Mapping[str, str], asked: Asked) -> list[str]:
        described = [self._resolve(given) for given in one.described.get("parameters", [])]
        allowed = {given["name"]: given for given in described if given["in"] == "query"}
        faults = [f"unknown query key {key}" for key in asked.query if key not in allowed]
        faults += [f"query key {key} is missing" for key, given in allowed.items() if given.get("required")
                   and key not in asked.query]  # fmt: skip
        for given in described:
            source = values if given["in"] == "path" else asked.query
            if given["name"] in source:
                value = _typed(source[given["name"]], given["schema"])
                faults += [f"{given['in']} {given['name']} {fault}" for fault in self._faults(given["schema"], value)]
        return faults

    def _body(self, one: Operation, asked: Asked) -> list[str]:
        described = one.described.get("requestBody")
        if described is None:
            return [] if asked.body in (None, {}) else ["a body where none is described"]
        if asked.body is None:
            return ["the body is missing"] if described.get("required") else []
        return [
            f"body {fault}" for fault in self._faults(described["content"]["application/json"]["schema"], asked.body)
        ]

    def _faults(self, schema: dict[str, Any], value: Any) -> list[str]:
        key = json.dumps(schema, sort_keys=True)
        if key not in self._validators:
            whole = {**schema, "components": self._whole["components"]}
            self._validators[key] = jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
        return [
            f"at {'.'.join(map(str, one.instance_path)) or 'the top'}: {one.message[:300]}"
            for one in self._validators[key].iter_errors(value)
        ]

    def _resolve(self, node: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in node:
            _, _, kind, name = node["$ref"].split("/")
            node = self._whole["components"][kind][name]
        return node


def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", template)
    for place in range(1, len(parts), 2):
        parts[place] = f"(?P<{parts[place]}>{'.+' if parts[place] in _LONG else '[^/]+'})"
    return re.compile("".join(part if place % 2 else re.escape(part) for place, part in enumerate(parts)))


def _typed(value: str, schema: Mapping[str, Any]) -> object:
    """Return a path's or query's text as the schema's type, where it is one."""
    if schema.get("type") == "integer" and re.fullmatch(r"-?\d+", value):
        return int(value)
    if schema.get("type") == "boolean" and value in {"true", "false"}:
        return value == "true"
    return value

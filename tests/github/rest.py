"""The REST side: a request through access, limits, contract and operation to its reply."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from typing import Any

from tests.github import account, checks, comments, graphql, issues, labels, limits, pull_routes, refs, settings
from tests.github.access import authenticate, authorize
from tests.github.answers import Answer, Refused, not_found, secondary_limit
from tests.github.contract import Asked, Contract
from tests.github.faults import PAGE, Fault
from tests.github.messages import Message, Reply
from tests.github.records import Token
from tests.github.routes import ROUTES, Request
from tests.github.state import Call, State

# Importing these modules is what registers their operations.
OPERATIONS = (account, checks, comments, issues, labels, pull_routes, refs, settings)
_NO_AGENT = "Request forbidden by administrative rules. Please make sure your request has a User-Agent header"
_NOTHING_WRONG = {"/rate_limit"}


class Rest:
    """GitHub's REST API over a state, checked against the contract."""

    def __init__(self, state: State, contract: Contract) -> None:
        self._state = state
        self._contract = contract

    def reply(self, message: Message, fault: Fault | None = None) -> Reply:
        """Answer a request; a fault is already decided."""
        with self._state.lock:
            token: Token | None = None
            try:
                if not message.headers.get("user-agent"):
                    raise Refused(403, _NO_AGENT)
                token = authenticate(self._state, message.headers.get("authorization"))
                answer = self._limited(message, token, fault)
            except Refused as refusal:
                answer = refusal.answer
            reply = self._reply(message, token, answer)
            if fault and fault.how in {"500", "502"}:
                reply = Reply(int(fault.how), {"Content-Type": "text/html"}, PAGE)
            path = message.path
            self._state.calls.append(Call(message.method, path, message.pairs, reply.status))
            return reply

    def _limited(self, message: Message, token: Token | None, fault: Fault | None) -> Answer:
        if fault and fault.how in {"500", "502"}:
            return Answer()
        if fault and fault.how.startswith("secondary"):
            return secondary_limit(429 if fault.how == "secondary-429" else 403, fault.retry_after)
        found = limits.budget(self._state, token.login if token else None, limits.kind_of(message.path))
        if fault and fault.how == "primary":
            return limits.exhausted(self._state, token, int(self._state.clock.seconds()) + fault.retry_after)
        if message.path in _NOTHING_WRONG:
            return self._operate(message, token)
        if found.used >= found.limit:
            return limits.exhausted(self._state, token, found.reset)
        found.used += 1
        answer = self._operate(message, token)
        if message.method == "GET" and answer.status == 200 and message.headers.get("if-none-match") == _tag(answer):
            # What did not change costs nothing.
            found.used -= 1
            return Answer(304, None, {"ETag": _tag(answer)})
        return answer

    def _operate(self, message: Message, token: Token | None) -> Answer:
        if message.path == "/graphql":
            return graphql.answer(self._state, token, _body(message))
        path = self._canonical(message.path)
        asked = Asked(message.method, path, message.pairs, None)
        try:
            asked.body = _body(message)
            answer = self._operation(message, asked, token)
        except Refused as refusal:
            answer = refusal.answer
        self._state.violations += self._contract.check_answer(asked, answer.status, answer.body)
        return answer

    def _operation(self, message: Message, asked: Asked, token: Token | None) -> Answer:
        faults = self._contract.check_request(asked)
        self._state.violations += faults
        found = self._contract.operation(asked.method, asked.path)
        if found is None:
            raise not_found()
        operation, params = found
        route = ROUTES[operation.method, operation.path]
        request = Request(self._state, asked.method, asked.path, message.base, asked.query, asked.body, token, params)
        if route.repository:
            authorize(request, route)
        if bad := [one for one in faults if "unknown query key" not in one]:
            raise Refused(422, f"Invalid request.\n\n{bad[0]}")
        return route.answer(request)

    def _canonical(self, path: str) -> str:
        """Return the path by a repository's name where it is asked for by its number."""
        numbered = re.fullmatch(r"/repositories/(\d+)(/.*)?", path)
        for one in self._state.repositories if numbered else ():
            if numbered and one.id == int(numbered[1]):
                return f"/repos/{one.full_name}{numbered[2] or ''}"
        return path

    def _reply(self, message: Message, token: Token | None, answer: Answer) -> Reply:
        headers = {
            "Server": "github.com", "Date": self._state.clock.date(), "Cache-Control": "private, max-age=60",
            "X-GitHub-Media-Type": "github.v3; format=json", "X-GitHub-Api-Version-Selected": "2022-11-28",
            "X-GitHub-Request-Id": secrets.token_hex(10).upper(),
            **limits.headers(self._state, token, limits.kind_of(message.path)),
            **({"X-OAuth-Scopes": ", ".join(token.scopes)} if token and token.kind == "classic" else {}),
        }  # fmt: skip
        if message.method == "GET" and answer.status == 200:
            headers["ETag"] = _tag(answer)
        if answer.body is not None:
            headers["Content-Type"] = "application/json; charset=utf-8"
        return Reply(answer.status, {**headers, **answer.headers}, _bytes(answer))


def _body(message: Message) -> Any:
    if not message.body.strip():
        return None
    try:
        body = json.loads(message.body)
    except ValueError:
        raise Refused(400, "Problems parsing JSON") from None
    if not isinstance(body, dict):
        raise Refused(400, "Body should be a JSON object")
    return body


def _bytes(answer: Answer) -> bytes:
    return b"" if answer.body is None else json.dumps(answer.body, separators=(",", ":")).encode()


def _tag(answer: Answer) -> str:
    return f'W/"{hashlib.sha256(_bytes(answer)).hexdigest()}"'

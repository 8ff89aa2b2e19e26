"""GitHub's REST API: one request at a time, its limits, faults and pages handled once.

Headers, limits and redirects as docs.github.com/rest describes them (API version 2022-11-28).
"""

from __future__ import annotations

import dataclasses
import random
import re
import time
import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx

from claude_workers import __version__, access
from claude_workers.errors import NotFound, Unreachable, WorkersError
from claude_workers.forge.github import faults

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from claude_workers.access import Access

_VERSION = "2022-11-28"
_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
_HURRIED = httpx.Timeout(5.0)
_TRIES = 4
_PAUSE = 0.5
# How long one call waits for a limit to pass before it says so instead.
PATIENCE = 60.0
_REDIRECTS = 3
_REPOSITORY = re.compile(r"^/(?:repos/[^/]+/[^/?]+|repositories/\d+)")
_MOVED = frozenset({301, 302, 307, 308})
_PAGES = 100
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


@dataclass(frozen=True)
class _Request:
    """One request; `again` tells that doing it twice is doing it once."""

    method: str
    path: str
    query: Mapping[str, str | int] = field(default_factory=dict)
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)
    again: bool = False

    @property
    def repeatable(self) -> bool:
        """Whether it may be sent once more when nobody knows what became of it."""
        return self.again or self.method != "POST"


def _inner(path: str) -> str:
    """Return the part of a path that is the same under a repository's old name, its new one and its number."""
    return _REPOSITORY.sub("", path.partition("?")[0])


class Rest:
    """A conversation with one API in one token's name; safe to use from one thread.

    `hurried`: an answer at once or an error, for what people look at while they wait.
    """

    def __init__(self, shown: Access, *, hurried: bool = False) -> None:
        self._access = shown
        self._tries, self._patience = (1, 0.0) if hurried else (_TRIES, PATIENCE)
        self._api = access.api(shown.server)
        headers = {
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": _VERSION,
            "User-Agent": f"claude-workers/{__version__}",
        }
        if shown.token:
            headers["Authorization"] = f"Bearer {shown.token}"
        self._client = httpx.Client(timeout=_HURRIED if hurried else _TIMEOUT, headers=headers)
        weakref.finalize(self, self._client.close)

    def get(self, path: str, **query: str | int) -> Any:  # noqa: ANN401
        """Return what stands at a path."""
        return self._body(self._ask(_Request("GET", path, query)))

    def pages(self, path: str, key: str = "", **query: str | int) -> Iterator[Any]:
        """Yield the items of a list, page by page as `Link` leads; `key` names it inside an object."""
        response = self._ask(_Request("GET", path, {"per_page": 100, **query}))
        for _ in range(_PAGES):
            body = self._body(response)
            yield from body[key] if key else body
            following = response.links.get("next", {}).get("url")
            if not following:
                return
            response = self._ask(_Request("GET", self._own(following)))
        raise WorkersError(f"{urlsplit(path).path} has more than {_PAGES} pages", "ask for less")

    def send(self, method: str, path: str, body: Any = None, *, again: bool = False) -> Any:  # noqa: ANN401
        """Change something and return the answer's body, None for an empty one.

        Unreachable from a POST says that nobody knows whether it was done: look before repeating;
        `again` tells that doing it twice is doing it once.
        """
        response = self._ask(_Request(method, path, body=body, again=again))
        return self._body(response) if response.content else None

    def graph(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        """Return the data of a GraphQL query, which reads and so may be repeated."""
        url = f"{self._api.removesuffix('/v3')}/graphql"
        response = self._tried(_Request("POST", url, body={"query": query, "variables": variables}, again=True))
        found = faults.content(response)
        if not response.is_success or not isinstance(found.get("data"), dict) or found.get("errors"):
            raise faults.of_graph(found) or faults.of(response, self._access)
        data: dict[str, Any] = found["data"]
        return data

    def unless(self, etag: str, path: str, **query: str | int) -> tuple[str, Any]:
        """Return the ETag and body of what changed since `etag`; the body is None when nothing did."""
        response = self._ask(_Request("GET", path, query, headers={"If-None-Match": etag} if etag else {}))
        if response.status_code == httpx.codes.NOT_MODIFIED:
            return etag, None
        return response.headers.get("ETag", ""), self._body(response)

    def scopes(self, path: str) -> tuple[str | None, Any]:
        """Return what a classic token may do, None for other kinds of token, and what stands at a path."""
        response = self._ask(_Request("GET", path))
        return response.headers.get("X-OAuth-Scopes"), self._body(response)

    def download(self, path: str, most: int) -> bytes:
        """Return the last `most` bytes of a file that the API redirects to, asked for without our token."""
        response = self._tried(_Request("GET", path))
        target = response.headers.get("Location")
        if response.status_code not in _MOVED or not target:
            raise faults.of(response, self._access)
        end = b""
        try:
            with httpx.stream("GET", target, timeout=_TIMEOUT) as stream:
                if stream.is_error:
                    raise Unreachable(f"the file behind {path} answers {stream.status_code}", "try again")
                for chunk in stream.iter_bytes():
                    end = (end + chunk)[-most:]
        except httpx.HTTPError as error:
            raise Unreachable(f"the file behind {path}: {error}", "try again") from error
        return end

    def _ask(self, asked: _Request) -> httpx.Response:
        """Return a successful answer (or 304), led on by redirects within the API."""
        for _ in range(_REDIRECTS):
            response = self._tried(asked)
            if response.status_code not in _MOVED:
                break
            # A renamed repository: the method stays, and our token stays at this address.
            path = self._own(response.headers.get("Location", ""))
            if _inner(path) != _inner(asked.path):
                raise NotFound(f"{asked.path} was moved to another repository", "name it there")
            asked = dataclasses.replace(asked, path=path, query={})
        if response.is_success or response.status_code == httpx.codes.NOT_MODIFIED:
            return response
        raise faults.of(response, self._access)

    def _own(self, url: str) -> str:
        if not url.startswith(f"{self._api}/"):
            raise WorkersError(f"{self._api} leads to another address: {url[:80]!r}", "check GITHUB_API_URL")
        return url.removeprefix(self._api)

    def _tried(self, asked: _Request) -> httpx.Response:
        """Return an answer that is no passing fault: those are waited for, as long as it is safe."""
        fault: WorkersError = Unreachable(f"{self._api} does not answer", "try again")
        patience = self._patience
        for attempt in range(self._tries):
            if attempt:
                time.sleep(_PAUSE * 2 ** (attempt - 1) * random.uniform(0.5, 1.0))  # noqa: S311
            try:
                response = self._sent(asked)
            except httpx.RequestError as error:
                fault = Unreachable(f"{self._api} does not answer: {str(error) or type(error).__name__}", "try again")
                if not asked.repeatable and not isinstance(error, _NEVER_SENT):
                    raise fault from error
                continue
            wait = faults.limit(response)
            if wait is not None:
                if wait > patience:
                    raise faults.limited(response, wait)
                patience -= wait
                time.sleep(wait)
                fault = faults.limited(response, wait)
                continue
            if not faults.passing(response):
                return response
            fault = faults.of(response, self._access)
            if not asked.repeatable:
                raise fault
        raise fault

    def _sent(self, asked: _Request) -> httpx.Response:
        url = asked.path if asked.path.startswith("http") else self._api + asked.path
        return self._client.request(
            asked.method, url, params=asked.query or None, json=asked.body, headers=asked.headers
        )

    def _body(self, response: httpx.Response) -> Any:  # noqa: ANN401
        try:
            return response.json()
        except (ValueError, RecursionError) as error:
            raise Unreachable(f"{self._api} answered what is no JSON", "try again") from error

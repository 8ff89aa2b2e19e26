"""The fake: a GitHub on loopback that remembers, checked against GitHub's own description.

    with GitHub(tmp_path, contract) as github:
        github.add_repository("ann/calc", {"calc.py": "..."})
        token = github.token("ann")
        httpx.get(f"{github.api}/repos/ann/calc", headers={"Authorization": f"Bearer {token}"})

Three forms of address lead to the same: `api` (Enterprise), `url` (GitHub's own paths), and any host
at all for a client that takes `url` for its proxy. git is served at `url`/OWNER/NAME.git.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

from tests.github.contract import Contract
from tests.github.faults import Fault, How, Match
from tests.github.people import People
from tests.github.places import Places
from tests.github.rest import Rest
from tests.github.server import Server
from tests.github.state import Call, State


class GitHub(Places, People):
    """A server in threads of this process."""

    def __init__(self, root: Path, contract: Contract) -> None:
        super().__init__(State(root))
        self._server = Server(self.state, Rest(self.state, contract))
        self.clock = self.state.clock

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()

    @property
    def url(self) -> str:
        """The base of git's addresses, and of REST as at api.github.com."""
        return self.state.url

    @property
    def api(self) -> str:
        """The base of REST's addresses as at an Enterprise host."""
        return self.state.api

    @property
    def calls(self) -> list[Call]:
        """The REST and GraphQL requests so far: method, path without any prefix, query, status."""
        with self.state.lock:
            return list(self.state.calls)

    @property
    def git_calls(self) -> list[Call]:
        """The requests of git so far."""
        with self.state.lock:
            return list(self.state.git_calls)

    def reset_calls(self) -> None:
        """Forget the requests so far."""
        with self.state.lock:
            self.state.calls.clear()
            self.state.git_calls.clear()

    @property
    def violations(self) -> list[str]:
        """What the contract found wrong so far, with clients and with the fake itself; a test may clear it."""
        return self.state.violations

    def fail_next(self, match: Match, how: How, *, times: int = 1, retry_after: int = 1) -> None:
        """Let the next requests that match go wrong.

        The match is a pattern over `METHOD path`, such as "POST */labels", or a function of both.
        500, 502: an HTML page, without effect. reset: the connection ends before anything happened.
        lost: it takes effect, then the connection ends. truncated: it takes effect, and half the body
        comes back. hang: no answer until the fake closes, at most a minute. primary: no requests left
        for `retry_after` seconds. secondary, secondary-429: too quick, come back after `retry_after`.
        """
        self._server.faults.add(Fault(match, how, times, retry_after))

    def await_hanging(self, count: int = 1) -> None:
        """Wait until so many requests hang, or have hung."""
        assert self._server.await_hanging(count), "no request came to hang"

    def clear_faults(self) -> None:
        """Forget the faults that did not come."""
        self._server.faults.clear()

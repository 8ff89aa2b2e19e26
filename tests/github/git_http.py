"""git over smart HTTP: `git http-backend` behind GitHub's rules of who may fetch and push."""

from __future__ import annotations

import re
import subprocess

from tests.github import bare, pulls
from tests.github.access import authenticate, holds, sees
from tests.github.answers import Refused
from tests.github.faults import PAGE, Fault
from tests.github.messages import Message, Reply
from tests.github.records import Repository, Token
from tests.github.state import Call, State

_ADDRESS = re.compile(r"/([^/]+)/([^/]+?)(?:\.git)?/(info/refs|git-upload-pack|git-receive-pack)")
_ASK = {"WWW-Authenticate": 'Basic realm="GitHub"'}
_BAD = "Invalid username or token. Password authentication is not supported for Git operations."


def is_git(message: Message) -> bool:
    """Tell whether a request is git's."""
    return _ADDRESS.fullmatch(message.path) is not None


class Git:
    """The git side of the repositories of a state."""

    def __init__(self, state: State) -> None:
        self._state = state

    def reply(self, message: Message, fault: Fault | None = None) -> Reply:
        """Answer one of git's requests; a fault is already decided."""
        if fault and fault.how in {"500", "502"}:
            reply = Reply(int(fault.how), {"Content-Type": "text/html"}, PAGE)
        elif fault and fault.how in {"primary", "secondary", "secondary-429"}:
            reply = _words(429, "Too many requests.", {"Retry-After": str(fault.retry_after)})
        else:
            reply = self._answer(message)
        with self._state.lock:
            self._state.git_calls.append(Call(message.method, message.path, message.pairs, reply.status))
        return reply

    def _answer(self, message: Message) -> Reply:
        address = _ADDRESS.fullmatch(message.path)
        assert address
        owner, name, service = address.groups()
        pushes = "git-receive-pack" in (service, message.pairs.get("service"))
        if service == "info/refs" and "service" not in message.pairs:
            return _words(403, "Please upgrade your git client.")
        with self._state.lock:
            try:
                token = authenticate(self._state, message.headers.get("authorization"))
            except Refused:
                return _words(401, _BAD, _ASK)
            repository, moved = self._state.find(f"{owner}/{name}")
            refusal = self._refusal(repository, token, pushes=pushes)
        if refusal or repository is None:
            return refusal or _words(404, "Repository not found.")
        # Only the first request is redirected: git, once asked for a password, sends the second to the old address.
        if moved and service == "info/refs":
            query = f"?{message.query}" if message.query else ""
            return Reply(301, {"Location": f"{message.base}/{repository.full_name}.git/{service}{query}"})
        reply = self._backend(message, repository, service, token)
        if service == "git-receive-pack":
            self._pushed(repository, token)
        return reply

    def _refusal(self, repository: Repository | None, token: Token | None, *, pushes: bool) -> Reply | None:
        """Return why a repository may not be read or written, None where it may."""
        if token is None and (repository is None or repository.private or pushes):
            return _words(401, "No anonymous write access." if pushes else "Repository not found.", _ASK)
        if repository is None or not sees(self._state, token, repository):
            return _words(404, "Repository not found.")
        if token is None:
            return None
        if not holds(token, repository, "contents:write" if pushes else "contents:read"):
            return _words(403, "Write access to repository not granted.")
        return self._unwritable(repository, token) if pushes else None

    def _unwritable(self, repository: Repository, token: Token) -> Reply | None:
        if repository.archived:
            return _words(403, "This repository was archived so it is read-only.")
        if not self._state.may(token.login, repository, "write"):
            return _words(403, f"Permission to {repository.full_name}.git denied to {token.login}.")
        return None

    def _backend(self, message: Message, repository: Repository, service: str, token: Token | None) -> Reply:
        given = {
            "GIT_PROJECT_ROOT": str(repository.bare.parent), "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": f"/{repository.bare.name}/{service}", "QUERY_STRING": message.query,
            "REQUEST_METHOD": message.method, "REMOTE_USER": token.login if token else "", "REMOTE_ADDR": "127.0.0.1",
            "CONTENT_TYPE": message.headers.get("content-type", ""), "CONTENT_LENGTH": str(len(message.body)),
            "HTTP_CONTENT_ENCODING": message.headers.get("content-encoding", ""),
            "GIT_PROTOCOL": message.headers.get("git-protocol", ""),
        }  # fmt: skip
        if not given["REMOTE_USER"]:
            del given["REMOTE_USER"]
        done = subprocess.run(
            ["git", "http-backend"], env={**bare.environment(), **given}, input=message.body, capture_output=True,
            check=True,
        )  # fmt: skip
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        return Reply(int(headers.pop("Status", "200").split()[0]), headers, body)

    def _pushed(self, repository: Repository, token: Token | None) -> None:
        with self._state.lock:
            if bare.refs(repository.bare, "refs/heads/") != repository.seen:
                repository.pushed_at = self._state.now()
            pulls.refresh(self._state, repository, token.login if token else None)


def _words(status: int, text: str, headers: dict[str, str] | None = None) -> Reply:
    # git shows a refusal's text only where it is declared plain.
    return Reply(status, {"Content-Type": "text/plain", **(headers or {})}, f"{text}\n".encode())

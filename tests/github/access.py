"""Access: whom a token speaks for, what it may see, and what it may do."""

from __future__ import annotations

import base64
import binascii
from urllib.parse import unquote, urlencode

from tests.github.answers import Refused, not_found
from tests.github.records import Repository, Token
from tests.github.routes import Request, Route
from tests.github.state import State

_LEVELS = ("read", "write", "admin")


def authenticate(state: State, header: str | None) -> Token | None:
    """Return the token of an Authorization header, None where there is no header."""
    if header is None:
        return None
    scheme, _, value = header.strip().partition(" ")
    if scheme.lower() == "basic":
        value = password(value)
    elif scheme.lower() not in {"token", "bearer"}:
        value = ""
    found = state.tokens.get(value.strip())
    if found is None or found.revoked or state.user(found.login) is None:
        raise Refused(401, "Bad credentials")
    return found


def password(encoded: str) -> str:
    """Return the password of Basic credentials; of the user's name GitHub takes no notice."""
    try:
        return base64.b64decode(encoded, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def sees(state: State, token: Token | None, repository: Repository) -> bool:
    """Tell whether a repository is there at all for this token."""
    if not repository.private:
        return True
    if token is None or state.role(token.login, repository) is None:
        return False
    return "repo" in token.scopes if token.kind == "classic" else covers(token, repository)


def covers(token: Token, repository: Repository) -> bool:
    """Tell whether a token with permissions was made for this repository."""
    if token.repositories is None:
        return True
    return repository.full_name.lower() in (name.lower() for name in token.repositories)


def holds(token: Token, repository: Repository, right: str) -> bool:
    """Tell whether a token has a right, such as issues:write, in a repository."""
    permission, _, level = right.partition(":")
    if token.kind == "classic":
        return level == "read" or "repo" in token.scopes or (not repository.private and "public_repo" in token.scopes)
    if level == "read" and not repository.private and permission != "administration":
        return True
    given = token.permissions.get(permission, "read" if permission == "metadata" else "")
    return covers(token, repository) and given in _LEVELS and _LEVELS.index(given) >= _LEVELS.index(level)


def authorize(request: Request, route: Route) -> None:
    """Find the repository that a request names, and refuse what the asker may not do there."""
    full_name = f"{unquote(request.params['owner'])}/{unquote(request.params['repo'])}"
    found, moved = request.state.find(full_name)
    if found is None or not sees(request.state, request.token, found):
        raise not_found()
    if moved:
        raise _moved(request, found)
    request.found = found
    if route.writes:
        _ = request.login
    if request.token is not None:
        _token(request, route, request.token)
    if route.writes and found.archived:
        raise Refused(403, "Repository was archived so is read-only.")
    if not request.may(route.role):
        raise Refused(403, "Must have admin rights to Repository.")


def _token(request: Request, route: Route, token: Token) -> None:
    rights = route.rights
    target = request.repository.issues.get(request.number) if "issue_number" in request.params else None
    if target is not None and target.pull is None:
        # The right to pull requests opens only those issues that are pull requests.
        rights = tuple(right for right in rights if not right.startswith("pull_requests:"))
    if not rights or any(holds(token, request.repository, right) for right in rights):
        return
    if token.kind == "classic":
        raise Refused(404, "Not Found", headers={"X-Accepted-OAuth-Scopes": "repo"})
    who = "personal access token" if token.kind == "fine" else "integration"
    accepted = "; ".join(right.replace(":", "=") for right in route.rights)
    raise Refused(403, f"Resource not accessible by {who}", headers={"X-Accepted-GitHub-Permissions": accepted})


def _moved(request: Request, found: Repository) -> Refused:
    """Refuse with the address below the repository's number, which no new name changes."""
    below = "/".join(request.path.split("/")[4:])
    query = urlencode(request.query)
    address = f"{request.base}/repositories/{found.id}{'/' + below if below else ''}{'?' + query if query else ''}"
    # Only what reads is answered 301; 307 tells a client to repeat what writes with the same method and body.
    status = 301 if request.method in {"GET", "HEAD"} else 307
    return Refused(status, "Moved Permanently", url=address, headers={"Location": address})

"""What an answer of GitHub's that is no success means: a limit, a passing fault, or one of our errors."""

from __future__ import annotations

import email.utils
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from claude_workers.errors import Limited, NoCredentials, NotFound, Refused, Unreachable, WorkersError
from claude_workers.text import one_line

if TYPE_CHECKING:
    import httpx

    from claude_workers.access import Access

_SECONDARY = 60.0  # docs.github.com: wait at least a minute when a secondary limit names no time
_LEAST = 1.0
_LONGEST = 30 * 86400.0


class Invalid(WorkersError):
    """GitHub understood the request and will not have it (422); `said` is all it said of that."""

    code = "forge"

    def __init__(self, message: str, said: str) -> None:
        super().__init__(message, "")
        self.said = said


def content(response: httpx.Response) -> dict[str, Any]:
    """Return an answer's JSON object; {} for anything else, such as a page of HTML."""
    try:
        found = response.json()
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def limit(response: httpx.Response) -> float | None:
    """Return how many seconds GitHub wants us to wait; None when the answer is no limit."""
    if response.status_code not in {403, 429}:
        return None
    after = response.headers.get("Retry-After", "")
    if _is_number(after):
        return min(float(after), _LONGEST)
    if response.headers.get("X-RateLimit-Remaining") == "0":
        reset = response.headers.get("X-RateLimit-Reset", "")
        if not _is_number(reset):
            return _SECONDARY
        return min(max(_LEAST, float(reset) - _now(response).timestamp()), _LONGEST)
    secondary = "secondary rate limit" in str(content(response).get("message", "")).lower()
    return _SECONDARY if secondary or response.status_code == 429 else None  # noqa: PLR2004


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 16  # noqa: PLR2004  no moment has more


def _now(response: httpx.Response) -> datetime:
    """Return GitHub's own time: ours may be wrong."""
    try:
        moment: datetime = email.utils.parsedate_to_datetime(str(response.headers.get("Date", "")))
    except ValueError:
        return datetime.now(UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def limited(response: httpx.Response, wait: float) -> Limited:
    """Return the error of a limit that is not waited for."""
    said = one_line(str(content(response).get("message", "")), 120) or f"status {response.status_code}"
    return _limited(said, wait)


def _limited(said: str, wait: float) -> Limited:
    until = (datetime.now(UTC) + timedelta(seconds=wait)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Limited(f"GitHub's limit is reached: {said}", f"again after {until}", until)


def passing(response: httpx.Response) -> bool:
    """Tell whether the same request may well succeed in a moment."""
    if response.status_code >= 500:  # noqa: PLR2004
        return True
    if not response.is_success or response.status_code == 204 or not response.content:  # noqa: PLR2004
        return False
    try:
        response.json()
    except (ValueError, RecursionError):
        return True  # half an answer, or a proxy's page
    return False


def of(response: httpx.Response, shown: Access) -> WorkersError:
    """Return the error that an answer stands for."""
    said = _said(response)
    match response.status_code:
        case 401:
            return NoCredentials(f"{shown.server} did not accept {shown.shown}: {said}", shown.remedy)
        case 403:
            needs = response.headers.get("X-Accepted-GitHub-Permissions")
            why = f"{said} (needed: {needs})" if needs else said
            return Refused(f"{shown.server} forbids it to {shown.shown}: {why}", shown.remedy)
        case 404:
            path = response.request.url.raw_path.decode().partition("?")[0]
            return NotFound(f"{path} is not there, or not for {shown.shown}", shown.remedy)
        case 410:
            if "disabled" in said:
                return Refused(f"{shown.server}: {said}", "switch issues on there, or say a PROMPT with -p")
            return NotFound(f"{shown.server}: {said}", "name another")
        case 422:
            return Invalid(f"{shown.server} refused: {said}", response.text)
        case status if status >= 500 or response.is_success:  # noqa: PLR2004
            return Unreachable(f"{shown.server} answers {status}: {said}", "try again")
        case status:
            return WorkersError(f"{shown.server} answers {status}: {said}", "try again")


def of_graph(data: dict[str, Any]) -> WorkersError | None:
    """Return the error that GraphQL tells inside of a successful answer; None when it tells none."""
    errors = data.get("errors")
    told = [one for one in errors if isinstance(one, dict)] if isinstance(errors, list) else []
    if not told:
        return None
    said, kind = one_line(str(told[0].get("message") or "")), str(told[0].get("type") or "")
    if kind == "RATE_LIMITED":
        return _limited(said, _SECONDARY)
    error = Refused if kind in {"FORBIDDEN", "INSUFFICIENT_SCOPES"} else WorkersError
    return error(f"GitHub refused: {said}", "claude-workers doctor --repo OWNER/REPO")


def _said(response: httpx.Response) -> str:
    """Return GitHub's message with the details of its errors, on one line."""
    data = content(response)
    if not data:
        plain = response.headers.get("Content-Type", "").startswith("text/plain")
        return (one_line(response.text, 200) if plain else "no JSON") if response.content else "nothing"
    errors = data.get("errors")
    details = errors if isinstance(errors, list) else []
    words = [str(one.get("message") or one.get("code") or "") if isinstance(one, dict) else str(one) for one in details]
    told = [str(data.get("message") or ""), *words]
    return one_line(": ".join(word for word in told if word), 200) or "nothing"

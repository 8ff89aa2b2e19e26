"""The faults of the Machines API: what an answer that is no success means, read from its body before its status.

The same thing comes under several statuses, and one status means several things: 409 is a lease of somebody
else's or a full host, 412 a stale version or a full host. Texts as seen in the wild by several projects;
`status` in the body as in Fly's own client.
"""

from __future__ import annotations

import json

from claude_workers import errors
from claude_workers.errors import BadInput, Busy, NoCredentials, NotFound, Refused, Unreachable, WorkersError

PATIENCE = "ask again in a moment"
_BILLING = "see https://fly.io/dashboard/personal/billing"


class NoCapacity(Busy):
    """No room for it in that region, or on the host that has the volume."""


class Leased(Busy):
    """Somebody else holds the machine's lease."""


class Changed(Busy):
    """The machine is not as it was looked at, or not in a state for that."""


class Quota(Refused):
    """The organization may not have more of it."""


class Payment(Refused):
    """The organization has to pay first."""


class Gone(NotFound):
    """The app, machine or volume is not there, or not any more."""


class Unsure(Unreachable):
    """It may have been done all the same: whoever asked has to look."""


# The first whose words stand in the body counts.
_WORDS: tuple[tuple[tuple[str, ...], type[WorkersError], str], ...] = (
    (("insufficient_capacity", "volume_placement_capacity", "insufficient resources", "insufficient memory",
      "could not reserve resource", "no capacity", "insufficient capacity"), NoCapacity, "name fallback_regions"),
    (("over the allowed quota", "quota"), Quota, "ask Fly to raise it"),
    (("payment method", "billing", "past due"), Payment, _BILLING),
    (("lease currently held", "lease is held", "lease_held"), Leased, PATIENCE),
    (("volume not found", "machine not found", "app not found", "could not find app"), Gone, ""),
    (("failed_precondition", "unable to start machine from current state", "getting replaced",
      "precondition"), Changed, PATIENCE),
)  # fmt: skip
_STATUS: dict[int, tuple[type[WorkersError], str]] = {
    400: (BadInput, "look at hosts.toml"),
    401: (NoCredentials, "give FLY_API_TOKEN a token of this app: fly tokens create deploy"),
    402: (Payment, _BILLING),
    403: (Refused, "give FLY_API_TOKEN a token that may do this: fly tokens create deploy"),
    404: (Gone, ""),
    408: (errors.NotFinished, PATIENCE),
    409: (Leased, PATIENCE),
    412: (Changed, PATIENCE),
    422: (BadInput, "look at hosts.toml"),
    429: (errors.Limited, PATIENCE),
}


def fault(status: int, body: str, what: str, request: str = "") -> WorkersError:
    """Return the error that an answer is; `what` was asked, `request` is Fly's id of it."""
    said = _said(body)
    told = f"{what}: {said or f'HTTP {status}'}" + (f" (request {request})" if request else "")
    if status not in {401, 408, 429}:
        lowered = body.lower()
        for words, kind, remedy in _WORDS:
            if any(one in lowered for one in words):
                return kind(told, remedy)
    kind, remedy = _STATUS.get(status, (Unsure if status >= 500 else WorkersError, PATIENCE))  # noqa: PLR2004
    return kind(told, remedy)


def _said(body: str) -> str:
    """Return the one line that a body says."""
    try:
        data = json.loads(body)
    except ValueError:
        data = None
    text = str(data.get("error") or data.get("message") or "") if isinstance(data, dict) else body
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())[:200]

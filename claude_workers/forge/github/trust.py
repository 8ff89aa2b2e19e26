"""Trust: whose words on GitHub may become a prompt, asked of its API and never assumed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from claude_workers.errors import NotFound, Refused

if TYPE_CHECKING:
    from claude_workers.forge.github.rest import Rest

# `maintain` is told as write, `triage` as read (docs.github.com/rest/collaborators).
_WRITERS = frozenset({"admin", "write"})
AGAIN = "read it again, then take the label {label} off and put it on anew"
_EDITED = (
    "query($owner:String!,$name:String!,$number:Int!){repository(owner:$owner,name:$name)"
    "{issue(number:$number){lastEditedAt}}}"
)


class Trust:
    """One repository's people, each asked about once."""

    def __init__(self, rest: Rest, at: str) -> None:
        self._rest = rest
        self._at = at
        self._known: dict[str, bool] = {}

    def writes(self, user: dict[str, Any] | None) -> bool:
        """Tell whether a person may write to the repository; a deleted account may not."""
        login = str(user.get("login") or "") if user else ""
        if not login:
            return False
        if login not in self._known:
            try:
                found = self._rest.get(f"{self._at}/collaborators/{quote(login, safe='')}/permission")
                self._known[login] = found.get("permission") in _WRITERS
            except NotFound:
                self._known[login] = False
            except Refused as error:
                raise Refused(f"nobody's rights can be asked for: {error.message}", error.remedy) from error
        return self._known[login]

    def approved_at(self, number: int, label: str) -> str | None:
        """Return when a person who may write last put the approval label on an issue; None if nobody did.

        Refused when it got another title since, from somebody who may not write.
        """
        moment, renamed = None, False
        for event in self._rest.pages(f"{self._at}/issues/{number}/events"):
            kind = event.get("event")
            named = kind in {"labeled", "unlabeled"} and str(event["label"]["name"]).lower() == label.lower()
            if named:
                moment = str(event["created_at"]) if kind == "labeled" and self.writes(event.get("actor")) else None
                renamed = False
            elif kind == "renamed" and moment:
                renamed = renamed or not self.writes(event.get("actor"))
        if moment and renamed:
            raise Refused(f"issue {number} got another title after it was approved", AGAIN.format(label=label))
        return moment

    def edited_at(self, owner: str, name: str, number: int) -> str | None:
        """Return when an issue's text was last changed, None for never: REST does not tell it."""
        variables = {"owner": owner, "name": name, "number": number}
        answer = self._rest.graph(_EDITED, variables)
        issue = (answer.get("repository") or {}).get("issue") or {}
        found = issue.get("lastEditedAt")
        return str(found) if found else None

"""Values on the command line that click does not know: durations, and issues of one repository."""

from __future__ import annotations

from typing import Any

import click

from claude_workers import access, clock, names
from claude_workers.errors import BadInput


class Duration(click.ParamType):  # type: ignore[type-arg]
    """A duration such as 90s or 2h, given on as seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:  # noqa: ANN401
        """Return seconds; a usage error for anything else."""
        try:
            return clock.duration(str(value))
        except BadInput as error:
            self.fail(f"{error.message}: {error.remedy}", param, ctx)


def issue_of(repo: str, text: str) -> int:
    """Return the number of an ISSUE word; BadInput for the URL of another repository's."""
    number = names.issue_number(text)
    _check_repository(repo, text)
    return number


def change_of(repo: str, text: str) -> int:
    """Return the number of a PR word; BadInput for the URL of another repository's."""
    number = names.change_number(text)
    _check_repository(repo, text)
    return number


def _check_repository(repo: str, text: str) -> None:
    named = names.repository_in(text)
    if named is None:
        return
    elsewhere = names.host_of(text) != names.host_of(access.server())
    if elsewhere or names.is_path(repo) or named.lower() != names.owner_repo(repo).lower():
        raise BadInput(f"{named} on {names.host_of(text)} is not {repo}", "name the repository that the URL is of")

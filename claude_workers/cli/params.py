"""Values on the command line that click does not know: durations, and issues of one repository."""

from __future__ import annotations

import re
from typing import Any

import click
from click.shell_completion import CompletionItem

from claude_workers import access, clock, names, paths
from claude_workers.cli.common import Call
from claude_workers.errors import BadInput, WorkersError

# A shell puts what is offered into the line as it stands: other names could be commands there.
_HARMLESS = re.compile(r"[A-Za-z0-9_./~@:+,=-]+")


class Worker(click.ParamType):  # type: ignore[type-arg]
    """A worker's id, completed from the homes that there are; behind `HOST/` that host is asked."""

    name = "id"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the workers whose ids begin so."""
        del param
        from claude_workers.home.home import every  # noqa: PLC0415  start-up cost

        host, slash, _ = incomplete.rpartition("/")
        known = _workers_of(host) if slash else [home.worker for home in every(_layout(ctx))]
        return [CompletionItem(one) for one in known if one.startswith(incomplete)]


def _workers_of(host: str) -> list[str]:
    from claude_workers.fleet import Fleet  # noqa: PLC0415  start-up cost

    try:
        return [row.address for row in Fleet(on=host).status()]
    except WorkersError:
        return []


class Repo(click.ParamType):  # type: ignore[type-arg]
    """A repository, completed from those that tasks of this machine were in, and from folders."""

    name = "repository"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the known repositories that begin so; folders for a path."""
        del param
        from claude_workers.pool.history import repositories  # noqa: PLC0415  start-up cost

        known = [one for one in repositories(_layout(ctx)) if one.startswith(incomplete) and _HARMLESS.fullmatch(one)]
        # Not both: a folder to be completed makes bash forget what it was given before.
        return [*map(CompletionItem, known)] or [CompletionItem(incomplete, type="dir")]


def _layout(ctx: click.Context) -> paths.Layout:
    """Return the root that the line so far names."""
    return paths.layout(ctx.params.get("root") or ctx.ensure_object(Call).root)


WORKER, REPO = Worker(), Repo()


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

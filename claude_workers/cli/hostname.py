"""A host's name on the command line."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

from claude_workers.errors import WorkersError


class HostName(click.ParamType):  # type: ignore[type-arg]
    """A host's name, completed from hosts.toml."""

    name = "host"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the hosts whose names begin so."""
        del ctx, param
        from claude_workers.hosts import registry  # noqa: PLC0415  start-up cost

        try:
            known = [one.name for one in registry.every()]
        except WorkersError:
            return []
        return [CompletionItem(one) for one in known if one.startswith(incomplete)]


HOST = HostName()

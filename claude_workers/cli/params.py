"""Kinds of values on the command line that click does not know."""

from __future__ import annotations

from typing import Any

import click

from claude_workers import clock
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

"""Pages: a list cut into pieces, with the Link header that leads from one to the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

from tests.github.answers import Answer
from tests.github.routes import Request

T = TypeVar("T")
_MOST, _USUAL = 100, 30


def page(request: Request, things: Sequence[T], shape: Callable[[T], Any]) -> Answer:
    """Answer with the page of a list that was asked for."""
    chosen, headers = slice_of(request, things)
    return Answer(200, [shape(one) for one in chosen], headers)


def slice_of(request: Request, things: Sequence[T]) -> tuple[Sequence[T], dict[str, str]]:
    """Return the page that was asked for, and its Link header where there are more."""
    size = max(1, min(_number(request.query.get("per_page"), _USUAL), _MOST))
    wanted, last = max(1, _number(request.query.get("page"), 1)), max(1, -(-len(things) // size))
    links = {"prev": wanted - 1, "first": 1} if wanted > 1 else {}
    links |= {"next": wanted + 1, "last": last} if wanted < last else {}
    address = request.base + _by_number(request)
    parts = [
        f'<{address}?{urlencode({**request.query, "page": str(number)})}>; rel="{name}"'
        for name, number in links.items()
    ]
    return things[(wanted - 1) * size : wanted * size], {"Link": ", ".join(parts)} if parts else {}


def _by_number(request: Request) -> str:
    """Return the path as GitHub's links give it: by the repository's number."""
    if request.found is None:
        return request.path
    return "/".join(["", "repositories", str(request.found.id), *request.path.split("/")[4:]])


def _number(text: str | None, usual: int) -> int:
    return int(text) if text is not None and text.isdecimal() else usual

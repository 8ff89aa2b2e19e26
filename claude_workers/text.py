"""Texts of strangers made fit to be shown or read: on one line, harmless to a terminal, nothing hidden."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_SHOWN = 160
_SECRET = 12
# GitHub shows neither: an HTML comment (one that opens a line hides all to the text's end when it
# is not closed), and a link's definition that is used as a comment.
_OPENS, _CLOSES = "<!--", "-->"
_DEFINITION = re.compile(r"""^ {0,3}\[[^\]\n]*\]:[ \t]*(?:<>|#)[ \t]*["'(].*$\n?""", re.MULTILINE)
# Letters that draw nothing, beside the format characters (category Cf): fillers and variation selectors.
_BLANK = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]")
_KEPT_CONTROLS = "\n\t"


def one_line(text: str, width: int = _SHOWN) -> str:
    """Return a text's words in one line of at most `width` characters, control characters gone."""
    flat = " ".join(text[: width * 8].split())
    flat = "".join(letter for letter in flat if letter.isprintable())
    return flat if len(flat) <= width else flat[: width - 1] + "…"


def plain(text: str) -> str:
    """Return a text without what would act on a terminal."""
    return "".join(letter for letter in text if letter.isprintable() or letter in _KEPT_CONTROLS)


def redacted(text: str, secrets: Iterable[str]) -> str:
    """Return a text with the secrets in it blotted out; what is too short to be one is left."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SECRET:
            text = text.replace(secret, "[redacted]")
    return text


def visible(text: str) -> str:
    """Return of a Markdown text only what a reader of the page can see.

    A person who approves an issue has read the page; what the page hides must not reach an agent.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    shown = "".join(letter for letter in _BLANK.sub("", text) if _is_shown(letter))
    return _without_comments(_DEFINITION.sub("", _without_comments(shown)))


def _without_comments(text: str) -> str:
    """Return a text without comments, also those that come together when one is taken away."""
    before = ""
    while before != text:
        before, at, kept = text, 0, []
        while (start := text.find(_OPENS, at)) >= 0:
            end = text.find(_CLOSES, start + len(_OPENS))
            if end < 0:
                opens_line = not text[text.rfind("\n", 0, start) + 1 : start].strip(" ")
                kept.append(text[at : start if opens_line else len(text)])
                at = len(text)
                break
            kept.append(text[at:start])
            at = end + len(_CLOSES)
        text = "".join([*kept, text[at:]])
    return text


def _is_shown(letter: str) -> bool:
    return letter in _KEPT_CONTROLS or unicodedata.category(letter) not in {"Cf", "Cc", "Cs", "Co", "Cn"}

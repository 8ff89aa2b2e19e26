"""Texts of strangers made fit to be shown or read: on one line, harmless to a terminal, nothing hidden."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_SHOWN = 160
_SECRET = 12
_CUT = "\n\n(What follows is a comment that nothing closes: it was left out.)"
# What a page of Markdown never shows: comments and their like, with how each ends; an open one hides
# what follows, up to the end where it stands in a block of HTML: it is taken as the worst it can be.
_HIDDEN = {"<!--": "-->", "<?": "?>", "<![CDATA[": "]]>", "<!": ">"}
_OPENS = re.compile(r"<!--|<\?|<!\[CDATA\[|<!(?=[A-Za-z])")
_PASSES = 8
# A link's definition shows nothing: neither its title, nor a target that leads nowhere.
_DEFINITION = re.compile(
    r"""(?mx) ^( [ \t>*+.)0-9-]{0,40} \[ (?:\\.|[^\]\\\[]){1,999} \]: )
    (?: ( [ \t]{0,9}\n?[ \t]{0,9} ) ( <[^<>\n]{0,2000}> | [^\s<"'(]\S{0,2000} ) )?
    (?: [ \t]{0,9}\n?[ \t]{0,9} (?: "[^"]{0,9999}" | '[^']{0,9999}' | \([^()]{0,9999}\) ) )? [ \t]{0,9} (?:\n|\Z)"""
)
_NOWHERE = re.compile(r"""<?[#/]?>?|[#/][("'].*""")
_FOOTNOTE = re.compile(r"(?m)^[ \t>]{0,40}(\[\^[^\]\s]{1,99}\]):.*$")
# Letters that draw nothing, beside the format characters (category Cf): fillers and variation selectors.
_BLANK = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]")
_KEPT_CONTROLS = "\n\t"


def one_line(text: str, width: int = _SHOWN) -> str:
    """Return a text's words in one line of at most `width` characters, control characters gone."""
    flat = " ".join(text.lstrip()[: width * 8].split())
    flat = "".join(letter for letter in flat if letter.isprintable())
    return flat if len(flat) <= width else flat[: width - 1] + "…"


def plain(text: str) -> str:
    """Return a text without what would act on a terminal."""
    return "".join(letter for letter in text if letter.isprintable() or letter in _KEPT_CONTROLS)


def secrets_among(values: Iterable[str]) -> list[str]:
    """Return the values that are long enough to be secrets, the longest first."""
    return sorted({one for one in values if len(one) >= _SECRET}, key=len, reverse=True)


def redacted(text: str, secrets: Iterable[str]) -> str:
    """Return a text with the secrets in it blotted out; what is too short to be one is left."""
    for secret in secrets_among(secrets):
        text = text.replace(secret, "[redacted]")
    return text


def visible(text: str) -> str:
    """Return of a Markdown text only what a reader of the page can see.

    A person who approves an issue has read the page; what the page hides must not reach an agent.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    shown = "".join(letter for letter in _BLANK.sub("", text) if _is_shown(letter))
    shown = _without_hidden(shown)
    shown = _FOOTNOTE.sub(lambda found: found[0] if shown.count(found[1]) > 1 else "", shown)
    return _without_hidden(_DEFINITION.sub(_defined, shown))


def _defined(found: re.Match[str]) -> str:
    """Return what a reader learns of a link's definition: where it leads, if anywhere."""
    target = found[3] or ""
    if _NOWHERE.fullmatch(target):
        return ""
    return f"{found[1]}{found[2]}{target}" + ("\n" if found[0].endswith("\n") else "")


def _without_hidden(text: str) -> str:
    """Return a text without comments, also those that come together when one is taken away."""
    for _ in range(_PASSES):
        before, text = text, _without_one_layer(text)
        if before == text:
            return text
    found = _OPENS.search(text)
    return f"{text[: found.start()]}{_CUT}" if found else text  # nobody nests them so in good faith


def _without_one_layer(text: str) -> str:
    kept, at = [], 0
    while found := _OPENS.search(text, at):
        closes = _HIDDEN[found[0]]
        end = text.find(closes, found.end())
        kept.append(text[at : found.start()])
        if end < 0:
            return "".join([*kept, _CUT])
        at = end + len(closes)
    return "".join([*kept, text[at:]])


def _is_shown(letter: str) -> bool:
    return letter in _KEPT_CONTROLS or unicodedata.category(letter) not in {"Cf", "Cc", "Cs", "Co", "Cn"}

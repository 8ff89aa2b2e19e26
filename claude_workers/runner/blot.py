"""The blot: secrets taken out of all that is kept or shown, by their value."""

from __future__ import annotations

import json
from typing import Any

from claude_workers.text import redacted, secrets_among


class Blot:
    """Knows the secrets of one run, those that were renewed while it works as well."""

    def __init__(self, secrets: list[str]) -> None:
        self._secrets: set[str] = set()
        self._bytes: list[tuple[bytes, bytes]] = []
        self.add(*secrets)

    def add(self, *secrets: str) -> None:
        """Keep further secrets in mind."""
        found = self._secrets | set(secrets_among(secrets))
        if found != self._secrets:
            self._secrets = found
            spellings = {spelt for one in found for spelt in _spellings(one)}
            longest_first = sorted(spellings, key=len, reverse=True)
            self._bytes = [(one.encode("utf-8", "replace"), b"[redacted]") for one in longest_first]

    def text(self, text: str) -> str:
        """Return a text without them."""
        return redacted(text, self._secrets)

    def line(self, line: bytes) -> bytes:
        """Return a line of JSON without them."""
        for secret, blotted in self._bytes:
            line = line.replace(secret, blotted)
        return line

    def value(self, value: Any) -> Any:  # noqa: ANN401  what JSON can hold
        """Return a value as JSON has them, without them in any text of it."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.value(one) for one in value]
        if isinstance(value, dict):
            return {self.value(name): self.value(one) for name, one in value.items()}
        return value


def _spellings(secret: str) -> set[str]:
    """Return a secret as it may stand in a line of JSON: as it is, in a text, and in a text in a text."""
    found = {secret}
    for _ in range(2):
        found |= {json.dumps(one, ensure_ascii=plain)[1:-1] for one in found for plain in (True, False)}
    return found

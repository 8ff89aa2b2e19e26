"""The blot: secrets taken out of all that is kept or shown, by their value."""

from __future__ import annotations

import json

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
            spellings = {*found, *(json.dumps(one)[1:-1] for one in found)}
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

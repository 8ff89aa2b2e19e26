"""The record: a frozen dataclass that reads itself from JSON and writes itself back."""

from __future__ import annotations

import dataclasses
from typing import Any, Self

Json = dict[str, Any]


class Record:
    """A frozen dataclass that reads itself from JSON and writes itself back."""

    @classmethod
    def from_json(cls, data: Json) -> Self:
        """Build the record from its known keys; the others are left out."""
        names = {one.name for one in dataclasses.fields(cls)}  # type: ignore[arg-type]
        return cls(**{key: value for key, value in data.items() if key in names})

    def to_json(self) -> Json:
        """Return plain JSON values, one per field."""
        return dataclasses.asdict(self)  # type: ignore[call-overload, no-any-return]

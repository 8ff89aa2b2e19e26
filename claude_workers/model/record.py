"""The record: a frozen dataclass that reads itself from JSON and writes itself back."""

from __future__ import annotations

import dataclasses
from types import NoneType
from typing import Any, Self

Json = dict[str, Any]
_KINDS: dict[str, tuple[type, ...]] = {
    "str": (str,), "bool": (bool,), "int": (int,), "float": (int, float), "Json": (dict,), "None": (NoneType,),
    "list[str]": (list,), "list[Json]": (list,),
}  # fmt: skip


def cut(text: str, width: int) -> str:
    """Return a text of at most `width` characters."""
    return text if len(text) <= width else f"{text[: width - 1]}…"


class Record:
    """A frozen dataclass that reads itself from JSON and writes itself back."""

    @classmethod
    def from_json(cls, data: Json) -> Self:
        """Build the record from its known keys; the others are left out."""
        names = {one.name for one in dataclasses.fields(cls)}  # type: ignore[arg-type]
        return cls(**{key: value for key, value in data.items() if key in names})

    @classmethod
    def believed(cls, data: Json) -> Self:
        """Build the record from a file that somebody else may have written; TypeError for a value of a wrong kind."""
        record = cls.from_json(data)
        for one in dataclasses.fields(cls):  # type: ignore[arg-type]
            value = getattr(record, one.name)
            if not any(_is_a(kind, value) for kind in str(one.type).split(" | ")):
                raise TypeError(f"{one.name} is not what it should be")
        return record

    def to_json(self) -> Json:
        """Return plain JSON values, one per field."""
        return dataclasses.asdict(self)  # type: ignore[call-overload, no-any-return]


def _is_a(kind: str, value: object) -> bool:
    """Tell whether a value is of a kind, written as the fields of the records are annotated."""
    if not isinstance(value, _KINDS[kind]) or (isinstance(value, bool) and kind != "bool"):
        return False
    inner = kind.removeprefix("list[").removesuffix("]")
    return not isinstance(value, list) or all(_is_a(inner, one) for one in value)

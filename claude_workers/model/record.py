"""The record: a frozen dataclass that reads itself from JSON and writes itself back."""

from __future__ import annotations

import dataclasses
import functools
import typing
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
        """Build the record, and those within it, from its known keys; the others are left out."""
        hints = _hints(cls)  # type: ignore[arg-type]
        return cls(**{key: _read(hints[key], value) for key, value in data.items() if key in hints})

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


@functools.cache
def _hints(cls: type[Record]) -> dict[str, Any]:
    hints = typing.get_type_hints(cls)
    return {one.name: hints[one.name] for one in dataclasses.fields(cls)}  # type: ignore[arg-type]


def _read(kind: Any, value: Any) -> Any:  # noqa: ANN401
    """Return a JSON value as the kind that is wanted: records for objects, also in lists."""
    if isinstance(value, dict):
        for one in (kind, *typing.get_args(kind)):
            if isinstance(one, type) and issubclass(one, Record):
                return one.from_json(value)
    if isinstance(value, list):
        inner = next((arg for one in (kind, *typing.get_args(kind)) for arg in typing.get_args(one)), None)
        return [_read(inner, one) for one in value]
    return value

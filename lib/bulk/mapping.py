"""Which column becomes which parameter: the small language of ``set``.

``server=id; reason='end of project {project.name}'`` takes one parameter from a column, and fills
another from a text with columns in it. A literal brace is doubled.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from common.errors import UserError
from query_api.language.words import PATH, QUOTES, Words

_NAME = re.compile(r"[A-Za-z_]\w*")
# A column of a file may be called by several words.
_COLUMN = re.compile(r"[^;'\"\n]+")


class Missing(UserError):
    """A text needs a column that is empty in this row."""

    def __init__(self, column: str) -> None:
        super().__init__(f"it has no {column}.")


class Source(msgspec.Struct, frozen=True):
    """Where a parameter's value comes from: a column, or a text with columns in braces.

    ``at`` is its place in the text that was typed, None where nothing was typed.
    """

    column: str = ""
    text: str | None = None
    at: int | None = None

    @property
    def columns(self) -> list[str]:
        """The columns that it takes."""
        if self.text is None:
            return [self.column]
        return [field for _, field, _, _ in string.Formatter().parse(self.text) if field]

    def value(self, row: Mapping[str, Any]) -> Any:
        """Return the value for a row; raises Missing where a text would have a gap."""
        if self.text is None:
            return row.get(self.column)
        parts = []
        for literal, field, _, _ in string.Formatter().parse(self.text):
            parts.append(literal)
            if field:
                if row.get(field) in (None, ""):
                    raise Missing(field)
                parts.append(_as_text(row[field]))
        return "".join(parts)


def parse_set(text: str) -> dict[str, Source]:
    """Return the source of each parameter that ``set`` names; nothing for an empty text.

    Raises UserError that points at the word which cannot be understood.
    """
    words, found = Words(text), dict[str, Source]()
    while not words.ended():
        at = words.at
        name = words.match(_NAME)
        if not name:
            raise words.wrong("here a parameter of the action is expected, as server=id", at)
        if name in found:
            raise words.wrong(f"{name} is set twice", at)
        if not words.take("="):
            raise words.wrong(f"= is missing after {name}")
        found[name] = _source(words)
        if not words.ended() and not words.take(";"):
            raise words.wrong("a semicolon is missing between two parameters")
    return found


def _source(words: Words) -> Source:
    if words.ended():
        raise words.wrong("here a column or a text in quotes is expected")
    at = words.at
    if words.text[at] not in QUOTES:
        column = words.match(_COLUMN).strip()
        if not column:
            raise words.wrong("here a column or a text in quotes is expected", at)
        return Source(column=column, at=at)
    text = words.quoted()
    try:
        fields = [part[1:] for part in string.Formatter().parse(text) if part[1] is not None]
    except ValueError:
        raise words.wrong(
            "a brace is not closed in this text; double a brace that is meant literally", at
        ) from None
    for name, spec, conversion in fields:
        if not name or spec or conversion:
            raise words.wrong("between braces stands a column and nothing else", at)
    return Source(text=text, at=at)


def paths(sources: Iterable[Source]) -> list[str]:
    """Return the columns that are taken, each once, in order."""
    return list(dict.fromkeys(column for source in sources for column in source.columns))


def is_path(text: str) -> bool:
    """Return whether a column can be a path of a query."""
    return PATH.fullmatch(text) is not None


def parse_per(text: str) -> tuple[str, int]:
    """Return the column and the number of ``host: 2``. Raises UserError."""
    column, _, number = text.rpartition(":")
    if not column.strip() or not number.strip().isdecimal() or int(number) < 1:
        raise UserError(
            f"at_most_per is a column and a number from 1 on, as host: 2, not {text!r:.80}."
        )
    return column.strip(), int(number)


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_as_text, value))
    return str(value)

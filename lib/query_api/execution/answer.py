"""What a query answers: rows with names and kinds, whether that is all, and what it took."""

from __future__ import annotations

from typing import Any

import msgspec

from common.rows import Rows
from common.table import Table
from common.text import count
from query_api.language.schema import Kind


class Column(msgspec.Struct, frozen=True):
    """One column of an answer."""

    name: str
    kind: Kind
    unit: str = ""


class Answer(msgspec.Struct):
    """Rows under columns. ``nouns`` are what one row and several are.

    ``aggregated`` says that rows are groups with their figures: ``groups`` are then what they are
    groups by, else the columns that rows are shown grouped by. ``complete`` is False if something
    is missing, and ``reasons`` say what and why: ``unread`` names the columns that may be empty
    only because they could not be read. ``requests`` counts what was sent by cloud and service.
    ``found`` is how many rows there are, of which a limit may have left the first ones; None if
    reading stopped at the limit, so that nobody knows. ``extra`` are columns for programs, and
    ``instead`` names the column that people are shown where another is empty.
    """

    nouns: tuple[str, str]
    columns: list[Column]
    rows: list[tuple[Any, ...]]
    groups: list[str] = []
    aggregated: bool = False
    reasons: list[tuple[str, str]] = []
    requests: dict[str, dict[str, int]] = {}
    found: int | None = -1
    unread: frozenset[str] = frozenset()
    extra: list[str] = []
    instead: dict[str, str] = {}

    def __post_init__(self) -> None:
        if self.found == -1:
            self.found = len(self.rows)

    @property
    def complete(self) -> bool:
        """Whether nothing is missing."""
        return not self.reasons

    @property
    def sent(self) -> int:
        """How many requests were sent, logins and version documents aside."""
        return sum(sum(by_service.values()) for by_service in self.requests.values())

    def dicts(self) -> list[dict[str, Any]]:
        """Return the rows as mappings, raw."""
        names = [column.name for column in self.columns]
        return [dict(zip(names, row, strict=True)) for row in self.rows]

    def column(self, name: str) -> list[Any]:
        """Return the values of one column; raises KeyError if there is none of that name."""
        names = [column.name for column in self.columns]
        if name not in names:
            raise KeyError(name)
        at = names.index(name)
        return [row[at] for row in self.rows]

    def table(self, title: str = "", *, summary: str = "", good: bool = True) -> Table:
        """Return the rows as a Table, in their groups, with units humanised where people read."""
        units = {c.name: "time" if c.kind == "time" else c.unit for c in self.columns}
        return Table(
            [column.name for column in self.columns if column.name not in self.extra],
            Rows.of([column.name for column in self.columns], self.rows),
            title,
            summary=summary or self.summary,
            good=good,
            extra=self.extra,
            instead=self.instead,
            units={name: unit for name, unit in units.items() if unit},
            group_by=() if self.aggregated else tuple(self.groups),
            complete=self.complete,
            reasons=tuple(self.reasons),
        )

    @property
    def summary(self) -> str:
        """The answer in a sentence: ``3 servers``, ``2 groups of servers``, or its figures."""
        one, several = self.nouns
        if not self.aggregated:
            return self._counted(one, several)
        if self.groups:
            return f"{self._counted('group', 'groups')} of {several}"
        (figures,) = self.dicts() or [{}]
        told = [f"{name} {_short(value)}" for name, value in figures.items() if value is not None]
        return f"{several}: {', '.join(told) or 'nothing'}"

    def _counted(self, one: str, several: str) -> str:
        """Return ``3 servers``; where a limit left out others, of how many or that there are."""
        shown = len(self.rows)
        if self.found is None:
            return f"{count(shown, one, several)}; there may be more"
        if self.found > shown:
            return f"{shown} of {count(self.found, one, several)}"
        return count(shown, one, several)


def _short(value: Any) -> Any:
    return round(value, 2) if isinstance(value, float) else value

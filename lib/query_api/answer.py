"""What a query answers: rows with names and kinds, whether that is all, and what it took."""

from __future__ import annotations

from typing import Any

import msgspec

from query_api.schema import Kind
from workflow_api.table import Table
from workflow_api.text import count


class Column(msgspec.Struct, frozen=True):
    """One column of an answer."""

    name: str
    kind: Kind
    unit: str = ""


class Answer(msgspec.Struct):
    """Rows under columns.

    ``complete`` is False if something is missing, and ``reasons`` say what and why. ``requests``
    counts what was sent by cloud and service. ``groups`` are the columns that rows are shown
    grouped by. ``plural`` is what the rows are.
    """

    plural: str
    columns: list[Column]
    rows: list[tuple[Any, ...]]
    groups: list[str] = []
    reasons: list[tuple[str, str]] = []
    requests: dict[str, dict[str, int]] = {}

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
            [column.name for column in self.columns],
            self.dicts(),
            title,
            summary=summary or self.summary,
            good=good,
            units={name: unit for name, unit in units.items() if unit},
            group_by=tuple(self.groups),
            complete=self.complete,
            reasons=tuple(self.reasons),
        )

    @property
    def summary(self) -> str:
        """The number of rows, as ``3 servers``."""
        singular = self.plural[:-1] if self.plural.endswith("s") else self.plural
        return count(len(self.rows), singular, self.plural)

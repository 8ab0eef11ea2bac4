"""Columns and rows, and the five ways of showing them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from workflow_api.layout import laid_out
from workflow_api.text import clean

Row = Mapping[str, Any]
# How a table can be shown.
FORMS = ("text", "markdown", "html", "csv", "json")


class Table:
    """Rows under named columns, in the order given.

    ``columns`` names the keys of each row that are shown, in order; ``rows`` are mappings with
    plain JSON values. A missing value is None and is shown as nothing. ``summary`` is the answer
    in one sentence; ``good=False`` says that the table tells of something that is not as it
    should be, so that the action fails. ``extra`` names keys that only JSON and CSV show: ids and
    lists for machines that would crowd a person's table.
    """

    def __init__(
        self,
        columns: Sequence[str],
        rows: Iterable[Row],
        title: str = "",
        *,
        summary: str = "",
        good: bool = True,
        extra: Sequence[str] = (),
    ) -> None:
        self.columns = list(columns)
        self.extra = list(extra)
        kept = [*self.columns, *self.extra]
        self.rows = [{column: row.get(column) for column in kept} for row in rows]
        self.title, self.summary, self.good = title, summary, good

    def __len__(self) -> int:
        return len(self.rows)

    def render(self, form: str = "text", columns: int = 0) -> str:
        """Return the table as ``text``, ``markdown``, ``html``, ``csv`` or ``json``.

        ``columns`` bounds the width of ``text`` in terminal columns; 0 means no bound.
        """
        if form == "text":
            return _text(self, columns)
        from workflow_api.exports import EXPORTS

        return EXPORTS[form](self)


def cell(value: Any) -> str:
    """Return a value as a person reads it, safe to print."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(cell(inner) for inner in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{clean(key)}={cell(inner)}" for key, inner in value.items())
    return clean(value)


def heading(column: str) -> str:
    """Return what stands above a column."""
    return column.replace("_", " ").upper()


def _text(table: Table, bound: int) -> str:
    cells = [[heading(column) for column in table.columns]]
    cells += [[cell(row[c]) for c in table.columns] for row in table.rows]
    numeric = [
        bool(table.rows) and all(isinstance(row[c], (int, float, type(None))) for row in table.rows)
        for c in table.columns
    ]
    titles = [clean(line) for line in table.title.split("\n")] if table.title else []
    if bound:
        titles = [part for line in titles for part in textwrap.wrap(line, bound) or [""]]
    return "\n".join([*titles, laid_out(cells, numeric, bound)])

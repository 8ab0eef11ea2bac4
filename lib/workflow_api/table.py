"""Columns and rows, and the five ways of showing them."""

from __future__ import annotations

import csv
import html
import io
import json
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from workflow_api.layout import laid_out
from workflow_api.result import plain
from workflow_api.text import clean

Row = Mapping[str, Any]
# What Markdown takes for more than text, and what would end a cell.
_MARKDOWN = re.compile(r"([\\`*_\[\]|~#])")
# What a spreadsheet takes for the start of a formula; the last four are their wide forms.
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")


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
        return FORMS[form](self, columns)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(_cell(inner) for inner in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{clean(key)}={_cell(inner)}" for key, inner in value.items())
    return clean(value)


def _titles(table: Table) -> list[str]:
    return table.title.split("\n") if table.title else []


def _heading(column: str) -> str:
    return column.replace("_", " ").upper()


def _text(table: Table, bound: int) -> str:
    cells = [[_heading(column) for column in table.columns]]
    cells += [[_cell(row[c]) for c in table.columns] for row in table.rows]
    numeric = [
        bool(table.rows) and all(isinstance(row[c], (int, float, type(None))) for row in table.rows)
        for c in table.columns
    ]
    titles = [clean(line) for line in _titles(table)]
    if bound:
        titles = [part for line in titles for part in textwrap.wrap(line, bound) or [""]]
    return "\n".join([*titles, laid_out(cells, numeric, bound)])


def _markdown(table: Table, bound: int) -> str:
    def line(values: Iterable[str]) -> str:
        escaped = (_MARKDOWN.sub(r"\\\1", html.escape(v, quote=False)) for v in values)
        return "| " + " | ".join(escaped) + " |"

    lines = [line(map(_heading, table.columns)), "|" + " --- |" * len(table.columns)]
    lines += [line(_cell(row[c]) for c in table.columns) for row in table.rows]
    return "\n".join(lines) + "\n"


def _html(table: Table, bound: int) -> str:
    def line(tag: str, values: Iterable[str]) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(v)}</{tag}>" for v in values) + "</tr>"

    lines = ["<table>"]
    if table.title:
        lines.append(f"<caption>{html.escape(clean(table.title))}</caption>")
    lines += ["<thead>", line("th", map(_heading, table.columns)), "</thead>", "<tbody>"]
    lines += [line("td", (_cell(row[c]) for c in table.columns)) for row in table.rows]
    return "\n".join([*lines, "</tbody>", "</table>"]) + "\n"


def _csv_cell(value: Any) -> Any:
    """Return a cell that no spreadsheet takes for a formula (OWASP: CSV injection)."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    text = _cell(value)
    return "'" + text if text.lstrip().startswith(_FORMULA) else text


def _csv(table: Table, bound: int) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*table.columns, *table.extra])
    writer.writerows([_csv_cell(value) for value in row.values()] for row in table.rows)
    return out.getvalue()


def _json(table: Table, bound: int) -> str:
    return json.dumps(plain(table.rows), indent=2, ensure_ascii=False) + "\n"


FORMS: dict[str, Callable[[Table, int], str]] = {
    "text": _text,
    "markdown": _markdown,
    "html": _html,
    "csv": _csv,
    "json": _json,
}

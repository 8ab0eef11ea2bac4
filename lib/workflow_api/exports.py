"""A table for a page, a spreadsheet or a program."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from workflow_api.result import plain
from workflow_api.table import Table, cell, heading
from workflow_api.text import clean

# What Markdown takes for more than text, and what would end a cell.
_MARKDOWN = re.compile(r"([\\`*_\[\]|~#])")
# What a spreadsheet takes for the start of a formula; the last four are their wide forms.
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def _markdown(table: Table) -> str:
    def line(values: Iterable[str]) -> str:
        escaped = (_MARKDOWN.sub(r"\\\1", html.escape(v, quote=False)) for v in values)
        return "| " + " | ".join(escaped) + " |"

    lines = [line(map(heading, table.columns)), "|" + " --- |" * len(table.columns)]
    lines += [line(cell(row[c]) for c in table.columns) for row in table.rows]
    return "\n".join(lines) + "\n"


def _html(table: Table) -> str:
    def line(tag: str, values: Iterable[str]) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(v)}</{tag}>" for v in values) + "</tr>"

    lines = ["<table>"]
    if table.title:
        lines.append(f"<caption>{html.escape(clean(table.title))}</caption>")
    lines += ["<thead>", line("th", map(heading, table.columns)), "</thead>", "<tbody>"]
    lines += [line("td", (cell(row[c]) for c in table.columns)) for row in table.rows]
    return "\n".join([*lines, "</tbody>", "</table>"]) + "\n"


def _csv_cell(value: Any) -> Any:
    """Return a cell that no spreadsheet takes for a formula (OWASP: CSV injection)."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    text = cell(value)
    return "'" + text if text.lstrip().startswith(_FORMULA) else text


def _csv(table: Table) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*table.columns, *table.extra])
    writer.writerows([_csv_cell(value) for value in row.values()] for row in table.rows)
    return out.getvalue()


def _json(table: Table) -> str:
    return json.dumps(plain(table.rows), indent=2, ensure_ascii=False) + "\n"


EXPORTS: dict[str, Callable[[Table], str]] = {
    "markdown": _markdown,
    "html": _html,
    "csv": _csv,
    "json": _json,
}

"""A table for a page, a spreadsheet or a program."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from common.result import plain
from common.view import View, cell

if TYPE_CHECKING:
    from common.table import Table

# What Markdown takes for more than text, and what would end a cell.
_MARKDOWN = re.compile(r"([\\`*_\[\]|~#])")
# The attributes are old ones: many mail programs take no style sheets.
_STYLE = "border-collapse: collapse; overflow-wrap: anywhere"
_TABLE = f'<table border="1" cellspacing="0" cellpadding="4" style="{_STYLE}">'
# A page keeps cells of up to so many characters on one line: ids, times, sizes.
_WHOLE = 40
# What a spreadsheet takes for the start of a formula; the last four are their wide forms.
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def _escaped(texts: Sequence[str], escape: Callable[[str], str]) -> list[str]:
    """Return the texts escaped, in one go: no cell has a line end in it, and none is made."""
    return escape("\n".join(texts)).split("\n") if texts else []


def _for_markdown(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", html.escape(text, quote=False))


def _markdown(table: Table) -> str:
    view = View(table)
    headings = _escaped(view.headings, _for_markdown)
    marks = [" ---: " if right else " --- " for right in view.numeric]
    above = [f"| {' | '.join(headings)} |", f"|{'|'.join(marks)}|"]
    columns = [_escaped(cells, _for_markdown) for cells in view.columns]
    rows = [f"| {' | '.join(row)} |" for row in zip(*columns, strict=True)]
    lines: list[str] = []
    for title, numbers in view.groups:
        if title:
            lines += [f"**{_for_markdown(title)}**", ""]
        if columns:
            lines += [*above, *(rows[number] for number in numbers), ""]
    if view.warning:
        lines += [f"**{view.warning}**", ""]
        lines += [f"- {_for_markdown(reason)}" for reason in view.reasons]
    return "\n".join(lines).rstrip("\n") + "\n"


def _html(table: Table) -> str:
    view = View(table)
    # In a file of its own, the first line says to a browser how its names are written.
    lines = ['<meta charset="utf-8">', _TABLE]
    if view.title:
        title = "<br>".join(_escaped(view.title, html.escape))
        lines.append(f'<caption style="text-align: left">{title}</caption>')
    looks = [
        ' align="right"' * right + " nowrap" * (max(map(len, cells), default=0) <= _WHOLE)
        for right, cells in zip(view.numeric, view.columns, strict=True)
    ]
    heads = zip(view.numeric, _escaped(view.headings, html.escape), strict=True)
    above = [f'<th align="{"right" if right else "left"}">{text}</th>' for right, text in heads]
    lines += ["<thead>", f"<tr>{''.join(above)}</tr>", "</thead>"] if above else []
    columns = [
        [f"<td{look}>{text}</td>" for text in _escaped(cells, html.escape)]
        for look, cells in zip(looks, view.columns, strict=True)
    ]
    rows = [f"<tr>{''.join(row)}</tr>" for row in zip(*columns, strict=True)]
    over = f'<tr><th colspan="{max(1, len(columns))}" align="left" bgcolor="#eeeeee">'
    for title, numbers in view.groups:
        lines.append('<tbody valign="top">')
        lines += [f"{over}{html.escape(title)}</th></tr>"] if title else []
        lines += [rows[number] for number in numbers] if rows else []
        lines.append("</tbody>")
    lines.append("</table>")
    if view.warning:
        reasons = [f"<li>{text}</li>" for text in _escaped(view.reasons, html.escape)]
        lines += [f"<p><strong>{view.warning}</strong></p>"]
        lines += ["<ul>", *reasons, "</ul>"] if reasons else []
    return "\n".join(lines) + "\n"


def _csv_cell(value: Any) -> Any:
    """Return a cell that no spreadsheet takes for a formula (OWASP: CSV injection)."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    text = cell(value)
    if text[:1].isalnum():
        return text
    return "'" + text if text.lstrip().startswith(_FORMULA) else text


def _csv(table: Table) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(map(_csv_cell, [*table.columns, *table.extra]))
    rows = zip(*table.rows.columns.values(), strict=True)
    writer.writerows(map(_csv_cell, row) for row in rows)
    return out.getvalue()


def _json(table: Table) -> str:
    import msgspec

    # The standard library indents in Python, which costs ten times as much.
    values = {name: plain(column) for name, column in table.rows.columns.items()}
    names, encode = plain(list(values)), msgspec.json.Encoder().encode
    data = bytearray(b"[")
    for number, row in enumerate(zip(*values.values(), strict=True)):
        data += b"," * (number > 0) + encode(dict(zip(names, row, strict=True)))
    data += b"]"
    return msgspec.json.format(data, indent=2).decode() + "\n"


EXPORTS: dict[str, Callable[[Table], str]] = {
    "markdown": _markdown,
    "html": _html,
    "csv": _csv,
    "json": _json,
}

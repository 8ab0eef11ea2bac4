"""A table inside a mail: rows that fit a plain text, and HTML with its styles in its tags."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from email_api.styles import STYLES
from email_api.variables import Variable
from workflow_api.table import Table, View
from workflow_api.text import count, width

# A line of plain text is not longer than this, a name that is longer aside.
LINE = 76
# What begins a line that is to stay as it is; no value has it, they are cleaned of it.
KEEP = "\x00"
# A mail shows this many rows.
_MOST_SHOWN = 500
# The room for columns in a card, in pixels; what a character and a column's gap take of it; and
# the least that is left for a column whose cells may be broken.
_ROOM, _CHARACTER, _GAP, _LEAST = 694, 7, 14, 90
_TAG = re.compile(r"<(table|tr|th|td)\b([^>]*)>")
_ATTRIBUTE = re.compile(r' (?:colspan="\d+"|align="right")')


class Rows(list[dict[str, Any]]):
    """The rows that a notice is given: a list to its templates, and the same table in both forms.

    ``now`` (with its zone) is what ages are counted from.
    """

    def __init__(
        self,
        rows: Iterable[dict[str, Any]],
        columns: Sequence[str],
        *,
        units: Mapping[str, str],
        group_by: Sequence[str] = (),
        now: datetime.datetime | None = None,
    ) -> None:
        super().__init__(rows)
        shown = [
            c for c in columns if c in group_by or any(row.get(c) not in _NONE for row in self)
        ]
        self._more = len(self) - _MOST_SHOWN
        self._table = Table(
            shown,
            self[:_MOST_SHOWN],
            units={column: unit for column, unit in units.items() if column in shown},
            group_by=group_by,
            now=now,
        )
        self._below = ["Times are in UTC."] if "time" in self._table.units.values() else []
        if self._more > 0:
            self._below.append(
                f"{count(self._more, 'more row is', 'more rows are')} not shown here."
            )

    def text(self) -> str:
        """Return the table for a plain text; its lines begin with KEEP."""
        if not self:
            return ""
        lines = self._table.render("text").rstrip("\n").split("\n")
        if max(map(width, lines)) > LINE:
            lines = _blocks(View(self._table))
        lines += ["", *self._below] if self._below else []
        return "\n".join(KEEP + line for line in lines)

    def html(self) -> str:
        """Return the table for HTML, escaped; its tags carry their styles."""
        if not self:
            return ""
        rows = _styled(self._table)
        below = [f'<p class="quiet" style="{STYLES["p.quiet"]}">{line}</p>' for line in self._below]
        return rows + "\n".join(below)


_NONE: tuple[Any, ...] = (None, "", [])


def rows_of(variable: Variable, value: list[dict[str, Any]], now: datetime.datetime | None) -> Rows:
    """Return checked rows of a schema as its templates are given them."""
    units = {
        name: "time" if column.type == "time" else column.unit or ""
        for name, column in variable.columns.items()
    }
    return Rows(value, list(variable.columns), units=units, group_by=variable.group_by, now=now)


def _blocks(view: View) -> list[str]:
    """Return the rows one below the other: a line a cell, because a line holds no whole row."""
    names = view.headings
    indent = max(map(width, names), default=0) + 2
    lines: list[str] = []
    for title, numbers in view.groups:
        lines += [*_hanging(title, 0), ""] if title else []
        for number in numbers:
            for name, cells in zip(names, view.columns, strict=True):
                if cells[number]:
                    padded = name + " " * (indent - width(name))
                    lines += _hanging(cells[number], indent, padded)
            lines.append("")
    return lines[:-1]


def _hanging(text: str, indent: int, first: str = "") -> list[str]:
    parts = folded(text, LINE - indent)
    return [first + parts[0], *(" " * indent + part for part in parts[1:])]


def folded(text: str, columns: int) -> list[str]:
    """Return ``text`` as lines of at most ``columns``; a word that is longer stays whole."""
    if len(text) <= columns and text.isascii():
        return [text]
    lines: list[str] = []
    for word in text.split(" "):
        if lines and width(lines[-1]) + 1 + width(word) <= columns:
            lines[-1] += " " + word
        else:
            lines.append(word)
    return lines


def _styled(table: Table) -> str:
    """Return the table's HTML with styles in its tags, which are the only ``<`` in it."""
    view = View(table)
    names = [f' data-k="{_attribute(name)}"' for name in view.headings]
    looks = [' class="s"' if whole else "" for whole in _whole(view)]
    cells = [f"<td{n}{c} style=\"{STYLES['td.rows']}\"" for n, c in zip(names, looks, strict=True)]
    place = 0

    def styled(found: re.Match[str]) -> str:
        nonlocal place
        tag, given = found.groups()
        kept = "".join(_ATTRIBUTE.findall(given))
        if tag == "td":
            place += 1
            return f"{cells[place - 1]}{kept}>"
        if tag == "tr":
            place = 0
            return "<tr>"
        if tag == "th":
            look = "group" if "colspan" in kept else "rows"
            side = "" if "right" in kept else ' align="left"'
            return f'<th class="{look}"{kept}{side} style="{STYLES[f"th.{look}"]}">'
        return (
            '<table class="rows" data-k="" cellspacing="0" cellpadding="0" width="100%" '
            f'style="{STYLES["table.rows"]}">'
        )

    return _TAG.sub(styled, table.render("html").partition("\n")[2])


def _attribute(text: str) -> str:
    import html

    return html.escape(text.capitalize())


def _whole(view: View) -> list[bool]:
    """Say of each column whether its cells stay on one line where there is room for a table."""
    sizes = [
        max((len(text) for text in [head, *cells]), default=0) * _CHARACTER + _GAP
        for head, cells in zip(view.headings, view.columns, strict=True)
    ]
    whole = [False] * len(sizes)
    room = _ROOM
    for place in sorted(range(len(sizes)), key=sizes.__getitem__):
        left = whole.count(False) - 1
        if sizes[place] > room - left * _LEAST:
            break
        whole[place] = True
        room -= sizes[place]
    return whole

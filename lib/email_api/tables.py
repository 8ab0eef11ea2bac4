"""A table inside a mail: rows that fit a plain text, and HTML with its styles in its tags."""

from __future__ import annotations

import datetime
import html
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from common.table import Table
from common.text import count, width
from common.view import View
from email_api.styles import STYLES
from email_api.variables import Variable

# A line of plain text is not longer than this, a name that is longer aside.
LINE = 76
# What begins a line that is to stay as it is; no value has it, they are cleaned of it.
KEEP = "\x00"
# A mail shows this many rows.
_MOST_SHOWN = 500
# The room for columns in pixels, in a card and on a narrow screen; what a character and a gap take
# of it; and the least that is left for a column whose cells, or words, may be broken.
_CARD, _NARROW = (694, 90), (320, 50)
_CHARACTER, _GAP = 7.5, 8
_BREAKS = re.compile(r"[ -]+")
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
        filled = {c for c in columns if any(row.get(c) not in _NONE for row in self)}
        if filled - set(group_by):  # what no row has needs no column
            columns = [c for c in columns if c in filled or c in group_by]
        self._more = len(self) - _MOST_SHOWN
        units = {c: unit for c, unit in units.items() if c in columns}
        shown = self[:_MOST_SHOWN]
        self._table = Table(columns, shown, units=units, group_by=group_by, now=now)
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
            told = len(lines)
            for name, cells in zip(names, view.columns, strict=True):
                if cells[number]:
                    padded = name + " " * (indent - width(name))
                    lines += _hanging(cells[number], indent, padded)
            if len(lines) == told:  # a row of nothing is a row
                lines += names[:1]
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
    texts = [[head, *cells] for head, cells in zip(view.headings, view.columns, strict=True)]
    longest, words = [max(map(len, cells)) for cells in texts], list(map(_longest_word, texts))
    whole = _fitting(longest, *_CARD)
    least = [line if fits else word for line, word, fits in zip(longest, words, whole, strict=True)]
    cells, heads = [], []
    for name, on_one_line, unbroken, unbroken_here in zip(
        view.headings, whole, _fitting(least, *_CARD), _fitting(words, *_NARROW), strict=True
    ):
        look = " s" if on_one_line else " w" if unbroken else ""
        wrap = f";{STYLES['.words']}" if unbroken_here else ""
        known = html.escape(name)
        cells.append(f'<td class="c{look}" data-k="{known}" style="{STYLES["td.rows"]}{wrap}"')
        heads.append(f'<th class="rows{look}" style="{STYLES["th.rows"]}{wrap}"')
    place = 0

    def styled(found: re.Match[str]) -> str:
        nonlocal place
        tag, given = found.groups()
        kept = "".join(_ATTRIBUTE.findall(given))
        if tag == "tr":
            place = 0
            return "<tr>"
        if tag == "table":
            return _TABLE
        if "colspan" in kept:
            return f'<th class="group"{kept} align="left" style="{STYLES["th.group"]}">'
        place += 1
        if tag == "td":
            return f"{cells[place - 1]}{kept}>"
        return f"{heads[place - 1]}{kept or _LEFT}>"

    return _TAG.sub(styled, table.render("html").partition("\n")[2])


_LEFT = ' align="left"'
_TABLE = (
    '<table class="rows" data-k="" cellspacing="0" cellpadding="0" width="100%" '
    f'style="{STYLES["table.rows"]}">'
)


def _longest_word(texts: Sequence[str]) -> int:
    return max(len(word) for text in texts for word in _BREAKS.split(text))


def _fitting(lengths: Sequence[int], room: float, least: float) -> list[bool]:
    """Say which columns fit into the room as they are, shortest first, the others squeezed."""
    fits = [False] * len(lengths)
    for place in sorted(range(len(lengths)), key=lengths.__getitem__):
        size = lengths[place] * _CHARACTER + _GAP
        if size > room - (fits.count(False) - 1) * least:
            break
        fits[place] = True
        room -= size
    return fits

"""Laying out a table as text that fits a terminal: sentences wrap, ids stay whole."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from workflow_api.text import shorten, width

_GAP = "  "
# A column of sentences is not wrapped narrower than this; instead another column is left out.
_NARROWEST = 18

Cells = Sequence[Sequence[str]]


def laid_out(cells: Cells, numeric: Sequence[bool], bound: int) -> str:
    """Return rows of cells (the first row are headings) as lines of at most ``bound`` columns.

    Columns of sentences are wrapped. If that is not enough, columns are left out from the right,
    which is said below: half an id or an address is of no use. ``bound`` 0 means no bound.
    """
    keep = len(cells[0])
    sizes = _fitting(cells, keep, bound)
    while sizes is None and keep > 2:
        keep -= 1
        sizes = _fitting(cells, keep, bound)
    if sizes is None:
        sizes = _squeezed(cells, keep, bound)
    lines = [line for row in cells for line in _lines(row[:keep], sizes, numeric)]
    hidden = [heading.lower() for heading in cells[0][keep:]]
    if hidden:
        note = f"(no room for {', '.join(hidden)}: see output=json or a wider terminal)"
        lines += ["", *textwrap.wrap(note, bound)]
    return "\n".join(lines) + "\n"


def _sizes(cells: Cells, keep: int) -> list[int]:
    return [max(width(row[i]) for row in cells) for i in range(keep)]


def _fitting(cells: Cells, keep: int, bound: int) -> list[int] | None:
    """Return the widths of the first ``keep`` columns if wrapping makes them fit."""
    sizes = _sizes(cells, keep)
    room = bound - len(_GAP) * (keep - 1)
    if not bound or sum(sizes) <= room:
        return sizes
    wraps = [i for i in range(keep) if any(" " in row[i] for row in cells[1:])]
    while sum(sizes) > room:
        wide = [i for i in wraps if sizes[i] > _NARROWEST]
        if not wide:
            return None
        sizes[max(wide, key=lambda i: sizes[i])] -= 1
    return sizes


def _squeezed(cells: Cells, keep: int, bound: int) -> list[int]:
    """Return widths for the columns that must stay; their cells are cut."""
    sizes = _sizes(cells, keep)
    while sum(sizes) + len(_GAP) * (keep - 1) > bound and max(sizes) > 1:
        sizes[sizes.index(max(sizes))] -= 1
    return sizes


def _lines(row: Sequence[str], sizes: Sequence[int], numeric: Sequence[bool]) -> list[str]:
    wrapped = [_wrapped(text, size) for text, size in zip(row, sizes, strict=True)]
    lines = []
    for number in range(max(map(len, wrapped))):
        shown = []
        for parts, size, right in zip(wrapped, sizes, numeric, strict=False):
            text = parts[number] if number < len(parts) else ""
            pad = " " * (size - width(text))
            shown.append(pad + text if right else text + pad)
        lines.append(_GAP.join(shown).rstrip())
    return lines


def _wrapped(text: str, size: int) -> list[str]:
    if width(text) <= size:
        return [text]
    parts = textwrap.wrap(text, size, break_long_words=False, break_on_hyphens=False)
    # A word that is longer than its column is cut; so is text in wide characters.
    return [shorten(part, size) for part in parts] or [""]

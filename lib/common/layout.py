"""Laying out a table as text that fits a terminal: sentences wrap, ids stay whole."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from common.text import width, wrapped
from common.view import View

if TYPE_CHECKING:
    from common.table import Table

_GAP = "  "
# A column of sentences is not wrapped narrower than this; instead another column is left out.
_NARROWEST = 18

# Where no terminal bounds a table, a word is shown to this width and a sentence is folded to that,
# if most others of its column are shorter.
_WORD, _SENTENCE = 60, 120

Cells = Sequence[str]


def text_of(table: Table, bound: int) -> str:
    """Return a table as text, with its title above and below it what the answer lacks.

    Lines have at most ``bound`` terminal columns; 0 means no bound.
    """
    view = View(table)

    def folded(lines: Iterable[str]) -> list[str]:
        return [part for line in lines for part in (wrapped(line, bound) if bound else [line])]

    lines = [*folded(view.title), *laid_out(view, bound)]
    if view.warning:
        lines += ["", *folded([view.warning, *(f"- {reason}" for reason in view.reasons)])]
    return "\n".join(lines) + "\n"


def laid_out(view: View, bound: int) -> list[str]:
    """Return a table's headings and rows as lines of at most ``bound`` terminal columns.

    Columns of sentences are wrapped, and what is much longer than the others of its column is cut
    with an ellipsis. If that is not enough, columns are left out from the right, which is said
    below: half an id or an address is of no use. ``bound`` 0 means no bound, though one long name
    does not widen a table then either. The columns are as wide in one group as in the others, each
    of which has its own headings.
    """
    natural = [
        max(width(above), _widest(cells))
        for above, cells in zip(view.headings, view.columns, strict=True)
    ]
    if not bound or sum(natural) + len(_GAP) * (len(natural) - 1) > bound:
        columns = zip(natural, view.headings, view.columns, strict=True)
        natural = [
            min(size, max(width(above), _usual(cells, bound))) for size, above, cells in columns
        ]
    wraps = [any(" " in text for text in cells) for cells in view.columns] if bound else []
    keep = len(natural)
    sizes = _fitting(natural, wraps, bound)
    while sizes is None and keep > 2:
        keep -= 1
        sizes = _fitting(natural[:keep], wraps, bound)
    if sizes is None:
        sizes = _squeezed(natural[:keep], bound)
    lines = _grouped(view, sizes, bound)
    if hidden := [above.lower() for above in view.headings[keep:]]:
        note = f"(no room for {', '.join(hidden)}: see output=json or a wider terminal)"
        lines += ["", *wrapped(note, bound)]
    return lines


def _grouped(view: View, sizes: Sequence[int], bound: int) -> list[str]:
    """Return the lines of all groups, each under its heading if it has one."""
    above = [[text] for text in view.headings[: len(sizes)]]
    headings = _rows(above, sizes, view.numeric)
    rows = _rows(view.columns[: len(sizes)], sizes, view.numeric)
    lines: list[str] = []
    for title, numbers in view.groups:
        if not title:
            return headings + rows
        lines += wrapped(title, bound) if bound else [title]
        if rows:
            lines += [*headings, *(rows[number] for number in numbers), ""]
    return lines[:-1] if rows else lines


def _widest(cells: Cells) -> int:
    longest = max(map(len, cells), default=0)
    return longest if "".join(cells).isascii() else max(map(width, cells))


def _usual(cells: Cells, bound: int) -> int:
    """Return the width that nine of ten cells have at most, or what a long one is given anyway."""
    sizes = sorted(map(width, cells))
    usual = sizes[(len(sizes) - 1) * 9 // 10] if sizes else 0
    if bound:
        return max(usual, bound // 3)
    return max(usual, _SENTENCE if any(" " in text for text in cells) else _WORD)


def _fitting(natural: Sequence[int], wraps: Sequence[bool], bound: int) -> list[int] | None:
    """Return the widths of the columns if wrapping makes them fit."""
    sizes, room = list(natural), bound - len(_GAP) * (len(natural) - 1)
    if not bound or sum(sizes) <= room:
        return sizes
    wide = [i for i, size in enumerate(sizes) if wraps[i] and size > _NARROWEST]
    if sum(sizes) - sum(sizes[i] - _NARROWEST for i in wide) > room:
        return None
    for i in wide:
        sizes[i] = min(sizes[i], room)
    while sum(sizes) > room:
        sizes[max(wide, key=lambda i: sizes[i])] -= 1
    return sizes


def _squeezed(natural: Sequence[int], bound: int) -> list[int]:
    """Return widths for the columns that must stay; their cells are cut."""
    sizes = [min(size, bound) for size in natural]
    while sum(sizes) + len(_GAP) * (len(sizes) - 1) > bound and max(sizes) > 1:
        sizes[sizes.index(max(sizes))] -= 1
    return sizes


def _rows(columns: Sequence[Cells], sizes: Sequence[int], numeric: Sequence[bool]) -> list[str]:
    """Return a text for each row, which has several lines if a cell has."""
    folded = {
        place: [wrapped(text, size, cut=True) for text in cells]
        for place, (cells, size) in enumerate(zip(columns, sizes, strict=True))
        if _widest(cells) > size
    }

    def lines(numbers: Sequence[int], level: int) -> list[str]:
        """Return the lines of this level, a line a row."""
        padded = []
        for place, (cells, size, right) in enumerate(zip(columns, sizes, numeric, strict=False)):
            if parts := folded.get(place):
                cells = [p[level] if level < len(p := parts[n]) else "" for n in numbers]
            elif level:
                padded.append([" " * size] * len(numbers))
                continue
            padded.append(_padded(cells, size, right))
        return [_GAP.join(row).rstrip() for row in zip(*padded, strict=True)]

    numbers: Sequence[int] = range(len(columns[0]) if columns else 0)
    rows, level = lines(numbers, 0), 1
    while numbers := [n for n in numbers if any(len(p[n]) > level for p in folded.values())]:
        for number, line in zip(numbers, lines(numbers, level), strict=True):
            rows[number] += "\n" + line
        level += 1
    return rows


def _padded(cells: Cells, size: int, right: bool) -> list[str]:
    """Return the cells filled up to ``size`` terminal columns."""
    if "".join(cells).isascii():
        if right:
            return [text.rjust(size) for text in cells]
        return [text.ljust(size) for text in cells]
    fills = [" " * (size - width(text)) for text in cells]
    if right:
        return [fill + text for fill, text in zip(fills, cells, strict=True)]
    return [text + fill for fill, text in zip(fills, cells, strict=True)]

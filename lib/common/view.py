"""What a person is shown of a table: safe texts of a bounded length, in columns and groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from common.text import clean, count

if TYPE_CHECKING:
    from common.table import Table

# A person is shown this many characters of a value, of a line of a title, and so many reasons.
_LONGEST, _LONGEST_LINE, _MOST_REASONS = 500, 4000, 20
# More of a text than this is not even looked at: escapes may hide what is shown in much more.
_LOOKED_AT = 8


class View:
    """What a person is shown of a table: texts that are safe, of a bounded length, by columns.

    ``groups`` are headings with the numbers of their rows, in the order in which they first
    appear; without ``group_by`` it is one, without a heading.
    """

    def __init__(self, table: Table) -> None:
        values = {**table.rows.columns}
        for column, other in table.instead.items():
            if column in values:
                pairs = zip(values[column], values[other], strict=True)
                values[column] = [b if a is None else a for a, b in pairs]
        cells = {column: _shown(table, column, values[column]) for column in table.columns}
        below = [column for column in table.columns if column not in table.group_by]
        self.headings = [heading(column) for column in below]
        self.columns = [cells[column] for column in below]
        self.numeric = [_is_numeric(values[column]) for column in below]
        self.groups: list[tuple[str, Sequence[int]]] = [("", range(len(table)))]
        if table.group_by and table.rows:
            self.groups = _groups(table.group_by, values, cells)
        self.title = [brief(line, _LONGEST_LINE) for line in table.title.split("\n") if table.title]
        shown, more = table.reasons[:_MOST_REASONS], len(table.reasons) - _MOST_REASONS
        self.reasons = [brief(f"{what}: {why}") for what, why in shown]
        self.reasons += [f"and {count(more, 'more reason')}"] if more > 0 else []
        self.warning = ""
        if not table.complete:
            self.warning = f"This answer is not whole{':' if shown else '.'}"


def cell(value: Any, most: int | None = None) -> str:
    """Return a value as a person reads it, safe to print; the first ``most`` entries of lists."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(cell(inner, most) for inner in islice(value, most))
    if isinstance(value, Mapping):
        pairs = islice(value.items(), most)
        return ", ".join(f"{_word(key, most)}={cell(inner, most)}" for key, inner in pairs)
    return _word(value, most)


def _word(value: Any, most: int | None) -> str:
    if most and isinstance(value, str) and len(value) > most * _LOOKED_AT:
        return clean(value[: most * _LOOKED_AT]) + "…"
    return clean(value)


def brief(value: Any, most: int = _LONGEST) -> str:
    """Return a value as ``cell`` does in at most ``most`` characters; an ellipsis marks a cut."""
    if isinstance(value, str) and len(value) <= most:
        return clean(value)
    text = cell(value, most)
    return text if len(text) <= most else text[: most - 1] + "…"


def heading(column: str) -> str:
    """Return what stands above a column."""
    return clean(column.replace("_", " ").upper())


def _shown(table: Table, column: str, values: Sequence[Any]) -> Sequence[str]:
    """Return the cells of one column."""
    if unit := table.units.get(column):
        from common.units import humaniser

        humanised = humaniser(unit, table.now)
        return [brief(value) if (t := humanised(value)) is None else t for value in values]
    try:
        # All at once: most columns hold nothing but words that need no care.
        if "".join(values).isprintable() and max(map(len, values), default=0) <= _LONGEST:
            return values
    except TypeError:
        pass
    return [brief(value) for value in values]


def _is_numeric(values: Sequence[Any]) -> bool:
    kinds = set(map(type, values))
    none = type(None)
    return bool(kinds) and all(issubclass(k, (int, float, none)) and k is not bool for k in kinds)


def _groups(
    columns: Sequence[str],
    values: Mapping[str, Sequence[Any]],
    cells: Mapping[str, Sequence[str]],
) -> list[tuple[str, Sequence[int]]]:
    members: dict[Any, list[int]] = {}
    for number, key in enumerate(zip(*(values[column] for column in columns), strict=True)):
        try:
            members.setdefault(key, []).append(number)
        except TypeError:  # a list or a mapping in it
            members.setdefault(repr(key), []).append(number)
    found: list[tuple[str, Sequence[int]]] = []
    for numbers in members.values():
        parts = []
        for column in columns:
            name, text = heading(column).lower(), cells[column][numbers[0]]
            parts.append(f"{name}: {text}" if text else f"no {name}")
        found.append((f"{', '.join(parts)} ({len(numbers)})", numbers))
    return found

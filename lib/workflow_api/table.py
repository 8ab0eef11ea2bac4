"""Columns and rows, and the five ways of showing them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from workflow_api.rows import Rows
from workflow_api.text import clean, count, wrapped

if TYPE_CHECKING:
    import datetime

Row = Mapping[str, Any]
# How a table can be shown.
FORMS = ("text", "markdown", "html", "csv", "json")
# Those for programs: rows and nothing else.
RAW = ("csv", "json")
# What a column's values can be in, beside numbers and words as they are.
UNITS = ("MiB", "GiB", "bytes", "seconds", "time")
# A person is shown this many characters of a value, of a line of a title, and so many reasons.
_LONGEST, _LONGEST_LINE, _MOST_REASONS = 500, 4000, 20
# More of a text than this is not even looked at: escapes may hide what is shown in much more.
_LOOKED_AT = 8


class Table:
    """Rows under named columns, in the order given.

    ``columns`` names the keys of each row that are shown, in order; ``rows`` are mappings with
    plain JSON values. A missing value is None and is shown as nothing. ``summary`` is the answer
    in one sentence; ``good=False`` says that the table tells of something that is not as it
    should be, so that the action fails. ``extra`` names keys that only JSON and CSV show: ids and
    lists for machines that would crowd a person's table. ``instead`` names for a column the one
    that a person is shown where it is empty: an id where there is no name.

    ``units`` says of columns what their numbers are in (``MiB``, ``GiB``, ``bytes``, ``seconds``)
    or that they hold an ISO ``time``: a person is shown ``8 GiB``, ``2d4h``, and UTC with its age
    as of ``now`` (which has a zone; None means when it is shown). ``group_by`` names columns that
    become headings, each over the rows that share their values. JSON and CSV stay raw and flat.
    ``complete=False`` says that the answer is not whole, and ``reasons`` why: pairs of what is
    missing and why.
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
        instead: Mapping[str, str] | None = None,
        units: Mapping[str, str] | None = None,
        group_by: Sequence[str] = (),
        complete: bool = True,
        reasons: Iterable[tuple[str, str]] = (),
        now: datetime.datetime | None = None,
    ) -> None:
        self.group_by = list(group_by)
        self.columns = [*(c for c in self.group_by if c not in columns), *columns]
        self.extra = [column for column in extra if column not in self.columns]
        kept = [*self.columns, *self.extra]
        self.instead = {c: other for c, other in (instead or {}).items() if other in kept}
        self.rows = _kept(rows, kept)
        self.title, self.summary, self.good = title, summary, good
        self.units = {column: unit for column, unit in (units or {}).items() if unit}
        if wrong := set(self.units.values()) - set(UNITS):
            raise ValueError(f"a unit is one of {', '.join(UNITS)}, not {', '.join(sorted(wrong))}")
        self.reasons = [(clean(what), clean(why)) for what, why in reasons]
        self.complete = complete and not self.reasons
        self.now = now

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


def _kept(rows: Iterable[Row], columns: Sequence[str]) -> Rows:
    """Return rows with these columns only, as columns."""
    if isinstance(rows, Rows):
        return rows.only(columns)
    given = rows if isinstance(rows, Sequence) else list(rows)
    return Rows({column: [row.get(column) for row in given] for column in columns}, len(given))


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
        from workflow_api.humane import humaniser  # few tables have units

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


def _text(table: Table, bound: int) -> str:
    from workflow_api.layout import laid_out

    view = View(table)

    def folded(lines: Iterable[str]) -> list[str]:
        return [part for line in lines for part in (wrapped(line, bound) if bound else [line])]

    lines = [*folded(view.title), *laid_out(view, bound)]
    if view.warning:
        lines += ["", *folded([view.warning, *(f"- {reason}" for reason in view.reasons)])]
    return "\n".join(lines) + "\n"

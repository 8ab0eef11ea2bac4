"""Columns and rows, and the five ways of showing them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from common.rows import Rows
from common.text import clean

if TYPE_CHECKING:
    import datetime

Row = Mapping[str, Any]
# How a table can be shown.
FORMS = ("text", "markdown", "html", "csv", "json")
# Those for programs: rows and nothing else.
RAW = ("csv", "json")
# What a column's values can be in, beside numbers and words as they are.
UNITS = ("MiB", "GiB", "bytes", "seconds", "time")


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
            from common.layout import text_of

            return text_of(self, columns)
        from common.exports import EXPORTS

        return EXPORTS[form](self)


def _kept(rows: Iterable[Row], columns: Sequence[str]) -> Rows:
    """Return rows with these columns only, as columns."""
    if isinstance(rows, Rows):
        return rows.only(columns)
    given = rows if isinstance(rows, Sequence) else list(rows)
    return Rows({column: [row.get(column) for row in given] for column in columns}, len(given))

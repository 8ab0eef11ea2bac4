"""The calls that a file asks for: each row fits the action, or the file is refused as a whole."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from bulk.calls import CallSpec, Row, RowCall, Rows, parameters_of, showable, sources_of
from bulk.files import Cells, Sheet, read
from bulk.mapping import Source
from common.errors import UserError
from common.text import clean, listed, near
from workflow_api import Context

_BETWEEN = re.compile(r"[\s\-]+")


def rows_of(ctx: Context, path: str, spec: CallSpec, limit: int | None) -> Rows:
    """Return a call for each row of a file; raises UserError with all that is wrong with it."""
    sheet = read(ctx.config.places, path)
    known = [*spec.action.accounts, *spec.action.parameters]
    implied = _implied(sheet, known)
    wrong = [
        f"set takes the column {clean(column)!r}, which the file does not have"
        for column in spec.columns
        if column not in sheet.columns
    ]
    used = {*spec.columns, *implied.values()}
    unused = [column for column in sheet.columns if column not in used]
    free = [name for name in known if name not in implied and name not in spec.given]
    for column in unused:
        if likely := near(column, free, 1):
            wrong.append(
                f"the column {clean(column)!r} is no parameter of {spec.action.name}; "
                f"did you mean {likely[0]}"
            )
    if wrong and not sheet.rows:
        wrong += sheet.wrong
    try:
        sources = sources_of(spec.action, spec.given, implied)
    except UserError as error:
        columns = f"The file's columns are {showable(sheet.columns)}."
        raise UserError(error.message, advice=f"{error.advice} {columns}") from None
    calls, bad = _calls(ctx, spec, sources, sheet.rows)
    sheet.refuse([*wrong, *sheet.wrong, *bad])
    notes = [f"Columns that are not used: {listed(map(clean, unused))}."] if unused else []
    return Rows(os.path.basename(path), calls[:limit], [], notes)


def _implied(sheet: Sheet, known: Iterable[str]) -> dict[str, str]:
    """Return the columns that need no word, by the parameters of their names."""
    alike: dict[str, list[str]] = {}
    for column in sheet.columns:
        alike.setdefault(_BETWEEN.sub("_", column.strip().lower()), []).append(column)
    found = {name: name if name in sheet.columns else None for name in known}
    return {
        name: column or alike[name][0]
        for name, column in found.items()
        if column or len(alike.get(name, ())) == 1
    }


def _calls(
    ctx: Context, spec: CallSpec, sources: dict[str, Source], rows: Iterable[Cells]
) -> tuple[list[RowCall], list[str]]:
    """Return the calls, and what is wrong with rows that are none."""
    calls: dict[str, RowCall] = {}
    places: dict[str, str] = {}
    wrong = []
    for cells in rows:
        try:
            parameters = parameters_of(spec.action, sources, cells.values)
            ctx.check(spec.action.name, parameters)
        except UserError as error:
            why = str(error).removeprefix(f"{spec.action.name}: ").rstrip(".")
            wrong.append(f"{cells.place}: {why}")
            continue
        what = next((str(one) for one in parameters.values()), cells.place)
        row = Row(cells.number, clean(what), cells.values)
        call = RowCall(row, parameters, spec.group_of(row))
        if call.key in calls:
            wrong.append(f"{cells.place}: it asks for the same as {places[call.key]}")
            continue
        calls[call.key], places[call.key] = call, cells.place
    return list(calls.values()), wrong

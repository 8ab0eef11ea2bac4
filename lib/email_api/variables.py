"""What a notice is filled with: its schema, and checking and cleaning what is given."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import msgspec

from common.errors import UserError
from common.table import UNITS
from common.text import clean, listed, near
from common.units import humaniser
from common.view import brief

Scalar = Literal["text", "integer", "number", "boolean", "date", "time", "link", "choice", "texts"]
Kind = Literal[Scalar, "prose", "rows", "table"]
Unit = Literal["MiB", "GiB", "bytes", "seconds"]
# What the layout is given beside a notice's own variables.
RESERVED = frozenset({"organisation", "look", "title", "logo"})
_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
_DATE = re.compile(r"\d{4}-\d\d-\d\d\Z", re.ASCII)
_LINK = re.compile(r"""(?:https?://|mailto:)[^\s"'<>\\^`{|}\x00-\x20\x7f-\x9f]{1,2000}\Z""")
# A template is handed no more of a text, an operator's words, a list, and a table.
_LONGEST, _LONGEST_PROSE, _MOST_TEXTS, MOST_ROWS = 500, 20_000, 500, 20_000
_MOST_COLUMNS = 20
_IS_TIME = humaniser("time", datetime.datetime(2000, 1, 1, tzinfo=datetime.timezone.utc))


class Column(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A column of the rows that a notice is given; any value in it may be missing."""

    about: str
    type: Scalar = "text"
    unit: Unit | None = None
    choices: tuple[str, ...] = ()


class Variable(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A variable of a notice; one that is ``optional`` and not given is None."""

    about: str
    type: Kind = "text"
    optional: bool = False
    choices: tuple[str, ...] = ()
    columns: dict[str, Column] = {}
    group_by: tuple[str, ...] = ()


class Schema(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What a notice is for, and its variables."""

    about: str
    variables: dict[str, Variable] = {}

    def faults(self) -> list[str]:
        """Return what is wrong with the schema itself, as parts of a sentence."""
        found = []
        for name, variable in self.variables.items():
            if not _NAME.match(name) or name in RESERVED:
                found.append(f"a variable cannot be called {name!r}")
            if (variable.type == "rows") != bool(variable.columns):
                found.append(f"{name}: rows have columns, and nothing else has")
            if wrong := set(variable.group_by) - set(variable.columns):
                found.append(f"{name}: {listed(sorted(wrong))} in group_by is no column")
            for place, spec in [(name, variable), *variable.columns.items()]:
                if (spec.type == "choice") != bool(spec.choices):  # type: ignore[attr-defined]
                    found.append(f"{place}: a choice has choices, and nothing else has")
        return found


class Wrong(Exception):
    """What a value should be; with ``at``, which part of it is not."""

    def __init__(self, wanted: str, at: str = "") -> None:
        super().__init__(wanted)
        self.wanted, self.at = wanted, at


def checked(notice: str, schema: Schema, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the variables as plain JSON, cleaned of what no person should be shown.

    Every variable of the schema is in it; one that is optional and not given is None. Raises
    UserError that names each variable that is missing, unknown, or not of its type.
    """
    faults = []
    for name in given:
        if name not in schema.variables:
            found = near(str(name), schema.variables)
            hint = f" (did you mean {' or '.join(found)}?)" if found else ""
            faults.append(f"there is no variable {clean(name)!r}{hint}")
    taken: dict[str, Any] = {}
    for name, variable in schema.variables.items():
        value = given.get(name)
        if value is None:
            taken[name] = None
            if not variable.optional:
                faults.append(f"{name} is missing")
            continue
        try:
            taken[name] = _CHECKS[variable.type](value, variable)
        except Wrong as wrong:
            faults.append(f"{name}{wrong.at} must be {wrong.wanted}, not {brief(repr(value), 60)}")
    if faults:
        raise UserError(
            f"Notice {notice} cannot be filled: {'; '.join(faults[:8])}"
            f"{f'; and {len(faults) - 8} more faults' if len(faults) > 8 else ''}."
        )
    return taken


def _text(value: Any, _: Any = None) -> str:
    if not isinstance(value, str):
        raise Wrong("a text")
    return brief(value, _LONGEST)


def _texts(value: Any, _: Any = None) -> list[str]:
    if not isinstance(value, (list, tuple)) or len(value) > _MOST_TEXTS:
        raise Wrong(f"a list of at most {_MOST_TEXTS} texts")
    return [_at(f"[{place}]", _text, inner) for place, inner in enumerate(value)]


def _prose(value: Any, _: Any = None) -> list[str]:
    """Return an operator's words as paragraphs: each line is one."""
    lines = value.splitlines() if isinstance(value, str) else value
    if not isinstance(lines, (list, tuple)) or not all(isinstance(line, str) for line in lines):
        raise Wrong("sentences: a text or a list of texts")
    if sum(map(len, lines)) > _LONGEST_PROSE:
        raise Wrong(f"sentences of at most {_LONGEST_PROSE} characters")
    paragraphs = [clean(part).strip() for line in lines for part in line.splitlines()]
    return [paragraph for paragraph in paragraphs if paragraph]


def _integer(value: Any, _: Any = None) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 2**63:
        raise Wrong("a whole number")
    return value


def _number(value: Any, _: Any = None) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 2**63:
        raise Wrong("a number")
    return value


def _boolean(value: Any, _: Any = None) -> bool:
    if not isinstance(value, bool):
        raise Wrong("true or false")
    return value


def _date(value: Any, _: Any = None) -> str:
    try:
        if isinstance(value, str) and _DATE.match(value):
            return datetime.date.fromisoformat(value).isoformat()
    except ValueError:  # the 31st of June
        pass
    raise Wrong("a date like 2026-11-21")


def _time(value: Any, _: Any = None) -> str:
    if not isinstance(value, str) or _IS_TIME(value) is None:
        raise Wrong("a time like 2026-11-21T22:00:00Z")
    return value


def _link(value: Any, _: Any = None) -> str:
    if not isinstance(value, str) or not _LINK.match(value):
        raise Wrong("a link that begins with https://, http:// or mailto:")
    return value


def _choice(value: Any, spec: Any) -> str:
    if value not in spec.choices:
        raise Wrong(f"one of {', '.join(spec.choices)}")
    return str(value)


def _rows(value: Any, variable: Variable) -> list[dict[str, Any]]:
    columns = [(name, spec, _CHECKS[spec.type]) for name, spec in variable.columns.items()]
    rows = []
    for place, row in enumerate(_listed_rows(value)):
        if not row.keys() <= variable.columns.keys():
            unknown = sorted(clean(key) for key in row.keys() - variable.columns.keys())
            raise Wrong(
                f"a row of {', '.join(variable.columns)} (no {listed(unknown)})", f"[{place}]"
            )
        taken: dict[str, Any] = {}
        for name, spec, check in columns:
            cell = row.get(name)
            try:
                taken[name] = None if cell is None else check(cell, spec)
            except Wrong as wrong:
                raise Wrong(wrong.wanted, f"[{place}].{name}{wrong.at}") from None
        rows.append(taken)
    return rows


def _table(value: Any, _: Any = None) -> dict[str, Any]:
    """Return rows of any columns: ``{columns, rows, units, group_by}``."""
    if not isinstance(value, Mapping) or not value.keys() <= {
        "columns",
        "rows",
        "units",
        "group_by",
    }:
        raise Wrong("a table: columns, rows, and perhaps units and group_by")
    columns = _at(".columns", _texts, value.get("columns"))
    if not 0 < len(columns) <= _MOST_COLUMNS or len(set(columns) & set(value["columns"])) < len(
        columns
    ):
        raise Wrong(
            f"names of up to {_MOST_COLUMNS} columns, each of which can be shown", ".columns"
        )
    units = value.get("units") or {}
    if not isinstance(units, Mapping) or not set(map(str, units.values())) <= set(UNITS):
        raise Wrong(f"column: unit, which is one of {', '.join(UNITS)}", ".units")
    rows = [
        {column: _plain(row.get(column)) for column in columns}
        for row in _listed_rows(value.get("rows"))
    ]
    return {
        "columns": columns,
        "rows": rows,
        "units": {str(column): str(unit) for column, unit in units.items()},
        "group_by": _at(".group_by", _texts, value.get("group_by") or []),
    }


def _plain(value: Any) -> Any:
    """Return a cell as JSON has it; what is not of JSON is shown as people see it."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (int, float)) and abs(value) < 2**63:  # nor infinite, nor no number
        return value
    return brief(value, _LONGEST)


def _listed_rows(value: Any) -> Iterable[Mapping[str, Any]]:
    if not isinstance(value, (list, tuple)) or not all(isinstance(row, Mapping) for row in value):
        raise Wrong("a list of rows")
    if len(value) > MOST_ROWS:
        raise Wrong(f"at most {MOST_ROWS} rows")
    return value


def _at(place: str, check: Callable[[Any], Any], value: Any) -> Any:
    try:
        return check(value)
    except Wrong as wrong:
        raise Wrong(wrong.wanted, place + wrong.at) from None


_CHECKS: dict[str, Callable[[Any, Any], Any]] = {
    "text": _text,
    "texts": _texts,
    "prose": _prose,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "date": _date,
    "time": _time,
    "link": _link,
    "choice": _choice,
    "rows": _rows,
    "table": _table,
}

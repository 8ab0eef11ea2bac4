"""Groups by the name of what a row leads to, where several things have the same name.

A group is of one thing: rows of two projects are never one group because both projects are called
alike. They are told apart by the domain, as ``domain/name``, and else by the id.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import msgspec

from common.errors import CloudError
from query_api.execution.column_rows import read
from query_api.execution.columns import ColumnSet, Options
from query_api.execution.paths import Path
from query_api.language.conditions import All
from query_api.language.kinds import SINGLE
from query_api.resources import resource
from query_api.wire.reading import Reading

Row = tuple[Any, ...]
# Returns the names of domains by the cloud and the domain's id.
Domains = Callable[[], Mapping[tuple[str, str], str]]
_NAME, _DOMAIN = "name", "domain_id"


class Named(msgspec.Struct, frozen=True):
    """The columns that tell apart what a group is of; ``domain`` is empty where it has none."""

    name: str
    id: str
    domain: str = ""

    @property
    def paths(self) -> list[str]:
        """The columns that are to be read."""
        return [path for path in (self.id, self.domain) if path]


def named(path: Path) -> Named | None:
    """Return what tells apart the things whose name a path is; None if it is nothing's name."""
    if not path.links or path.prop.name != _NAME or path.key or path.end.kind not in SINGLE:
        return None
    of, lead = resource(path.links[-1].resource), path.text.removesuffix(_NAME)
    if not of.key or of.key == _NAME:
        return None
    return Named(path.text, lead + of.key, lead + _DOMAIN if of.property(_DOMAIN) else "")


def domain_names(readings: Iterable[Reading], options: Options) -> Mapping[tuple[str, str], str]:
    """Return the names of domains by cloud and id; without those that cannot be read."""
    found: dict[tuple[str, str], str] = {}
    for reading in readings:
        columns, mark = ColumnSet(resource("domain")), reading.mark()
        columns.need(_NAME)
        try:
            rows = read(columns, reading, All(()), msgspec.structs.replace(options, enough=None))
        except CloudError:
            rows = []
        reading.take_back(mark)  # ids stand where names are not known, and nothing is missing
        found |= {(reading.cloud.name, id): name for id, name in rows}
    return found


def told_apart(
    rows: Iterable[Row], places: Sequence[int], domains: Domains, *, by_cloud: bool
) -> Callable[[Row], str | None] | None:
    """Return what tells what a row's group is called; None if its name is enough.

    ``places`` are those of the name, the id and perhaps the domain's id in a row, which begins with
    its cloud. ``by_cloud`` says that rows are grouped by cloud as well. ``domains`` is called only
    if it is needed.
    """
    name, id = places[:2]
    cloud: Callable[[Row], Any] = itemgetter(0) if by_cloud else lambda row: None
    things = {(cloud(row), row[id]): row for row in rows if row[id] is not None}
    if len({(of, row[name]) for (of, _), row in things.items()}) == len(things):
        return None
    called = {thing: row[name] for thing, row in things.items()}
    if len(places) > 2:
        known = domains()

        def within(row: Row) -> str:
            return f"{known.get((row[0], row[places[2]]), row[places[2]])}/{row[name]}"

        called = _where_needed(called, {thing: within(row) for thing, row in things.items()})
    called = _where_needed(called, {t: f"{called[t]} ({t[1]})" for t in things})
    return lambda row: called.get((cloud(row), row[id]))


def _where_needed(
    called: Mapping[tuple[Any, Any], str], longer: Mapping[tuple[Any, Any], str]
) -> dict[tuple[Any, Any], str]:
    """Return the names that are one thing's alone in its cloud, and longer ones of the others."""
    of = Counter((cloud, name) for (cloud, _), name in called.items())
    return {t: name if of[t[0], name] == 1 else longer[t] for t, name in called.items()}

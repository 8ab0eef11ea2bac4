"""What a query asks of which service, what it does here, and how many requests that takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from common.table import Table
from common.text import count
from query_api.execution.column_rows import narrowed_for
from query_api.execution.columns import ColumnSet
from query_api.execution.running import Run
from query_api.language.conditions import All, Condition, Test, conjuncts
from query_api.language.kinds import LISTS
from query_api.language.schema import Link, Listing, Resource
from query_api.language.where import unparse
from query_api.wire import visibility
from query_api.wire.narrowing import Ask, given

if TYPE_CHECKING:
    from query_api.execution.query import Query

_UNKNOWN = "as many as the rows before lead to"
_ONE_LIST = "one list, or fewer narrowed ones"


class Part(msgspec.Struct, frozen=True):
    """One part of a query: ``done`` says by whom, ``expected`` how many requests in words."""

    resource: str
    done: str
    what: str
    expected: str = ""


class Explanation(msgspec.Struct):
    """The parts of a query in the order in which they are done."""

    parts: list[Part]

    def table(self, made: Mapping[str, Mapping[str, int]] | None = None) -> Table:
        """Return the parts as a table; ``made`` are the requests sent, by cloud and service."""
        rows: list[dict[str, Any]] = [msgspec.structs.asdict(part) for part in self.parts]
        for cloud, services in (made or {}).items():
            for service, number in services.items():
                what = f"requests to {service}"
                rows.append({"resource": cloud, "done": "made", "what": what, "made": number})
        columns = ("resource", "done", "what", "expected", "made")
        # Nothing has been made yet where nothing was asked.
        shown = columns if made is not None else columns[:-1]
        return Table(shown, rows, summary=f"{len(rows)} parts")


def explained(run: Run) -> Explanation:
    """Return what a run would do. Nothing is asked of any cloud."""
    parts: list[Part] = []
    most: int | None = None
    for number, (columns, stage) in enumerate(zip(run.column_sets, run.query.stages, strict=True)):
        if link := stage.link:
            what = f"{link.there} of {stage.resource.plural} is any of the {link.here} so far"
            cost = _led(link, stage.resource, most) or _UNKNOWN
            parts.append(Part(stage.resource.name, "follow", what, cost))
        parts += _stage(run, columns, stage.condition, following=link is not None)
        if number + 1 < len(run.column_sets):
            onwards = run.query.stages[number + 1].link
            assert onwards is not None
            most = _most(run, columns, stage.condition, onwards)
    return Explanation([*parts, *_at_last(run.query)])


def _at_last(query: Query) -> list[Part]:
    """Return what is done with the rows of all clouds."""
    parts = [
        Part(query.resource.name, "here", f"{verb} {', '.join(names)}")
        for verb, names in (
            ("group by", [group.path for group in query.groups]),
            ("reckon", [f"{a.function} {a.path}".strip() for a in query.aggregates]),
            ("sort by", list(query.sorting)),
        )
        if names
    ]
    if query.is_distinct and not query.aggregates:
        parts.append(Part(query.resource.name, "here", "distinct: equal rows once"))
    if query.at_most is not None:
        most = count(query.at_most, "group" if query.aggregates else "row")
        parts.append(Part(query.resource.name, "here", f"limit: at most {most}"))
    return parts


def _stage(run: Run, columns: ColumnSet, condition: Condition, *, following: bool) -> list[Part]:
    # What a link leads to is asked for by values that are not known yet.
    resource, parts = columns.resource, [] if following else _asked(run, columns, condition)
    for service in dict.fromkeys(one.service for one in resource.listings if not one.open):
        if probe := visibility.PROBES.get(service):
            expected = "1" if visibility.always(service) else "1 if the rows do not show it"
            what = f"GET {probe.path}: whether it leaves out any"
            parts.append(Part(resource.name, f"also by {service}", what, expected))
    own, rest = columns.split(condition)
    if own:
        parts.append(Part(resource.name, "here", f"keep {unparse(All(tuple(own)))}"))
    parts += _more(columns, lambda link: _most(run, columns, condition, link))
    if rest:
        parts.append(Part(resource.name, "here", f"then keep {unparse(All(tuple(rest)))}"))
    return parts


def _asked(run: Run, columns: ColumnSet, condition: Condition) -> list[Part]:
    """Return what the services are asked for the rows of a resource."""
    resource, parts = columns.resource, []
    single = [part for part in conjuncts(condition) if isinstance(part, Test)]
    known = all(given(name, single) for name, instead in resource.needs.items() if instead)
    asks = narrowed_for(columns, None, condition, run.options).asks if known else [Ask()]
    for listing in resource.listings:
        shown = " | ".join(dict.fromkeys(_get(listing, ask) for ask in asks[:3]))
        more = f" and {len(asks) - 3} more" if len(asks) > 3 else ""
        cost = _expected(listing, len(asks), known, resource)
        parts.append(Part(resource.name, f"by {listing.service}", shown + more, cost))
    return parts


def _more(columns: ColumnSet, most: Callable[[Link], int | None]) -> Iterator[Part]:
    """Yield what is read beside the rows of a column set, and beside what is joined to them."""
    of = columns.resource
    for name in columns.read_by(each=False):
        yield Part(of.name, f"by {name}", "more of each row", of.sources[name].cost)
    for join in columns.joins:
        there = join.columns.resource
        what = f"{', '.join(path.text for path in join.paths)} by {join.link.here}"
        cost = _led(join.link, there, most(join.link)) or _ONE_LIST
        yield Part(there.name, "join", what, cost)
        # How many rows are joined nobody knows yet.
        yield from _more(join.columns, lambda _link: None)
    for name in columns.read_by(each=True):
        yield Part(of.name, f"by {name}", "more of each row left", of.sources[name].cost)


def _led(link: Link, there: Resource, most: int | None) -> str:
    """Return how many requests read what a link leads to; nothing if no property is needed.

    ``most`` is how many values lead there at most, if that is known.
    """
    for name, instead in there.needs.items():
        if name != link.there:
            # What cannot be asked for by the link's own property is read whole.
            assert instead is not None
            cost = _each(there, instead)
            return f"one request a page if that finds all, else {cost}" if there.at_once else cost
        cost = _each(there, name)
        paged = any(listing.paging != "none" for listing in there.listings)
        if most is None or paged:
            return cost
        return f"{cost}, {most * len(there.listings)} at most"
    return ""


def _each(of: Resource, name: str) -> str:
    """Return what it costs to read a resource once for each value of a property."""
    number = "one request" if len(of.listings) == 1 else f"{len(of.listings)} requests"
    paged = any(listing.paging != "none" for listing in of.listings)
    return f"{number}{' a page' * paged} for each {name}"


def _most(run: Run, columns: ColumnSet, condition: Condition, link: Link) -> int | None:
    """Return how many different values lead over a link at most, where that is known before."""
    if columns.where(link.here)[0].kind in LISTS:
        return None
    own, rest = columns.split(condition)
    test = given(link.here, (part for part in own if isinstance(part, Test)))
    bounds = [len(set(test.values))] if test else []
    # Rows that other columns decide upon are all read, whatever the limit.
    bounds += [run.options.enough] if run.options.enough is not None and not rest else []
    return min(bounds, default=None)


def _get(listing: Listing, ask: Ask) -> str:
    path = listing.path
    for name, value in ask.asked.items():
        path = path.replace(f"{{{name}}}", str(value))
    params = "&".join(f"{name}={value}" for name, value in {**listing.params, **ask.params}.items())
    return f"GET {path}?{params}" if params else f"GET {path}"


def _expected(listing: Listing, asks: int, known: bool, resource: Resource) -> str:
    if not known:
        return f"1 for each {next(value for value in resource.needs.values() if value)}"
    if listing.paging == "none":
        return str(asks)
    return f"{'' if asks == 1 else f'{asks} times '}1 a page of {listing.page}"

"""What a query asks of which service, what it does here, and how many requests that takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from query_api import sight
from query_api.conditions import All, Test, conjuncts
from query_api.frame import Frame
from query_api.narrowing import Ask, given
from query_api.running import Run
from query_api.schema import Listing, Resource
from query_api.where import unparse
from workflow_api.table import Table

_UNKNOWN = "as many as the rows before lead to"


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
                rows.append(
                    {"resource": cloud, "done": "made", "what": what, "expected": str(number)}
                )
        return Table(("resource", "done", "what", "expected"), rows, summary=f"{len(rows)} parts")


def explained(run: Run) -> Explanation:
    """Return what a run would do. Nothing is asked of any cloud."""
    parts: list[Part] = []
    for frame, stage in zip(run.frames, run.query.stages, strict=True):
        if link := stage.link:
            what = f"{link.there} of {stage.resource.plural} is any of the {link.here} so far"
            parts.append(Part(stage.resource.name, "follow", what, _UNKNOWN))
        parts += _stage(run, frame, stage.condition, following=link is not None)
    query = run.query
    for verb, names in (
        ("group by", [group.path for group in query.groups]),
        ("reckon", [f"{a.function} {a.path}".strip() for a in query.aggregates]),
        ("sort by", list(query.sorting)),
    ):
        if names:
            parts.append(Part(query.resource.name, "here", f"{verb} {', '.join(names)}"))
    return Explanation(parts)


def _stage(run: Run, frame: Frame, condition: Any, *, following: bool) -> list[Part]:
    resource, parts = frame.resource, []
    narrowed = frame.narrowed(None, condition, run.options)
    single = [part for part in conjuncts(condition) if isinstance(part, Test)]
    known = all(given(name, single) for name, instead in resource.needs.items() if instead)
    for listing in resource.listings:
        if following:
            break
        asks = narrowed.asks if known else [Ask()]
        shown = " | ".join(dict.fromkeys(_get(listing, ask) for ask in asks[:3]))
        more = f" and {len(asks) - 3} more" if len(asks) > 3 else ""
        parts.append(
            Part(
                resource.name,
                f"by {listing.service}",
                shown + more,
                _expected(listing, len(asks), known, resource),
            )
        )
    for service in dict.fromkeys(one.service for one in resource.listings if not one.open):
        if probe := sight.PROBES.get(service):
            expected = "1" if sight.always(service) else "1 if the rows do not show it"
            what = f"GET {probe.path}: whether it leaves out any"
            parts.append(Part(resource.name, f"also by {service}", what, expected))
    own, rest = frame.split(condition)
    if own:
        parts.append(Part(resource.name, "here", f"keep {unparse(All(tuple(own)))}"))
    for name in frame.sources:
        parts.append(
            Part(resource.name, f"by {name}", "more of each row", resource.sources[name].cost)
        )
    for join in frame.joins:
        there = join.frame.resource
        what = f"{', '.join(path.text for path in join.paths)} by {join.link.here}"
        parts.append(Part(there.name, "join", what, "one list, or fewer narrowed ones"))
    if rest:
        parts.append(Part(resource.name, "here", f"then keep {unparse(All(tuple(rest)))}"))
    return parts


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

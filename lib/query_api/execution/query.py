"""Queries: verbs that read like SQL, checked whole before the first request.

    >>> busy = (
    ...     query("server")
    ...     .where("status", "any_in", "ACTIVE", "ERROR")
    ...     .select("name", "status", "user.email")
    ...     .sort_by("-updated_at")
    ... )

Each verb returns a new query, so that one can be kept and carried on in several ways.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import msgspec

from common.errors import UserError
from common.text import listed, near
from query_api.language.conditions import DEEPEST, All, Condition, Test, all_of, too_deep
from query_api.language.groups import Aggregate, Group
from query_api.language.schema import WHOLE, Link, Resource
from query_api.language.words import shown
from query_api.resources import resource

if TYPE_CHECKING:
    from accounts.cloud import Cloud
    from query_api.execution.answer import Answer
    from query_api.execution.explain import Explanation
    from query_api.execution.paths import Path
    from query_api.execution.running import Run


class Stage(msgspec.Struct, frozen=True):
    """One resource of a query: what its rows must pass, and the link over which it is reached
    (None for the first). ``paths`` are those that were resolved before the query is run."""

    resource: Resource
    condition: Condition = All(())
    link: Link | None = None
    paths: Mapping[str, Path] = {}


class Query(msgspec.Struct, frozen=True):
    """A question to one or several clouds. Made by :func:`query`."""

    stages: tuple[Stage, ...]
    selected: tuple[str, ...] = ()
    appended: tuple[str, ...] = ()
    sorting: tuple[str, ...] = ()
    groups: tuple[Group, ...] = ()
    aggregates: tuple[Aggregate, ...] = ()
    at_most: int | None = None
    is_distinct: bool = False

    @property
    def resource(self) -> Resource:
        """The resource whose rows are the answer."""
        return self.stages[-1].resource

    def select(self, *paths: str) -> Query:
        """Return only these columns, in this order; without it, the resource's usual ones."""
        return self._with(selected=(*self.selected, *paths))

    def select_all(self) -> Query:
        """Return every property that the listing itself has: no joins, no further requests."""
        own = (p.name for p in self.resource.properties if p.is_listed and p.wire != WHOLE)
        return self._with(selected=tuple(own))

    def where(self, path: str | Condition, operator: str = "", *values: Any) -> Query:
        """Keep only rows that pass; several calls all have to be passed.

        Takes ``("status", "any_in", "SHUTOFF", "ERROR")`` or a condition made of ``any_of``,
        ``all_of`` and ``not_``. Raises UserError for one that is nested too deep.
        """
        new = Test(path, operator, values) if isinstance(path, str) else path
        if too_deep(new):
            raise UserError(
                f"A condition is nested more than {DEEPEST} deep.",
                advice="Several values of one property are tested with any_in; conditions that "
                "all have to hold can be given one by one, with where.",
            )
        *before, last = self.stages
        # Beside what was said before, not around it: however often it is called, it stays flat.
        known = last.condition.parts if isinstance(last.condition, All) else (last.condition,)
        condition = all_of(*known, new)
        return self._with(stages=(*before, msgspec.structs.replace(last, condition=condition)))

    def resolve(self, path: str) -> Query:
        """Resolve a path now rather than when the query is run. Raises UserError as that does."""
        from query_api.execution.paths import resolve

        *before, last = self.stages
        if path in last.paths:
            return self
        known = {**last.paths, path: resolve(last.resource, path)}
        return self._with(stages=(*before, msgspec.structs.replace(last, paths=known)))

    def then(self, link: str) -> Query:
        """Go on with what the rows so far lead to over a link: each row there once.

        Raises UserError if there is no such link, or if columns were selected already.
        """
        found = self.resource.link(link)
        if found is None:
            names = [one.name for one in self.resource.links]
            likely = near(link, names)
            advice = (
                f"Did you mean {' or '.join(likely)}?"
                if likely
                else f"They lead to {listed(names, 30)}."
            )
            raise UserError(f"{self.resource.plural} do not lead to {link!r}.", advice=advice)
        if self.selected or self.appended or self.sorting or self.groups or self.aggregates:
            raise UserError(f"Follow {link} before columns are chosen, joined, sorted or grouped.")
        return self._with(stages=(*self.stages, Stage(resource(found.resource), link=found)))

    def append_from(self, link: str, *properties: str) -> Query:
        """Join columns of what each row leads to over a link; ``user.email`` selects the same."""
        return self._with(appended=(*self.appended, *(f"{link}.{name}" for name in properties)))

    def sort_by(self, *paths: str) -> Query:
        """Sort by paths or aggregates, a minus before one for descending; missing values last."""
        return self._with(sorting=(*self.sorting, *map(_sorting, paths)))

    def group_by(self, *groups: str | Group) -> Query:
        """Show rows in groups of equal values, or of named ranges.

        Raises UserError for a property that is grouped by already.
        """
        known = list(self.groups)
        for one in groups:
            new = Group(one) if isinstance(one, str) else one
            if any(new.path == old.path for old in known):
                raise UserError(f"Rows are grouped by {shown(new.path)} twice.")
            known.append(new)
        return self._with(groups=tuple(known))

    def aggregate(self, function: str | Aggregate, path: str = "") -> Query:
        """Return a row a group with its ``count``, ``sum``, ``min``, ``max`` or ``avg``.

        An ``Aggregate`` that was read from a text knows its place there. Raises UserError for
        another function, and for an aggregate that is there already.
        """
        new = function if isinstance(function, Aggregate) else Aggregate(function, path)
        if (new.function, new.path) in [(one.function, one.path) for one in self.aggregates]:
            said = shown(f"{new.function} {new.path}".strip())
            raise UserError(f"The aggregate {said} is there twice.")
        return self._with(aggregates=(*self.aggregates, new))

    def count(self) -> Query:
        """Return the number of rows of each group, or of all."""
        return self.aggregate("count")

    def distinct(self) -> Query:
        """Return equal rows once."""
        return self._with(is_distinct=True)

    def limit(self, rows: int) -> Query:
        """Return at most so many rows, or groups where rows are aggregated."""
        return self._with(at_most=rows)

    def run(
        self, clouds: Sequence[Cloud], *, narrow: bool = True, now: datetime | None = None
    ) -> Answer:
        """Ask the clouds and return the rows.

        ``narrow=False`` asks the services for everything and judges all of it here. ``now`` is
        what ages are counted from, in UTC if it has no zone. Raises UserError before the first
        request if the query is not sound, and CloudError if no cloud answers.
        """
        return self.prepare(narrow=narrow, now=now).answer(clouds)

    def explain(self, *, now: datetime | None = None) -> Explanation:
        """Return what would be asked of which service, and what would be done here."""
        from query_api.execution.explain import explained

        return explained(self.prepare(now=now))

    def prepare(self, *, narrow: bool = True, now: datetime | None = None) -> Run:
        """Return the query checked and compiled, to be explained and run. See :meth:`run`."""
        from query_api.execution.running import Run

        return Run(self, _aware(now), narrow=narrow)

    def _with(self, **changes: Any) -> Query:
        return msgspec.structs.replace(self, **changes)


def _sorting(text: str) -> str:
    """Return what to sort by; an aggregate as its column is called, however it is written."""
    minus = "-" if text.startswith("-") else ""
    written = text.removeprefix("-")
    if "(" not in written and " " not in written:
        return text
    from query_api.language.grouping import parse_aggregate, unparse_aggregate

    try:
        found = parse_aggregate(written)
    except UserError:
        return text  # a path, perhaps: the key of a map may be any text
    return minus + unparse_aggregate(found) if len(found) == 1 else text


def _aware(now: datetime | None) -> datetime:
    moment = now or datetime.now(timezone.utc)
    # Never the zone of this machine.
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def query(of: str) -> Query:
    """Return a query for a resource by its singular or plural name; raises NotFound."""
    return Query((Stage(resource(of)),))

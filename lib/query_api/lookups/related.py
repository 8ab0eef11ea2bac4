"""Things that belong to others: the ports of a server, the floating IPs of a port.

While many plans share reads (accounts.read_cache), the first of them reads what all of them will
need.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from accounts import read_cache
from accounts.cloud import Cloud
from accounts.read_cache import SharedReads, reading_with
from query_api.execution.query import Query, query
from query_api.language.schema import Resource
from query_api.lookups import things
from query_api.lookups.things import Thing
from query_api.resources import resource

_PROJECT = "project_id"
# So many projects are narrowed to; beyond them the listing is read whole.
_FEW = 3


def related(cloud: Cloud, kind: str, prop: str, values: Collection[str]) -> list[Thing]:
    """Return the things of a resource of which a property is one of these values.

    ``prop`` is the resource's key, or a property with one value that leads to another resource.
    Raises CloudError if not everything could be read.
    """
    if not values:
        return []
    reads = read_cache.current()
    if reads is None or not reads.many:
        return things.of_query(cloud, query(kind).where(prop, "any_in", *sorted(values)))
    known = reads.shared((cloud, kind, prop), lambda: _Gathered(cloud, kind, prop, reads))
    return known.of(values)


class _Gathered:
    """What one look has read of the things of a resource, by the values of a property."""

    def __init__(self, cloud: Cloud, kind: str, prop: str, reads: SharedReads) -> None:
        self._cloud, self._of, self._prop, self._reads = cloud, resource(kind), prop, reads
        self._known: dict[str, dict[str, Thing]] = {}
        self._read: set[str] = set()
        self._listed = self._whole = False

    def of(self, values: Collection[str]) -> list[Thing]:
        """Return the things with these values; reads what was not read."""
        missing = set(values) - self._read
        if missing and not self._together and not self._listed:
            self._list()
            missing -= self._read
        if missing and not self._whole:
            if self._together:
                missing |= self._reads.expected(_led_to(self._of, self._prop)) - self._read
            asked = query(self._of.name).where(self._prop, "any_in", *sorted(missing))
            self._keep(asked)
            self._read |= missing
        return [thing for value in values for thing in self._known.get(value, {}).values()]

    @property
    def _together(self) -> bool:
        """Whether the service can be asked for many values at once."""
        prop = self._of.property(self._prop)
        assert prop is not None
        way = prop.filters.get("any_in") or prop.filters.get("equal_to")
        return way is not None and bool(way.many)

    def _list(self) -> None:
        """Read the whole listing once; of things that are named, those of the rows' few projects.

        What belongs to a thing can be another project's.
        """
        asked = query(self._of.name)
        projects = self._reads.expected("project")
        of_project = self._prop == self._of.key and self._of.property(_PROJECT) is not None
        narrow = of_project and 0 < len(projects) <= _FEW
        if narrow:
            asked = asked.where(_PROJECT, "any_in", *sorted(projects))
        self._listed, self._whole = True, not narrow
        self._read |= self._keep(asked)

    def _keep(self, asked: Query) -> set[str]:
        """Read what is asked and return the values that were seen."""
        with reading_with(None):
            found = things.of_query(self._cloud, asked)
        for thing in found:
            self._known.setdefault(str(thing.values[self._prop]), {})[thing.id] = thing
        self._reads.expect(self._of.name, _ids(found))
        return {str(thing.values[self._prop]) for thing in found}


def _ids(found: Iterable[Thing]) -> set[str]:
    return {thing.id for thing in found}


def _led_to(of: Resource, prop: str) -> str:
    """Return the resource whose ids are the values of a property."""
    if prop == of.key:
        return of.name
    return next((link.resource for link in of.links if link.here == prop), "")

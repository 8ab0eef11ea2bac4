"""Many things of one resource, read by its listing as each would be shown by itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from urllib.parse import quote

import msgspec

from accounts.cloud import Cloud
from query_api.language.schema import Listing, Resource
from query_api.wire.decode import raw_shape
from query_api.wire.paging import Pages
from query_api.wire.reading import Reading

# So many projects are listed one by one; for more of them the whole cloud is.
_FEW = 3
_PROJECT = "project_id"


class ListedThings:
    """Things with these ids (see accounts.read_cache.Listed), which a listing shows whole.

    ``projects`` are those that all of them are in, if that is known.
    """

    def __init__(
        self, of: Resource, ids: Collection[str], projects: Collection[str] = frozenset()
    ) -> None:
        self._resource, self._listing = of, of.listings[0]
        self._paths = {path_of(self._listing, id): id for id in ids}
        self._projects = projects

    def covers(self, cloud: Cloud, service: str, path: str) -> bool:
        """Return whether a GET of this path shows one of them."""
        return service == self._listing.service and path in self._paths

    def read(self, cloud: Cloud, microversion: str | None) -> Mapping[str, bytes]:
        """Return what a GET of each of them would answer, by its path. Raises CloudError."""
        listing = msgspec.structs.replace(self._listing, microversion=microversion, better=None)
        shape = raw_shape(listing.collection)
        found: dict[str, bytes] = {}
        for params in self._parts():
            pages = Pages(Reading(cloud), listing, shape, 1, path=listing.path, params=params)
            for page in pages:
                rows, ids = page.columns
                for row, id in zip(rows, ids, strict=True):
                    if (path := path_of(listing, id)) in self._paths:
                        found[path] = _shown(listing, bytes(row))
        return found

    def _parts(self) -> list[dict[str, str]]:
        """Return the parameters of each listing that there is to be read."""
        prop = self._resource.property(_PROJECT)
        narrow = prop.filters.get("equal_to") if prop else None
        if narrow is None or not 0 < len(self._projects) <= _FEW:
            return [{}]
        return [{narrow.param: project} for project in sorted(self._projects)]


def path_of(listing: Listing, id: str) -> str:
    """Return the path of one thing of a listing."""
    return f"{listing.path.removesuffix('/detail')}/{quote(str(id), safe='')}"


def is_shown_by_id(of: Resource) -> bool:
    """Return whether a listing of the resource has what a GET of one of them shows."""
    listing = of.listings[0]
    return of.key == "id" and bool(listing.collection) and not of.needs and not listing.unpack


def _shown(listing: Listing, row: bytes) -> bytes:
    if listing.bare:
        return row
    return b'{"%s":%s}' % (listing.collection.removesuffix("s").encode(), row)

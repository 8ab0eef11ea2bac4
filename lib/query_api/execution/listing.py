"""The rows of a resource's own listings: read side by side, kept if they pass, each one once."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from urllib.parse import quote

from common.errors import CloudError
from query_api.execution.paths import Path
from query_api.language.schema import Listing, Property, Resource
from query_api.wire import visibility
from query_api.wire.decode import Page, shape_of
from query_api.wire.narrowing import Ask, Narrowed
from query_api.wire.paging import Pages
from query_api.wire.reading import Reading

Row = tuple[Any, ...]
# More narrowed requests than this are not sent before a first page shows that they are fewer.
_FEW = 2


class Listed:
    """Reads one resource: ``paths`` are its own columns, ``keep`` says which rows are wanted."""

    def __init__(
        self,
        reading: Reading,
        resource: Resource,
        paths: Sequence[Path],
        keep: Callable[[Row], bool] | None,
    ) -> None:
        self._reading, self._resource, self._paths, self._keep = reading, resource, paths, keep
        decoded = dict.fromkeys(path.prop.name for path in paths if not path.prop.asked)
        self._decoded = [prop for prop in resource.properties if prop.name in decoded]
        names = [prop.name for prop in self._decoded]
        self._at = {name: number for number, name in enumerate(names)}
        self._key = self._at.get(resource.key)
        self._enough: int | None = None
        # Rows seen, and those of them without proof, page by page; many threads add to it.
        self._counts: list[tuple[int, int]] = []

    def rows(self, narrowed: Narrowed, enough: int | None = None) -> list[Row]:
        """Return the rows, in the order of what was asked, and no more than are enough.

        Raises CloudError.
        """
        asks, self._enough = narrowed.asks, enough
        if narrowed.unwanted:
            self._keep = self._without(narrowed.unwanted)
        if len(asks) > _FEW and not self._resource.needs:
            whole = self._whole_at_once()
            if whole is not None:
                self._say_unseen()
                return self._first(self._distinct(whole))
        listings, alone = self._resource.listings, len(asks) == 1
        jobs = [partial(self._read, one, ask, alone) for one in listings for ask in asks]
        # Nova is asked what it leaves out at the same time: it has to be asked in any case.
        looks = [partial(self._look_at, one) for one in self._services() if visibility.always(one)]
        tried = self._reading.tried(lambda job: job(), [*jobs, *(looks if jobs else ())])
        names = [self._called(one, ask) for one in listings for ask in asks]
        self._reading.say_failed(zip(names, tried, strict=False))
        if jobs:
            self._say_unseen()
        # A page may have more; what is read beside each row would be read for those in vain.
        found = (part for part in tried if not isinstance(part, CloudError))
        return self._first(self._distinct([row for part in found for row in part]))

    def _first(self, rows: list[Row]) -> list[Row]:
        """Return no more rows than are enough."""
        if self._enough is not None and len(rows) > self._enough:
            self._reading.left_off = True
        return rows[: self._enough]

    def _called(self, listing: Listing, ask: Ask) -> str:
        """Return what one chain of requests reads, for whom it is missing."""
        several = len(self._resource.listings) > 1
        told = [listing.service] if several else []
        told += [f"{name} {value}" for name, value in ask.asked.items()]
        said = f" ({', '.join(told)})" if told else ""
        return f"{self._resource.plural} of {self._reading.cloud.name}{said}"

    def _whole_at_once(self) -> list[Row] | None:
        """Return all rows if one request gives them, which is fewer than many narrow ones."""
        found: list[Row] = []
        counts: list[tuple[int, int]] = []
        for listing in self._resource.listings:
            page = next(iter(self._pages(listing, Ask())))
            if page.marker is not None or (listing.paging == "offset" and page.count):
                return None
            counts.append((page.count, page.unproven))
            found += self._kept(page, Ask())
        self._counts += counts
        return found

    def _read(self, listing: Listing, ask: Ask, alone: bool) -> list[Row]:
        found: list[Row] = []
        try:
            for page in self._pages(listing, ask):
                self._counts.append((page.count, page.unproven))
                found += self._kept(page, ask)
                if self._is_enough(found):
                    goes_on = page.marker is not None or listing.paging == "offset"
                    self._reading.left_off |= goes_on
                    break
        except CloudError as error:
            # One of many that were to be asked is gone by now, and so are its rows.
            gone = ask.known or (ask.asked and not alone)
            if error.status != 404 or not gone:
                raise
        return found

    def _pages(self, listing: Listing, ask: Ask) -> Pages:
        path, params = listing.path, dict(ask.params)
        for name, value in ask.asked.items():
            if f"{{{name}}}" in path:
                path = path.replace(f"{{{name}}}", quote(str(value), safe=""))
            else:
                prop = self._resource.property(name)
                assert prop is not None
                filter_ = prop.filters["equal_to"]
                params[filter_.param] = filter_.encode(value)
        return Pages(
            self._reading,
            listing,
            shape_of(listing, self._decoded),
            self._key,
            path=path,
            params=params,
            enough=None if self._keep else self._enough,
            to_end=self._enough is None,
        )

    def _kept(self, page: Page, ask: Ask) -> list[Row]:
        if not page.count:
            return []
        columns = [self._column(path.prop, path.key, page, ask) for path in self._paths]
        rows = zip(*columns, strict=True)
        return list(filter(self._keep, rows)) if self._keep else list(rows)

    def _column(self, prop: Property, key: str | None, page: Page, ask: Ask) -> Sequence[Any]:
        if prop.asked:
            return [ask.asked.get(prop.name)] * page.count
        values = page.columns[self._at[prop.name]]
        return values if key is None else [map_value(value, key) for value in values]

    def _without(self, unwanted: Sequence[tuple[str, str]]) -> Callable[[Row], bool]:
        places = [(self._place(name), value) for name, value in unwanted]
        keep = self._keep

        def passes(row: Row) -> bool:
            return all(row[at] != value for at, value in places) and (keep is None or keep(row))

        return passes

    def _is_enough(self, rows: list[Row]) -> bool:
        enough = self._enough
        return enough is not None and len(rows) >= enough <= len(self._distinct(rows))

    def _place(self, name: str) -> int:
        return next(i for i, path in enumerate(self._paths) if path.text == name)

    def _distinct(self, rows: list[Row]) -> list[Row]:
        """Return each row once: they repeat where a listing shifted while it was read."""
        if self._key is None:
            return rows
        by_key: dict[Any, Row] = {}
        at = self._place(self._resource.key)
        for row in rows:
            by_key.setdefault(row[at], row)
        return list(by_key.values())

    def _services(self) -> list[str]:
        """Return the services whose listings may lack rows."""
        return list(dict.fromkeys(one.service for one in self._resource.listings if not one.open))

    def _look_at(self, service: str) -> list[Row]:
        visibility.unseen(self._reading, service)
        return []

    def _say_unseen(self) -> None:
        """Say what the listings may lack, unless they have shown that it is nothing."""
        what = f"{self._resource.plural} of {self._reading.cloud.name}"
        seen = sum(count for count, _ in self._counts)
        unproven = sum(count for _, count in self._counts)
        if 0 < unproven < seen:
            why = "came without their details: a part of the service (a cell) does not answer"
            self._reading.incomplete(what, f"{unproven} {why}")
        proven = unproven < seen and all(one.proof for one in self._resource.listings)
        for service in self._services():
            if proven and not visibility.always(service):
                continue
            if why := visibility.unseen(self._reading, service):
                self._reading.incomplete(what, why)


def map_value(value: Any, key: str) -> str | None:
    """Return what a map says under a key, as a text."""
    found = value.get(key) if value else None
    return found if found is None or isinstance(found, str) else json.dumps(found)

"""The rows of a resource's own listings: read side by side, kept if they pass, each one once."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

from query_api.decode import Page
from query_api.narrowing import Ask, Narrowed
from query_api.paging import Pages
from query_api.paths import Path
from query_api.reading import Reading
from query_api.schema import Listing, Property, Resource
from workflow_api.errors import CloudError

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
        # Rows seen, and those of them without proof, page by page; many threads add to it.
        self._counts: list[tuple[int, int]] = []

    def rows(self, narrowed: Narrowed, enough: int | None = None) -> list[Row]:
        """Return the rows, in the order of what was asked. Raises CloudError."""
        asks = narrowed.asks
        if len(asks) > _FEW and not self._resource.needs:
            whole = self._whole_at_once()
            if whole is not None:
                return self._once([whole], narrowed)
        jobs = [(listing, ask) for listing in self._resource.listings for ask in asks]
        alone = len(asks) == 1
        found = self._reading.each(lambda job: self._read(*job, alone, enough), jobs)
        self._say_unproven()
        return self._once(found, narrowed)

    def _whole_at_once(self) -> list[Row] | None:
        """Return all rows if one request gives them, which is fewer than many narrow ones."""
        found: list[Row] = []
        for listing in self._resource.listings:
            page = next(iter(self._pages(listing, Ask())))
            if page.marker is not None:
                return None
            found += self._kept(page, Ask())
        return found

    def _read(self, listing: Listing, ask: Ask, alone: bool, enough: int | None) -> list[Row]:
        found: list[Row] = []
        try:
            for page in self._pages(listing, ask):
                self._counts.append((page.count, page.unproven))
                found += self._kept(page, ask)
                if enough is not None and len(found) >= enough:
                    break
        except CloudError as error:
            # One of many that were to be asked is gone by now, and so are its rows.
            if error.status != 404 or alone or not ask.asked:
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
        return Pages(self._reading, listing, self._decoded, self._key, path=path, params=params)

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

    def _once(self, found: Sequence[list[Row]], narrowed: Narrowed) -> list[Row]:
        """Return each row once: they repeat where a listing shifted while it was read."""
        if self._key is None:
            rows = [row for part in found for row in part]
        else:
            by_key: dict[Any, Row] = {}
            at = next(i for i, p in enumerate(self._paths) if p.text == self._resource.key)
            for part in found:
                for row in part:
                    by_key.setdefault(row[at], row)
            rows = list(by_key.values())
        for name, value in narrowed.unwanted:
            at = next(i for i, path in enumerate(self._paths) if path.text == name)
            rows = [row for row in rows if row[at] != value]
        return rows

    def _say_unproven(self) -> None:
        seen = sum(count for count, _ in self._counts)
        unproven = sum(count for _, count in self._counts)
        if unproven:
            self._reading.incomplete(
                f"{self._resource.plural} of {self._reading.cloud.name}",
                (
                    "the account has no right to see all of them"
                    if unproven == seen
                    else f"{unproven} came without their details: a part of the service (a cell) "
                    "does not answer"
                ),
            )


def map_value(value: Any, key: str) -> str | None:
    """Return what a map says under a key, as a text."""
    found = value.get(key) if value else None
    return found if found is None or isinstance(found, str) else json.dumps(found)

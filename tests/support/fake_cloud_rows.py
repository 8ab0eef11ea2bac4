"""Rows of a fake cloud's service: listed in pages, shown, made, changed and deleted.

What a service module has to say of its resources is a ``Kind`` each. A row is what the service
answers; a test changes rows as it likes, for ``Rows`` is a list.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from support.fake_cloud_estate import Json
from support.fake_cloud_http import Answer, Request

if TYPE_CHECKING:
    from support.fake_cloud import FakeCloud

# How each service wraps what went wrong, by the beginning of its paths.
_WRAPPED: dict[str, Callable[[int, str], Json]] = {
    "/compute": lambda code, said: {"badRequest": {"message": said, "code": code}},
    "/volume": lambda code, said: {"badRequest": {"message": said, "code": code}},
    "/network": lambda code, said: {"NeutronError": {"type": "Fake", "message": said}},
    "/identity": lambda code, said: {"error": {"message": said, "code": code}},
    "/placement": lambda code, said: {"errors": [{"status": code, "detail": said}]},
    "/image": lambda code, said: {"message": said},
}
# Services that give all rows at once, whatever the limit.
_UNPAGED = ("/identity", "/placement")


@dataclass(frozen=True)
class Kind:
    """A resource of a service: where it is, and how its answers call one and many.

    ``listed`` is the path of the whole listing where that is another, as ``/volumes/detail``.
    ``unique`` are the properties that no two rows may have alike: a second one is a 409. ``given``
    are the properties of a new row that its maker did not give. Without ``changes`` rows are only
    read. A service that does not wrap one row has no ``one``.
    """

    path: str
    one: str
    many: str
    listed: str = ""
    key: str = "id"
    unique: tuple[str, ...] = ()
    given: Callable[[], Json] = dict
    changes: bool = False
    made: int = 201


class Rows(list[Json]):
    """The rows of one kind, and its routes.

    A listing has the rows of which ``passes`` holds for what was asked.
    """

    def __init__(
        self,
        cloud: FakeCloud,
        kind: Kind,
        passes: Callable[[Json, dict[str, str]], bool] | None = None,
    ) -> None:
        super().__init__()
        self._cloud, self.kind, self._passes = cloud, kind, passes or has_all
        cloud.route(f"GET {kind.listed or kind.path}", self._listed)
        if not kind.changes:
            return
        cloud.route(f"GET {kind.path}/([^/]+)", self.shown)
        cloud.route(f"POST {kind.path}", self._made)
        cloud.route(f"(?:PUT|PATCH) {kind.path}/([^/]+)", self._changed)
        cloud.route(f"DELETE {kind.path}/([^/]+)", self._deleted)

    def find(self, key: str) -> Json | None:
        """Return the row with that key."""
        return next((row for row in self if str(row[self.kind.key]) == key), None)

    def make(self, **known: Any) -> Json:
        """Add a row as the service would, for a test; raises ValueError where that is a 409."""
        row = {self.kind.key: str(uuid.uuid4()), **self.kind.given(), **known}
        if self._is_taken(row):
            raise ValueError(f"there is such a {self.kind.one or self.kind.many} already: {known}")
        self.append(row)
        return row

    def _is_taken(self, row: Json) -> bool:
        unique = self.kind.unique
        others = [other for other in self if other is not row]
        return bool(unique) and any(
            all(other.get(name) == row.get(name) for name in unique) for other in others
        )

    def _listed(self, request: Request) -> Answer:
        rows = [row for row in self if self._is_asked(row, request)]
        ids = [str(row.get(self.kind.key)) for row in rows]
        return paged(self._cloud, request, self.kind.many, ids, rows)

    def _is_asked(self, row: Json, request: Request) -> bool:
        """Return whether a row passes; of a repeated parameter one value has to be its own."""
        once = {name: one for name, one in request.query.items() if name not in request.repeated}
        return self._passes(row, once) and all(
            any(self._passes(row, {name: value}) for value in values)
            for name, values in request.repeated.items()
        )

    def shown(self, request: Request) -> Answer:
        row = self.find(request.parts[0])
        return self._missing(request) if row is None else Answer(self._wrapped(row))

    def _made(self, request: Request) -> Answer:
        try:
            return Answer(self._wrapped(self.make(**self._body(request))), self.kind.made)
        except ValueError as taken:
            return refusal(request, 409, str(taken))

    def _changed(self, request: Request) -> Answer:
        row = self.find(request.parts[0])
        if row is None:
            return self._missing(request)
        before = dict(row)
        row.update(self._body(request))
        if self._is_taken(row):
            row.clear()
            row.update(before)
            return refusal(request, 409, f"There is such a {self.kind.one} already.")
        return Answer(self._wrapped(row))

    def _deleted(self, request: Request) -> Answer:
        row = self.find(request.parts[0])
        if row is None:
            return self._missing(request)
        self[:] = [other for other in self if other is not row]
        return Answer(status=204)

    def _body(self, request: Request) -> Json:
        body: Json = request.body[self.kind.one] if self.kind.one else request.body
        return body

    def _wrapped(self, row: Json) -> Json:
        return {self.kind.one: row} if self.kind.one else row

    def _missing(self, request: Request) -> Answer:
        said = f"{self.kind.one or self.kind.many} {request.parts[0]} could not be found."
        return refusal(request, 404, said)


def has_all(row: Json, asked: dict[str, str]) -> bool:
    """Return whether a row has each parameter; those that are no key of it are passed over."""
    return all(str(row[name]) == value for name, value in asked.items() if name in row)


def refusal(request: Request, status: int, said: str) -> Answer:
    """Return an error as the service that was asked words it."""
    wrap = next((wrap for start, wrap in _WRAPPED.items() if request.path.startswith(start)), None)
    return Answer((wrap or _WRAPPED["/identity"])(status, said), status)


def paged(
    cloud: FakeCloud, request: Request, collection: str, ids: Sequence[str], rows: list[Json]
) -> Answer:
    """Return the page that was asked for by limit and marker, with where the next one is.

    A page has ``cloud.page`` rows at most; a marker that is no row is a 400.
    """
    if request.path.startswith(_UNPAGED):
        return Answer({collection: rows})
    marker, start = request.query.get("marker"), 0
    if marker is not None and "marker" not in cloud.ignores:
        if marker not in ids:
            return refusal(request, 400, f"marker [{marker}] not found")
        start = ids.index(marker) + 1
    limit = cloud.page
    if "limit" not in cloud.ignores:
        limit = min(limit, int(request.query.get("limit", limit)))
    end = start + limit
    body: Json = {collection: rows[start:end]}
    if rows and (len(rows[start:end]) == limit or "marker" in cloud.ignores):
        href = f"{request.path}?limit={limit}&marker={ids[min(end, len(ids)) - 1]}"
        if request.path.startswith("/image"):
            body["next"] = href.removeprefix("/image")
        else:
            body[f"{collection}_links"] = [{"rel": "next", "href": f"{cloud.origin}{href}"}]
    return Answer(body)

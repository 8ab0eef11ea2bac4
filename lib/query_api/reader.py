"""Reading typed answers: just the wanted fields are decoded, pages are followed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import msgspec

from accounts.cloud import Cloud
from workflow_api.errors import CloudError

Answer = TypeVar("Answer")
Row = TypeVar("Row", bound=msgspec.Struct)
# Nova's own default for osapi_max_limit; a service that allows fewer answers with fewer.
_PAGE = 1000


class Link(msgspec.Struct):
    """A link to the next page."""

    rel: str
    href: str


@cache
def _decoder(shape: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(shape, strict=False)


@cache
def _page_of(row: type[Row], collection: str) -> Any:
    return msgspec.defstruct(
        f"{collection}_page",
        [
            ("rows", list[row], msgspec.field(name=collection)),  # type: ignore[valid-type]
            ("links", list[Link], msgspec.field(name=f"{collection}_links", default_factory=list)),
        ],
    )


def one(
    cloud: Cloud,
    service: str,
    path: str,
    shape: type[Answer],
    *,
    params: Mapping[str, Any] | None = None,
    microversion: str | None = None,
) -> Answer:
    """Return the answer to one GET, decoded as ``shape``. Raises CloudError."""
    body = cloud.get(service, path, params=params, microversion=microversion)
    try:
        decoded: Answer = _decoder(shape).decode(body)  # type: ignore[arg-type]
    except msgspec.MsgspecError as error:
        raise CloudError(
            f"Cloud {cloud.name}: {path}: the answer was not understood: {error}."
        ) from None
    return decoded


def pages(
    cloud: Cloud,
    service: str,
    path: str,
    row: type[Row],
    collection: str,
    *,
    params: Mapping[str, Any] | None = None,
    microversion: str | None = None,
    limit: int = _PAGE,
) -> Iterator[list[Row]]:
    """Yield the pages of a listing as they come; rows seen on an earlier page are left out.

    A page can repeat rows when things are made or deleted while it is read. ``limit`` is the
    wanted page size; services may answer with less.
    """
    shape = _page_of(row, collection)
    seen: set[Any] = set()
    asked = {"limit": limit, **(params or {})}
    while True:
        page = one(cloud, service, path, shape, params=asked, microversion=microversion)
        new = [entry for entry in page.rows if _identity(entry) not in seen]
        seen.update(map(_identity, new))
        yield new
        following = next((link.href for link in page.links if link.rel == "next"), None)
        # A service that ignores paging answers with the same rows again and again.
        if following is None or not new:
            return
        marker = parse_qs(urlsplit(following).query).get("marker")
        if not marker:
            return
        asked["marker"] = marker[0]


def rows(
    cloud: Cloud, service: str, path: str, row: type[Row], collection: str, **how: Any
) -> list[Row]:
    """Return all rows of a listing. Takes what :func:`pages` takes."""
    return [entry for page in pages(cloud, service, path, row, collection, **how) for entry in page]


def _identity(row: Any) -> Any:
    return row.id

"""Reading typed answers: just the wanted fields are decoded, pages are followed."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, TypeVar

import msgspec

from accounts.cloud import Cloud
from common.errors import CloudError
from common.text import clean
from query_api.wire import following
from query_api.wire.following import PageLink

Answer = TypeVar("Answer")
Row = TypeVar("Row", bound=msgspec.Struct)
# Nova's own default for osapi_max_limit; a service that allows fewer answers with fewer.
_PAGE = 1000


class _Part(msgspec.Struct):
    rows: list[Any]
    ids: list[Any]
    marker: str | None


# What msgspec has to know of a type it finds out when the type is first used. If another thread
# uses it before that is done, the process crashes.
_finding_out = threading.Lock()


@cache
def _made(shape: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(shape, strict=False)


def decoder(shape: Any) -> msgspec.json.Decoder[Any]:
    """Return the decoder of a type, made once. For any number of threads."""
    with _finding_out:
        return _made(shape)


def converted(plain: Any, shape: Any) -> Any:
    """Return decoded JSON as a type. For any number of threads. Raises msgspec.ValidationError."""
    decoder(shape)
    return msgspec.convert(plain, shape, strict=False)


@cache
def _page_of(row: type[Row], collection: str) -> Any:
    return msgspec.defstruct(
        f"{collection}_page",
        [
            ("rows", list[row], msgspec.field(name=collection)),  # type: ignore[valid-type]
            (
                "links",
                list[PageLink],
                msgspec.field(name=f"{collection}_links", default_factory=list),
            ),
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
        decoded: Answer = decoder(shape).decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise not_understood(cloud, service, path, error) from None
    return decoded


def not_understood(cloud: Cloud, service: str, path: str, why: object) -> CloudError:
    """Return the error for an answer that is not what the service answers."""
    return CloudError(
        f"Cloud {cloud.name}: asking {service} for {path}: the answer was not understood: "
        f"{clean(why).rstrip('.')}.",
        advice="See whether something on the way (a proxy, a login page) answers in its place; "
        "else the service's log may say what it sent.",
    )


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

    def ask(more: Mapping[str, Any]) -> _Part:
        asked = {"limit": limit, **(params or {}), **more}
        page = one(cloud, service, path, shape, params=asked, microversion=microversion)
        marker, _ = following.next_marker(page.links, None)
        return _Part(page.rows, [entry.id for entry in page.rows], marker)

    first = ask({})
    seen = set(first.ids)
    yield first.rows
    try:
        for page in following.onwards(first, ask):
            new = [entry for entry in page.rows if entry.id not in seen]
            seen.update(page.ids)
            yield new
    except following.Stuck as stuck:
        # A service that knows no pages has given all its rows, and gives them to who wants one.
        if len(ask({"limit": 1}).ids) != stuck.rows:
            raise CloudError(
                f"Cloud {cloud.name}: asking {service} for {path}: it answered with the same page "
                "again instead of the one after it.",
                advice="See whether something on the way (a cache, a proxy) answers in its place.",
            ) from None


def rows(
    cloud: Cloud, service: str, path: str, row: type[Row], collection: str, **how: Any
) -> list[Row]:
    """Return all rows of a listing. Takes what :func:`pages` takes."""
    return [entry for page in pages(cloud, service, path, row, collection, **how) for entry in page]

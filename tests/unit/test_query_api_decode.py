"""Decoding answers: what is none is told as such, and what is odd does no harm."""

from __future__ import annotations

from typing import Any

import pytest

from query_api.properties import integer, text
from query_api.query import Query, Stage
from query_api.schema import Listing, Resource
from support.memory_cloud import MemoryCloud
from workflow_api.errors import CloudError

THINGS = Query(
    (
        Stage(
            Resource(
                name="thing",
                plural="things",
                about="A thing.",
                listings=(Listing(service="shelf", path="/things", collection="things"),),
                properties=(text("id", "Its id."), text("name", ""), integer("size", "")),
                default=("id", "name", "size"),
            )
        ),
    )
)


def read(body: Any) -> list[tuple[Any, ...]]:
    return THINGS.run([MemoryCloud({"shelf": lambda *_: body})]).rows


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"null",
        b"[]",
        b"{}",
        b'{"things": null}',
        b'{"things": [7]}',
        b'{"things": [{"id": 7}]}',
        b'{"things": [{"id": "t1"',
        b'{"things": [{"id": "t1", "size": "many"}]}',
        b'{"things": [{"id": "\xff"}]}',
        b'{"things": [{"id": "\\ud800"}]}',
        b'{"things": [{"id": "a", "x": ' + b"[" * 100_000,
    ],
    ids=lambda body: str(body[:40]),
)
def test_what_is_no_answer(body: bytes) -> None:
    with pytest.raises(CloudError, match="for /things: the answer was not understood") as told:
        read(body)
    assert "See whether something on the way" in told.value.advice
    assert len(str(told.value)) < 400


def test_rows_without_an_id_would_pass_for_one() -> None:
    with pytest.raises(CloudError, match="not understood: a row is without its id"):
        read({"things": [{"size": 1}, {"size": 2}]})


def test_what_is_missing_is_none_and_what_is_not_known_is_left_out() -> None:
    assert read({"things": [{"id": "a", "size": None, "new": {"deep": [1]}}, {"id": "b"}]}) == [
        ("a", None, None),
        ("b", None, None),
    ]


def test_a_name_of_ten_megabytes() -> None:
    name = "x" * 10_000_000
    assert read({"things": [{"id": "a", "name": name}]}) == [("a", name, None)]

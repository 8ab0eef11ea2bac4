"""Reading listings whatever happens meanwhile: every row once, or a word on what is missing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import CloudError
from query_api.execution.answer import Answer
from query_api.execution.query import Query, Stage
from query_api.language.schema import Listing, Paging, Resource, exact
from query_api.resources.properties import integer, text
from query_api.wire import paging
from support.memory_cloud import Json, MemoryCloud, Shelf, refused
from support.sampling import examples

WAYS = ["marker", "offset", "walk", "both ends"]
STUCK = "the service answered with the same page again: rows after it are missing"


def listing(way: str, **more: Any) -> Listing:
    paging: Paging = "offset" if way == "offset" else "links"
    brief = "/things/brief" if way in {"walk", "both ends"} else ""
    more.setdefault("backwards", {"sort_dir": "asc"} if way == "both ends" else {})
    how = {"path": "/things", "collection": "things", "page": 3, **more}
    return Listing(service="shelf", paging=paging, brief=brief, **how)


def resource(of: Listing, **more: Any) -> Resource:
    by_owner = exact("owner")
    return Resource(
        name="thing",
        plural="things",
        about="A thing.",
        listings=(of,),
        properties=(
            text("id", "Its id.", filters=exact("id", many="comma")),
            text("owner", "Whose it is.", filters=by_owner),
            integer("size", "How large it is."),
        ),
        default=("id", "size"),
        **more,
    )


def rows(*numbers: int) -> list[Json]:
    return [{"id": f"t{number}", "size": number, "owner": f"o{number}"} for number in numbers]


def ask(cloud: MemoryCloud, way: str = "marker", **more: Any) -> Query:
    return Query((Stage(resource(listing(way, **more))),))


def read(shelf: Shelf, way: str = "marker", *, most: int = 4, **more: Any) -> Answer:
    cloud = MemoryCloud({"shelf": shelf}, most=most)
    return ask(cloud, way, **more).run([cloud])


def once(act: Callable[[], None], at: int) -> Callable[[], None]:
    """Return a hook that acts at one request, counted from 1."""
    count = iter(range(1, 10_000))
    return lambda: act() if next(count) == at else None


@pytest.fixture(autouse=True)
def first_page_is_slow(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every listing that has a brief one be read with its help."""
    monkeypatch.setattr(paging, "_SLOW", -1.0)


# -- pages -------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("number", [0, 1, 2, 3, 4, 6, 7, 20])
@pytest.mark.parametrize("at_most", [2, 3, 1000], ids=lambda n: f"at most {n}")
def test_all_rows_in_their_order(way: str, number: int, at_most: int) -> None:
    answer = read(Shelf(rows(*range(number)), at_most=at_most), way)
    assert answer.column("size") == list(range(number))
    assert answer.reasons == []


def test_pages_and_requests() -> None:
    for way, requests in {"marker": 4, "offset": 6, "walk": 7}.items():
        answer = read(Shelf(rows(*range(10))), way)
        assert answer.sent == requests, way


@pytest.mark.parametrize(
    "around",
    [
        {"next": "/v2/things?limit=3&marker=t2"},
        {"links": {"next": "http://nowhere/things?marker=t2", "self": "x"}},
        {"thing_links": [{"rel": "next", "href": "http://nowhere/x?marker=t2"}]},
        {"things_links": [{"rel": "next", "href": "http://nowhere/x?marker=t2"}]},
    ],
    ids=["Glance", "Keystone", "volume types", "others"],
)
@pytest.mark.parametrize("how", ["links", "none"])
def test_where_the_link_to_the_next_page_stands(around: Json, how: Paging) -> None:
    def serve(path: str, params: Mapping[str, Any], version: str | None) -> Json:
        if params.get("marker") == "t2":
            return {"things": rows(3)}
        return {"things": rows(0, 1, 2), "truncated": True, **around}

    cloud = MemoryCloud({"shelf": serve})
    of = Listing(service="shelf", path="/things", collection="things", paging=how)
    answer = Query((Stage(resource(of)),)).run([cloud])
    assert (answer.column("size"), answer.reasons) == ([0, 1, 2, 3], [])
    assert [("limit" in asked) for asked in cloud.asked("shelf")] == [how == "links"] * 2


@pytest.mark.parametrize(
    "around",
    [{"truncated": True}, {"next": "/v2/things?limit=3"}, {"links": {"next": "http://x/?marker="}}],
    ids=str,
)
def test_a_listing_that_was_cut(around: Json) -> None:
    cloud = MemoryCloud({"shelf": lambda *_: {"things": rows(0, 1), **around}})
    answer = ask(cloud).run([cloud])
    assert answer.column("size") == [0, 1]
    assert answer.reasons == [("things of memory", "the service says that it has cut its answer")]


# -- while it is read --------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("gone", [1, 2, 3, 5, 6], ids=lambda n: f"{n} rows")
def test_the_rows_before_the_next_page_are_deleted(way: str, gone: int) -> None:
    shelf = Shelf(rows(*range(12)))

    def delete() -> None:
        del shelf.rows[6 - gone : 6]

    shelf.hooks.append(once(delete, 3))
    answer = read(shelf, way, most=2)
    assert answer.column("size")[-6:] == list(range(6, 12))
    assert len(set(answer.column("id"))) == len(answer.rows)
    assert answer.reasons == []


@pytest.mark.parametrize("way", WAYS)
def test_rows_are_added_between_pages(way: str) -> None:
    shelf = Shelf(rows(*range(12)))
    for at in range(1, 8):  # more than two pages of them in one place
        new = rows(100 + at)
        shelf.hooks.append(once(lambda new=new: shelf.rows.insert(4, *new), at + 1))
    found = read(shelf, way, most=2).column("size")
    assert [size for size in found if size < 100] == list(range(12))


def test_rows_are_deleted_between_the_brief_and_the_detailed_page() -> None:
    shelf = Shelf(rows(*range(13)))
    brief_read = threading.Event()

    def serve(path: str, params: Mapping[str, Any], version: str | None) -> Json:
        if path.endswith("/brief"):
            if len(asked := shelf(path, params, version)["things"]) < 3:
                del shelf.rows[4:8]  # the end of one stretch, and the beginning of the next
                brief_read.set()
            return {**shelf.last, "things": asked}
        if "marker" in params:
            assert brief_read.wait(5)
        return shelf(path, params, version)

    cloud = MemoryCloud({"shelf": serve})
    answer = ask(cloud, "walk").run([cloud])
    assert answer.column("size") == [0, 1, 2, 3, 8, 9, 10, 11, 12]
    assert answer.reasons == []


@pytest.mark.long
@settings(max_examples=examples(80), deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("way", WAYS)
def test_what_is_there_all_the_time_is_in_the_answer_once(way: str, data: st.DataObject) -> None:
    shelf = Shelf(rows(*range(data.draw(st.integers(0, 14)))), at_most=data.draw(st.integers(2, 4)))
    stable = {row["id"] for row in shelf.rows}
    ever = set(stable)
    deeds = st.tuples(st.integers(1, 9), st.booleans(), st.integers(0, 20), st.integers(1, 5))

    def deed(makes: bool, at: int, number: int) -> None:
        if makes:
            new = [{"id": f"n{len(ever) + n}", "size": 0} for n in range(number)]
            shelf.rows[at:at] = new
            ever.update(row["id"] for row in new)
        else:
            stable.difference_update(row["id"] for row in shelf.rows[at : at + number])
            del shelf.rows[at : at + number]

    for when, makes, at, number in data.draw(st.lists(deeds, max_size=6)):
        shelf.hooks.append(once(lambda m=makes, a=at, n=number: deed(m, a, n), when))
    answer = read(shelf, way, most=2)
    found = answer.column("id")
    assert len(found) == len(set(found))
    assert stable <= set(found) <= ever
    assert answer.reasons == []


# -- services that do not page as they should --------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_a_service_that_knows_no_pages(way: str) -> None:
    shelf = Shelf(rows(*range(10)))
    shelf.ignores = {"limit", "marker", "offset"}
    answer = read(shelf, way)
    assert (answer.column("size"), answer.reasons) == (list(range(10)), [])


@pytest.mark.parametrize("way", ["marker", "walk"])
def test_the_same_page_once(way: str) -> None:
    shelf, count = Shelf(rows(*range(10))), iter(range(100))

    def serve(path: str, params: Mapping[str, Any], version: str | None) -> Json:
        if next(count) == 2:
            return shelf.last
        return shelf(path, params, version)

    cloud = MemoryCloud({"shelf": serve}, most=1)
    answer = ask(cloud, way).run([cloud])
    assert (answer.column("size"), answer.reasons) == (list(range(10)), [])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("at_most", [3, 2], ids=["full", "short"])
def test_the_same_page_for_ever(way: str, at_most: int) -> None:
    shelf = Shelf(rows(*range(10)), at_most=at_most)
    shelf.ignores = {"marker", "offset"}
    answer = read(shelf, way)
    assert answer.column("size") == list(range(at_most))
    assert answer.reasons == [("things of memory", STUCK)]


def test_the_same_detailed_page_for_ever() -> None:
    shelf = Shelf(rows(*range(10)))

    def serve(path: str, params: Mapping[str, Any], version: str | None) -> Json:
        heeded = {"limit": params["limit"]} if path == "/things" else params
        return shelf(path, heeded, version)

    cloud = MemoryCloud({"shelf": serve})
    answer = ask(cloud, "walk").run([cloud])
    assert (answer.column("size"), answer.reasons) == ([0, 1, 2], [("things of memory", STUCK)])


def test_a_row_without_its_id_is_no_answer() -> None:
    """It would pass for another one that has none, and one of them would be missing."""
    cloud = MemoryCloud({"shelf": lambda *_: {"things": [{"size": 1}, {"size": 2}]}})
    with pytest.raises(CloudError, match="a row is without its id"):
        ask(cloud).run([cloud])


def test_a_marker_that_is_never_known() -> None:
    shelf = Shelf(rows(*range(10)))

    def serve(path: str, params: Mapping[str, Any], version: str | None) -> Json:
        if "marker" in params:
            raise refused(400, "marker not found")
        return shelf(path, params, version)

    cloud = MemoryCloud({"shelf": serve})
    with pytest.raises(CloudError, match="marker not found"):
        ask(cloud).run([cloud])
    assert len(cloud.requests) < 100


def test_a_microversion_is_refused_once() -> None:
    shelf, versions = Shelf(rows(*range(10))), list[str | None]()

    def serve(path: str, params: Mapping[str, Any], version: str | None) -> Json:
        versions.append(version)
        if version == "2.69":
            raise refused(406)
        return shelf(path, params, version)

    cloud = MemoryCloud({"shelf": serve})
    question = ask(cloud, microversion="2.47", better="2.69")
    for _ in range(2):
        assert question.run([cloud]).column("size") == list(range(10))
    assert versions == ["2.69"] + 8 * ["2.47"]

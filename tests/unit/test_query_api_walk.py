"""Reading a slow listing from both its ends: in its order, whichever end is quicker or fails."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

import pytest

from common.errors import CloudError
from query_api.execution.answer import Answer
from query_api.execution.query import Query, Stage
from query_api.language.schema import Listing, Resource, exact
from query_api.resources.properties import integer, text
from query_api.wire import paging
from support.memory_cloud import Json, MemoryCloud, Shelf, refused

STUCK = "the service answered with the same page again: rows after it are missing"
LISTING = Listing(
    service="shelf",
    path="/things",
    collection="things",
    paging="links",
    page=3,
    brief="/things/brief",
    backwards={"sort_dir": "asc"},
)
THING = Resource(
    name="thing",
    plural="things",
    about="A thing.",
    listings=(LISTING,),
    properties=(text("id", "Its id.", filters=exact("id")), integer("size", "How large it is.")),
    default=("id", "size"),
)
# Called with what is asked, and whether that is a brief page, and one of the way back.
Meanwhile = Callable[[Mapping[str, Any], bool, bool], None]


@pytest.fixture(autouse=True)
def first_page_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "_SLOW", -1.0)


def rows(*numbers: int) -> list[Json]:
    return [{"id": f"t{number}", "size": number} for number in numbers]


def cloud_of(shelf: Shelf, meanwhile: Meanwhile, **more: Any) -> MemoryCloud:
    def serve(path: str, params: Mapping[str, Any], version: str | None) -> Json:
        meanwhile(params, path.endswith("/brief"), "sort_dir" in params)
        return shelf(path, params, version)

    return MemoryCloud({"shelf": serve}, **more)


def read(cloud: MemoryCloud, *, limit: int | None = None) -> Answer:
    question = Query((Stage(THING),))
    if limit is not None:
        question = question.where("size", "greater_than", -1).limit(limit)
    return question.run([cloud])


def brief(cloud: MemoryCloud, *, back: bool) -> int:
    """Return how many brief pages were asked for on one way, without the look at the end."""
    asked = [params for _, path, params, _ in cloud.requests if path.endswith("/brief")]
    return sum(("sort_dir" in one) == back and one["limit"] == 3 for one in asked)


def detailed(cloud: MemoryCloud) -> int:
    return sum(not path.endswith("/brief") for _, path, _, _ in cloud.requests)


# -- which end is quicker does not show --------------------------------------------------------


@pytest.mark.parametrize("number", [7, 8, 9, 10, 30, 31])
@pytest.mark.parametrize("waits", ["onwards", "back", "in turn"])
def test_the_order_is_that_of_the_listing(number: int, waits: str) -> None:
    there, ways_met = threading.Event(), threading.Event()
    turns = {False: threading.Semaphore(1), True: threading.Semaphore(0)}

    def meanwhile(params: Mapping[str, Any], is_brief: bool, back: bool) -> None:
        if not is_brief or params["limit"] == 1:
            return
        if waits == "in turn":
            turns[back].acquire(timeout=0.2)
            turns[not back].release()
        elif back == (waits == "back"):
            # The first brief page comes, which begins the way back; the others wait long enough.
            if there.is_set() or back:
                ways_met.wait(0.2)
            there.set()

    cloud = cloud_of(Shelf(rows(*range(number))), meanwhile, most=3)
    answer = read(cloud)
    assert (answer.column("size"), answer.reasons) == (list(range(number)), [])
    # No more pages than there are, but for those that both ways asked for before they met.
    pages = number // 3 + 1
    assert brief(cloud, back=False) + brief(cloud, back=True) <= pages + 2
    assert detailed(cloud) <= pages + 2


def test_both_ends_do_their_part() -> None:
    both = threading.Barrier(2, timeout=5)
    counts = {False: count(), True: count()}

    def meanwhile(params: Mapping[str, Any], is_brief: bool, back: bool) -> None:
        if is_brief and params["limit"] == 3:
            at = next(counts[back])
            if at in ((0, 1) if back else (1, 2)):
                both.wait()  # the second page onwards with the first one back, and so on

    cloud = cloud_of(Shelf(rows(*range(60))), meanwhile, most=8)
    assert read(cloud).column("size") == list(range(60))
    assert brief(cloud, back=True) >= 2
    assert cloud.together["shelf"] <= 8


@pytest.mark.parametrize("number", [4, 5])
def test_a_listing_of_two_pages_is_not_looked_at_from_its_end(number: int) -> None:
    cloud = MemoryCloud({"shelf": Shelf(rows(*range(number)))})
    assert read(cloud).column("size") == list(range(number))
    assert brief(cloud, back=True) == 0


def test_who_wants_a_few_gets_them_from_the_beginning() -> None:
    cloud = MemoryCloud({"shelf": Shelf(rows(*range(30)))})
    assert read(cloud, limit=5).column("size") == [0, 1, 2, 3, 4]
    assert brief(cloud, back=True) == 0


def test_rows_added_on_the_way_back_stand_in_their_order() -> None:
    shelf = Shelf(rows(*range(20)))
    added, all_back = threading.Event(), threading.Event()

    def meanwhile(params: Mapping[str, Any], is_brief: bool, back: bool) -> None:
        marker = params.get("marker")
        if back and not is_brief and marker == "t17" and not added.is_set():
            shelf.rows[17:17] = rows(100, 101, 102, 103)
            added.set()
        if back and is_brief and marker == "t8":
            all_back.set()
        elif not back and is_brief and marker == "t5":
            assert all_back.wait(5)
            assert added.wait(5)

    answer = read(cloud_of(shelf, meanwhile))
    assert answer.column("size") == [*range(17), 100, 101, 102, 103, 17, 18, 19]


# -- where the listing does not turn round -----------------------------------------------------


def test_a_service_that_does_not_sort() -> None:
    shelf = Shelf(rows(*range(20)))
    shelf.ignores = {"sort_dir"}
    cloud = MemoryCloud({"shelf": shelf})
    answer = read(cloud)
    assert (answer.column("size"), answer.reasons) == (list(range(20)), [])
    assert brief(cloud, back=True) == 1


@pytest.mark.parametrize("status", [400, 403, 404])
def test_a_service_that_refuses_to_sort(status: int) -> None:
    def meanwhile(params: Mapping[str, Any], is_brief: bool, back: bool) -> None:
        if back:
            raise refused(status)

    answer = read(cloud_of(Shelf(rows(*range(20))), meanwhile))
    assert (answer.column("size"), answer.reasons) == (list(range(20)), [])


class Building(Shelf):
    """A shelf that shows its first rows first in either order, as Nova does what it builds."""

    def __init__(self, rows: list[Json], first: int) -> None:
        super().__init__(rows)
        self.first = first

    def __call__(self, path: str, params: Mapping[str, Any], microversion: str | None) -> Json:
        if "sort_dir" not in params:
            return super().__call__(path, params, microversion)
        building, others = self.rows[: self.first], self.rows[self.first :]
        turned = Shelf(building[::-1] + others[::-1])
        return turned(path, {k: v for k, v in params.items() if k != "sort_dir"}, microversion)


@pytest.mark.parametrize("first", [0, 1, 2, 3, 4, 6, 7, 20])
def test_what_is_being_built_comes_first_in_either_order(first: int) -> None:
    for number in (20, 21):
        answer = read(MemoryCloud({"shelf": Building(rows(*range(number)), first)}, most=2))
        assert (answer.column("size"), answer.reasons) == (list(range(number)), []), number


def test_what_is_being_built_does_not_hinder_the_way_back() -> None:
    back_again = threading.Event()

    def meanwhile(params: Mapping[str, Any], is_brief: bool, back: bool) -> None:
        if back and is_brief and "marker" in params:
            back_again.set()
        elif is_brief and params.get("marker") == "t5":
            assert back_again.wait(5)

    cloud = cloud_of(Building(rows(*range(20)), 2), meanwhile)
    assert read(cloud).column("size") == list(range(20))


@pytest.mark.parametrize("at", range(1, 12))
def test_what_is_built_while_it_is_read(at: int) -> None:
    shelf = Building(rows(*range(20)), 1)
    requests = count(1)

    def build() -> None:
        if next(requests) == at:
            shelf.rows[1:1] = rows(100, 101, 102)
            shelf.first += 3

    shelf.hooks.append(build)
    answer = read(MemoryCloud({"shelf": shelf}, most=2))
    assert [size for size in answer.column("size") if size < 100] == list(range(20))
    assert answer.reasons == []


# -- where a way does not come to its end ------------------------------------------------------


@pytest.mark.parametrize("back", [False, True], ids=["onwards", "back"])
@pytest.mark.parametrize("is_brief", [False, True], ids=["detailed", "brief"])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_an_error_on_either_way_ends_both(back: bool, is_brief: bool, at: int) -> None:
    failed = threading.Event()
    counts = count(1)

    def meanwhile(params: Mapping[str, Any], brief_page: bool, is_back: bool) -> None:
        if (is_back, brief_page) == (back, is_brief) and params["limit"] == 3:
            if next(counts) > at:
                failed.set()
                raise refused(500, "down")
        elif is_back != back and "marker" in params and params["limit"] == 3:
            failed.wait(0.02)  # slow, so that they do not meet before it fails

    cloud = cloud_of(Shelf(rows(*range(600))), meanwhile)
    with pytest.raises(CloudError, match="down"):
        read(cloud)
    assert len(cloud.requests) < 300


def test_the_other_way_comes_to_where_one_is_stuck() -> None:
    shelf = Shelf(rows(*range(20)))
    way_back = threading.Event()

    def serve(path: str, params: Mapping[str, Any], version: str | None) -> Json:
        if path.endswith("/brief") and "sort_dir" not in params and params["limit"] == 3:
            if params["marker"] == "t5":
                assert way_back.wait(5)
                return shelf(path, {**params, "marker": "t2"}, version)
        elif "sort_dir" in params:
            way_back.set()
        return shelf(path, params, version)

    answer = read(MemoryCloud({"shelf": serve}))
    assert (answer.column("size"), answer.reasons) == (list(range(20)), [])


def test_both_ways_are_stuck() -> None:
    shelf = Shelf(rows(*range(20)))

    def serve(path: str, params: Mapping[str, Any], version: str | None) -> Json:
        instead = {"t5": "t2", "t14": "t17"}.get(params.get("marker", ""))
        if path.endswith("/brief") and instead is not None:
            params = {**params, "marker": instead}
        return shelf(path, params, version)

    answer = read(MemoryCloud({"shelf": serve}))
    assert answer.column("size") == [*range(6), *range(14, 20)]
    assert answer.reasons == [("things of memory", STUCK)]

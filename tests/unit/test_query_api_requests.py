"""How many requests a query sends, to whom, and how many at once."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import unquote

import pytest

from common.errors import CloudError, UserError
from query_api.execution.query import Query, Stage, query
from query_api.language.conditions import any_of, test
from query_api.language.schema import Listing, Paging, Resource, exact
from query_api.resources.properties import integer, text
from query_api.wire import paging
from support.memory_cloud import Json, MemoryCloud, Shelf, refused

WAYS = ["marker", "offset", "walk"]


def thing(way: str = "marker", **more: Any) -> Query:
    how: Paging = "offset" if way == "offset" else "links"
    brief = "/things/brief" if way == "walk" else ""
    of = Listing(
        service="shelf", path="/things", collection="things", paging=how, page=5, brief=brief
    )
    properties = (
        text("id", "Its id.", filters=exact("id", many="comma")),
        text("owner", "Whose it is.", filters=exact("owner")),
        integer("size", "How large it is."),
    )
    how_else: Json = {"listings": (of,), "properties": properties, "default": ("id", "size")}
    return Query(
        (Stage(Resource(name="thing", plural="things", about="", **{**how_else, **more})),)
    )


def rows(number: int) -> list[Json]:
    return [{"id": f"t{n}", "size": n, "owner": f"o{n % 10}"} for n in range(number)]


def filtering(shelf: Shelf) -> Any:
    """Return the service that looks at the ids and owners that it is asked for, too."""

    def serve(path: str, params: Mapping[str, Any], version: str | None) -> Json:
        ids, owner = params.get("id"), params.get("owner")
        kept = [r for r in shelf.rows if ids is None or r["id"] in ids.split(",")]
        kept = [r for r in kept if owner is None or r["owner"] == owner]
        return Shelf(kept, at_most=shelf.at_most)(path, params, version)

    return serve


@pytest.mark.parametrize("way", ["marker", "walk"])
def test_no_more_at_once_than_the_cap(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "_SLOW", -1.0)
    shelf = Shelf(rows(40))

    def serve(path: str, params: Mapping[str, Any], version: str | None) -> Json:
        time.sleep(0.002)
        return shelf(path, params, version)

    cloud = MemoryCloud({"shelf": serve, "other": serve}, most=3)
    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(thing(way).run, [cloud]) for _ in range(4)]
        assert {len(answer.result().rows) for answer in answers} == {40}
    assert cloud.together == {"shelf": 3}


def test_no_more_at_once_than_the_cap_over_many_small_listings() -> None:
    def serve(path: str, params: Mapping[str, Any], version: str | None) -> Json:
        time.sleep(0.002)
        number = path.split("/")[-1]
        return {"things": [{"id": f"{number}-{n}", "size": n} for n in range(2)]}

    of = Listing(service="shelf", path="/of/{owner}", collection="things")
    owner = text("owner", "Whose.", asked=True)
    properties = (text("id", "Its id."), owner, integer("size", "How large."))
    question = thing(listings=(of,), properties=properties, needs={"owner": None})
    cloud = MemoryCloud({"shelf": serve}, most=3)
    answer = question.where("owner", "any_in", *map(str, range(30))).run([cloud])
    assert len(answer.rows) == 60
    assert (answer.sent, cloud.together) == (30, {"shelf": 3})


def test_a_failure_ends_what_is_not_begun() -> None:
    def serve(path: str, params: Mapping[str, Any], version: str | None) -> Json:
        time.sleep(0.001)
        raise refused(503)

    of = Listing(service="shelf", path="/of/{owner}", collection="things")
    properties = (text("id", "Its id."), text("owner", "Whose.", asked=True))
    question = thing(listings=(of,), properties=properties, needs={"owner": None}, default=("id",))
    cloud = MemoryCloud({"shelf": serve}, most=2)
    with pytest.raises(CloudError, match="503"):
        question.where("owner", "any_in", *map(str, range(500))).run([cloud])
    assert len(cloud.requests) < 50


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("limit", "requests"), [(1, 1), (4, 1), (5, 1), (6, 2)])
def test_a_limit_ends_it(way: str, limit: int, requests: int) -> None:
    cloud = MemoryCloud({"shelf": Shelf(rows(1000))}, most=1)
    answer = thing(way).limit(limit).run([cloud])
    assert (answer.column("size"), answer.sent) == (list(range(limit)), requests)
    assert cloud.asked("shelf")[0]["limit"] == min(limit + 1, 5), "no more than is wanted"


def test_a_limit_ends_a_slow_listing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "_SLOW", -1.0)
    cloud = MemoryCloud({"shelf": Shelf(rows(5000))}, most=4)
    answer = thing("walk").limit(9).run([cloud])
    assert answer.column("size") == list(range(9))
    assert answer.sent < 500, "not all thousand pages"


def test_a_limit_counts_rows_that_pass() -> None:
    cloud = MemoryCloud({"shelf": Shelf(rows(100))})
    answer = thing().where("size", "greater_than", 7).limit(3).run([cloud])
    assert (answer.column("size"), answer.sent) == ([8, 9, 10], 3)


def test_a_limit_counts_rows_once() -> None:
    shelf = Shelf(rows(12))
    shelf.hooks += [lambda: shelf.rows.insert(0, {"id": f"n{len(shelf.rows)}", "size": -1})] * 2
    answer = thing("offset").limit(11).run([MemoryCloud({"shelf": shelf})])
    assert len(set(answer.column("id"))) == len(answer.rows) == 11


def test_a_limit_counts_what_is_distinct_and_the_first_of_what_is_sorted() -> None:
    shelf = Shelf([{"id": f"t{n}", "size": n, "owner": "ab"[n == 30]} for n in range(31)])
    cloud = MemoryCloud({"shelf": shelf})
    owners = thing().select("owner").distinct().limit(2).run([cloud])
    assert (owners.column("owner"), owners.found) == (["a", "b"], 2)
    assert thing().sort_by("-size").limit(1).run([cloud]).column("size") == [30]


@pytest.mark.parametrize("id", ["a/../../b", "a?b=c", "a#b"])
def test_no_value_leads_to_another_path(id: str) -> None:
    cloud = MemoryCloud({"compute": lambda *_: {"instanceActions": []}})
    query("server_action").where("server_id", "equal_to", id).run([cloud])
    path, *_ = {path for _, path, *_ in cloud.requests if path.startswith("/servers")}
    assert path.split("/")[1::2] == ["servers", "os-instance-actions"]
    assert unquote(path.split("/")[2]) == id


def test_a_limit_is_not_used_up_by_what_the_service_adds() -> None:
    deleted = [{"id": f"d{n}", "status": "DELETED", "updated": "2026-01-01T00:00:00Z"}
               for n in range(30)]  # fmt: skip
    live = [{**row, "id": f"s{n}", "status": "ACTIVE"} for n, row in enumerate(deleted)]
    compute = Shelf([*deleted, *live], at_most=10, name="servers")
    question = query("server").where("updated_at", "younger_than", "2025-01-01").select("id")
    cloud = MemoryCloud({"compute": lambda p, *a: compute(p, *a) if p != "/os-services" else {}})
    answer = question.limit(3).run([cloud])
    assert answer.column("id") == ["s0", "s1", "s2"]


# -- many values -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("there", "wanted", "requests"),
    [(200, 1, 1), (200, 100, 21), (200, 150, 32), (200, 200, 42), (4, 200, 2)],
)
def test_many_ids_are_asked_for_in_batches_or_as_one_list(
    there: int, wanted: int, requests: int
) -> None:
    shelf = Shelf(rows(there))
    cloud = MemoryCloud({"shelf": filtering(shelf)})
    ids = [f"t{n}" for n in range(wanted)]
    answer = thing().where("id", "any_in", *ids).run([cloud])
    assert sorted(answer.column("id")) == sorted(ids[:there])
    assert answer.sent <= requests, "as many as there are pages of what is wanted, and two"


@pytest.mark.parametrize("way", WAYS)
def test_few_owners_or_the_whole_list(way: str) -> None:
    cloud = MemoryCloud({"shelf": filtering(Shelf(rows(60)))})
    owners = [f"o{n}" for n in range(4)]
    answer = thing(way).where("owner", "any_in", *owners).run([cloud])
    assert sorted(answer.column("size")) == [n for n in range(60) if n % 10 < 4]
    assert answer.complete


def test_what_nothing_can_pass_is_not_asked() -> None:
    cloud = MemoryCloud({"shelf": Shelf(rows(60))})
    answer = thing().where("owner", "any_in").run([cloud])
    assert (answer.rows, answer.sent, answer.complete) == ([], 0, True)


# -- joins -------------------------------------------------------------------------------------


def estate(servers: int, users: int) -> dict[str, Any]:
    people = Shelf(
        [{"id": f"u{n}", "name": f"user {n}", "domain_id": "d"} for n in range(users)],
        name="users",
    )
    machines = [
        {"id": f"s{n}", "name": "x", "user_id": f"u{n % users}", "OS-EXT-SRV-ATTR:host": "h"}
        for n in range(servers)
    ]
    compute = Shelf(machines, name="servers")

    def nova(path: str, params: Mapping[str, Any], version: str | None) -> Json:
        return {"services": []} if path == "/os-services" else compute(path, params, version)

    def keystone(path: str, params: Mapping[str, Any], version: str | None) -> Json:
        if path == "/domains":
            return {"domains": [{"id": "d", "name": "D"}]}
        return people(path, params, version)

    return {"compute": nova, "identity": keystone}


def test_a_join_sends_no_request_a_row() -> None:
    cloud = MemoryCloud(estate(3000, 500))
    answer = query("server").select("id", "user.name").run([cloud])
    assert answer.dicts()[1234] == {"id": "s1234", "user.name": "user 234"}
    assert answer.complete
    assert answer.requests["memory"] == {"compute": 3 + 1 + 1, "identity": 1}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (refused(403, "policy"), "403: policy"),
        (refused(503, "down"), "503: down"),
        (CloudError("its catalogue has no identity."), "its catalogue has no identity."),
    ],
    ids=["forbidden", "down", "missing"],
)
def test_a_join_with_a_service_that_does_not_answer(error: CloudError, reason: str) -> None:
    services = estate(20, 5)

    def keystone(*_: Any) -> Json:
        raise error

    cloud = MemoryCloud({**services, "identity": keystone})
    answer = query("server").select("id", "user.name").run([cloud])
    assert (len(answer.rows), set(answer.column("user.name"))) == (20, {None})
    ((what, why),) = answer.reasons
    assert what == "user of servers"
    assert reason in why


# -- clouds ------------------------------------------------------------------------------------


def failing(error: Exception) -> Any:
    def serve(*_: Any) -> Json:
        raise error

    return serve


@pytest.mark.parametrize(
    "error", [refused(403, "policy"), refused(404), UserError("The credentials are not accepted.")]
)
def test_one_cloud_of_two_does_not_answer(error: Exception) -> None:
    up = MemoryCloud({"shelf": Shelf(rows(3))}, name="up")
    down = MemoryCloud({"shelf": failing(error)}, name="down")
    answer = thing().sort_by("size").run([down, up])
    assert answer.column("cloud") == ["up"] * 3
    assert answer.reasons == [("cloud down", str(error))]
    with pytest.raises(type(error)) as told:
        thing().run([down])
    assert str(told.value) == str(error)


def test_no_cloud_answers() -> None:
    clouds = [MemoryCloud({"shelf": failing(refused(503, n))}, name=n) for n in ("a", "b")]
    with pytest.raises(CloudError) as told:
        thing().run(clouds)
    assert "503: a." in str(told.value)
    assert "503: b." in str(told.value)


def test_a_question_that_needs_two_services_says_what_it_lacks() -> None:
    """A condition on what is joined cannot be judged without it: nothing passes, and it is said."""
    cloud = MemoryCloud({**estate(20, 5), "identity": failing(refused(503, "down"))})
    either = any_of(test("user.name", "equal_to", "user 1"), test("id", "equal_to", "s7"))
    with pytest.raises(CloudError, match=r"user of servers, which they go by, .*503: down"):
        query("server").where(either).select("id").run([cloud])

"""What could not be read is missing where it is merely shown, and decides nothing anywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from common.errors import CloudError
from engine.dispatch import dispatch
from query_api.execution.query import Query, query
from query_api.language.conditions import Condition, any_of, not_, test
from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Hypervisor, Server
from support.memory_cloud import MemoryCloud, refused
from support.oracle_rows import World
from support.synthetic import registered
from support.synthetic_cloud import SyntheticCloud

WORLD: World = {
    "thing": [
        {"id": "t0", "name": "a", "owner_id": "o0", "uses": 3},
        {"id": "t1", "name": "b", "owner_id": "o1", "uses": 1},
        {"id": "t2", "name": "c"},
    ],
    "owner": [
        {"id": "o0", "name": "ann", "age": 30, "boss_id": "o1"},
        {"id": "o1", "name": "bob", "age": 40},
    ],
    "part": [{"id": "p0", "thing_id": "t0", "size": 1}],
    "pool": [],
    "event": [],
}


class Refusing(SyntheticCloud):
    """A cloud that refuses some of what it is asked: ``refuses`` are paths, or one with an id."""

    def __init__(self, *refuses: str, name: str = "sore", status: int = 403) -> None:
        super().__init__(name, WORLD)
        self.refuses, self.status = refuses, status

    def serve(self, path: str, params: Mapping[str, Any], microversion: str | None) -> Any:
        words = f"{path} {params}"
        if any(all(word in words for word in one.split()) for one in self.refuses):
            raise refused(self.status)
        return super().serve(path, params, microversion)


@pytest.fixture(autouse=True, scope="module")
def _synthetic() -> Iterator[None]:
    with registered():
        yield


def refusal(asked: Query, *refuses: str, status: int = 403) -> str:
    """Return why there is no answer. Beside a cloud that gives all, there are just its rows."""
    sore, sound = Refusing(*refuses, status=status), SyntheticCloud("sound", WORLD)
    with pytest.raises(CloudError) as error:
        asked.run([sore])
    assert error.value.status == status
    both = asked.run([sore, sound])
    alone = asked.run([sound])
    at = [column.name for column in both.columns].index(alone.columns[0].name)
    assert [row[at:] for row in both.rows] == alone.rows
    assert both.reasons == [("cloud sore", str(error.value))]
    return str(error.value)


# -- conditions ----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [403, 404, 500])
@pytest.mark.parametrize(
    "condition",
    [
        test("owner.name", "is_null"),
        test("owner.name", "not_equal_to", "ann"),
        test("owner.name", "not_any_in", "ann", "zoe"),
        test("owner.name", "not_matches_regex", "^a"),
        not_(test("owner.name", "equal_to", "ann")),
        any_of(test("name", "equal_to", "b"), test("owner.age", "is_null")),
        test("owner.boss.name", "is_null"),
        test("owner.things.name", "is_null"),
        # Nobody is wrong here, but nobody can say either that these are all.
        test("owner.name", "equal_to", "ann"),
    ],
)
def test_no_row_passes_a_test_of_what_could_not_be_read(condition: Condition, status: int) -> None:
    said = refusal(query("thing").where(condition).select("name"), "/owners", status=status)
    assert said.startswith("No rows, because owner of things, which they go by, could not be read:")
    assert f"{status}" in said


def test_nor_one_of_what_lies_behind_a_link_that_could_be_read() -> None:
    asked = query("thing").where("owner.boss.name", "is_null").select("name")
    asked = asked.where("owner_id", "equal_to", "o0")
    assert "boss of owners" in refusal(asked, "/owners o1")
    # What else is known of the owner is as good as it was.
    asked = query("thing").where("owner.name", "equal_to", "ann").select("owner.boss.name")
    asked = asked.where("owner_id", "equal_to", "o0")
    found = asked.run([Refusing("/owners o1")])
    assert (found.rows, found.complete) == ([(None,)], False)
    asked = asked.where("owner.age", "not_equal_to", 40)
    assert asked.run([Refusing("/owners o1")]).rows == [(None,)]


def test_nor_one_of_what_a_source_says() -> None:
    asked = query("thing").select("name")
    assert "usage of things" in refusal(asked.where("uses", "is_null"), "/usage")
    assert "usage of things" in refusal(asked.where("uses", "not_equal_to", 3), "/usage")


def test_what_need_not_be_read_is_not_missed() -> None:
    sore: Any = Refusing("/owners")
    asked = query("thing").where("owner.name", "is_null").select("name")
    assert asked.where("name", "equal_to", "c").run([sore]).rows == [("c",)]
    assert asked.where("name", "equal_to", "zz").run([sore]).rows == []


# -- what else an answer goes by -------------------------------------------------------------------


@pytest.mark.parametrize(
    "asked",
    [
        lambda: query("thing").group_by("owner.name").select("name"),
        lambda: query("thing").group_by("owner.name").count(),
        lambda: query("thing").aggregate("count", "owner.name"),
        lambda: query("thing").aggregate("sum", "owner.age"),
        lambda: query("thing").aggregate("min", "owner.name"),
        lambda: query("thing").sort_by("-owner.age").limit(1).select("name"),
        lambda: query("thing").select("owner.name").distinct(),
        lambda: query("thing").group_by("uses").count(),
        lambda: query("part").then("thing").group_by("owner.name").count(),
    ],
)
def test_nothing_goes_by_what_could_not_be_read(asked: Callable[[], Query]) -> None:
    assert "which they go by" in refusal(asked(), "/owners", "/usage")


@pytest.mark.parametrize(
    "asked",
    [
        lambda: query("thing").select("name", "owner.name", "uses"),
        lambda: query("thing").select("name", "owner.boss.name").limit(9),
        # All of them are there, in whichever order.
        lambda: query("thing").select("name").sort_by("owner.name"),
    ],
)
def test_what_is_merely_shown_is_missing_and_said_to_be(asked: Callable[[], Query]) -> None:
    found = asked().run([Refusing("/owners", "/usage")])
    assert sorted(found.column("name")) == ["a", "b", "c"]
    assert not any(any(row[1:]) for row in found.rows)
    assert ("owner of things", "Cloud memory: 403: no.") in found.reasons


# -- read, but not whole ---------------------------------------------------------------------------


def no_cells(path: str, params: Mapping[str, Any], version: str | None) -> dict[str, Any]:
    """A Nova of which a part does not answer: one server is there without its details."""
    if path == "/os-services":
        return {"services": [{"host": "cmp-1", "status": "UNKNOWN"}]}
    return {"servers": [{"id": "s1", "name": "web", "status": "ACTIVE"}]}


def volumes(path: str, params: Mapping[str, Any], version: str | None) -> dict[str, Any]:
    attached = [{"server_id": "s1"}], [{"server_id": "s2"}], []
    rows = [{"id": f"v{n}", "attachments": one} for n, one in enumerate(attached)]
    return {"services": []} if path == "/os-services" else {"volumes": rows}


def test_nor_does_a_row_pass_because_of_what_was_left_out() -> None:
    cloud = MemoryCloud({"compute": no_cells, "block-storage": volumes})
    asked = query("volume").select("id")
    with pytest.raises(CloudError, match=r"could not be read whole: .*a part of the service"):
        asked.where("servers.name", "is_null").run([cloud])
    with pytest.raises(CloudError, match="could not be read whole"):
        asked.where(not_(test("servers.name", "equal_to", "web"))).run([cloud])
    # What is there is there: such an answer is short, and no more.
    found = asked.where("servers.name", "equal_to", "web").run([cloud])
    assert (found.rows, found.complete) == ([("v0",)], False)


# -- as it is asked ------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.parametrize("status", [403, 404, 500])
def test_servers_whose_owners_could_not_be_read_do_not_seem_to_have_none(status: int) -> None:
    with FakeCloud([Hypervisor("cmp-1")], [Server("a", "cmp-1"), Server("b", "cmp-1")]) as fake:
        fake.fail("GET /identity/v3/users", status, times=100)
        asked = {"where": "user.name is null", "allow_partial": True}
        kind, result = dispatch("server.search", asked, fake.config())
    assert (kind, result["rows"]) == ("failed", [])
    assert "user of servers, which they go by, could not be read" in result["summary"]

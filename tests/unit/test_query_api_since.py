"""Since when servers have been off or broken, and what is counted over links: values and costs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

import pytest

from common.errors import CloudError, UserError
from query_api.execution.query import Query, query
from query_api.language.completeness import implied
from query_api.language.conditions import Condition, all_of, any_of, not_, test
from query_api.resources import resource
from query_api.resources.since import error_since, off_since
from query_api.wire.objects import Action
from support.memory_cloud import Json, MemoryCloud, refused

NOW = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
ADMIN = {"OS-EXT-SRV-ATTR:host": "cmp-1"}


def history(text: str) -> list[Action]:
    """Return actions, the newest first, a day older each; an exclamation mark says it failed."""
    found = []
    for age, word in enumerate(text.split(), 1):
        message = "Error" if word.endswith("!") else None
        at = f"2026-02-{28 - age:02}T00:00:00.000000"
        found.append(Action(word.rstrip("!"), at, message))
    return found


def at(age: int | None) -> str | None:
    return age and f"2026-02-{28 - age:02}T00:00:00Z"


@pytest.mark.parametrize(
    ("said", "age"),
    [
        ("stop start create", 1),
        ("lock createImage attach_volume stop create", 4),
        ("start! stop create", 2),
        ("stop! stop create", 2),
        # A stopped server is moved, resized and rebuilt without being started.
        ("migrate stop create", 2),
        ("confirmResize resize rebuild stop create", 4),
        ("evacuate create", 1),
        ("evacuate stop create", 2),
        ("evacuate evacuate reboot create", 2),
        ("reboot stop create", None),
        ("create", None),
        ("", None),
    ],
)
def test_since_when_a_server_is_off(said: str, age: int | None) -> None:
    assert off_since(history(said)) == at(age)


@pytest.mark.parametrize(
    ("said", "age"),
    [
        ("create!", 1),
        ("reboot! reboot! resize! stop create", 3),
        ("lock rebuild! create", 2),
        # What fails and leaves a server as it was is not why it is broken.
        ("attach_volume! resize! live-migration! create", 2),
        ("live-migration! create", None),
        ("resetState create", 1),
        ("reboot! resetState reboot create", 1),
        ("reboot create!", None),
        ("", None),
    ],
)
def test_since_when_a_server_is_broken(said: str, age: int | None) -> None:
    assert error_since(history(said)) == at(age)


# -- what it costs -------------------------------------------------------------------------------

SERVERS = (
    ("old", "SHUTOFF", "stop create", "p1"),
    ("new", "SHUTOFF", "stop start create", "p2"),
    ("strange", "SHUTOFF", "create", "p2"),
    ("broken", "ERROR", "create!", "p1"),
    ("fine", "ACTIVE", "create", "p1"),
)
AGES = {"old": 20, "new": 2, "strange": 9, "broken": 15, "fine": 3}


class Nova:
    """Lists servers by status, and what was done with each."""

    def __init__(self) -> None:
        self.gone: set[str] = set()

    def __call__(self, path: str, params: Mapping[str, Any], version: str | None) -> Json:
        if path == "/servers/detail":
            status = params.get("status")
            wanted = status if isinstance(status, list) else [status] if status else None
            rows = [
                {"id": name, "name": name, "status": state, "tenant_id": project, **ADMIN}
                for name, state, _, project in SERVERS
                if wanted is None or state in wanted
            ]
            return {"servers": rows}
        if path == "/os-services":
            return {"services": []}
        name = path.split("/")[2]
        assert path == f"/servers/{name}/os-instance-actions"
        if name in self.gone:
            raise refused(404)
        (said,) = (said for one, _, said, _ in SERVERS if one == name)
        rows = [
            {"action": one.action, "message": one.message, "instance_uuid": name}
            | {"start_time": f"2026-02-{28 - AGES[name]:02}T0{9 - number}:00:00.000000"}
            for number, one in enumerate(history(said))
        ]
        return {"instanceActions": rows}


@pytest.fixture
def nova() -> Nova:
    return Nova()


@pytest.fixture
def cloud(nova: Nova) -> MemoryCloud:
    def keystone(path: str, params: Mapping[str, Any], version: str | None) -> Json:
        return {"projects": [{"id": "p1", "name": "one"}, {"id": "p2", "name": "two"}]}

    return MemoryCloud({"compute": nova, "identity": keystone})


def asked(cloud: MemoryCloud) -> tuple[list[Any], list[str]]:
    """Return what servers were listed by, and whose actions were read."""
    listed = [params.get("status") for _, path, params, _ in cloud.requests if "detail" in path]
    read = [path.split("/")[2] for _, path, _, _ in cloud.requests if "actions" in path]
    return listed, sorted(read)


def names(question: Query, cloud: MemoryCloud) -> list[str]:
    return [row[0] for row in question.select("name").run([cloud], now=NOW).rows]


def test_who_asks_only_since_when_asks_only_what_is_off(cloud: MemoryCloud) -> None:
    assert names(query("server").where("off_since", "older_than", "7d"), cloud) == ["old"]
    assert asked(cloud) == (["SHUTOFF"], ["new", "old", "strange"])


def test_nothing_is_asked_of_what_other_conditions_leave_out(cloud: MemoryCloud) -> None:
    question = (
        query("server").where("off_since", "not_null").where("project.name", "equal_to", "two")
    )
    assert names(question, cloud) == ["new"]
    assert asked(cloud) == (["SHUTOFF"], ["new", "strange"])


def test_either_of_two_is_asked_of_both_kinds_once(cloud: MemoryCloud) -> None:
    either = any_of(test("off_since", "older_than", "7d"), test("error_since", "older_than", "7d"))
    assert names(query("server").where(either), cloud) == ["old", "broken"]
    assert asked(cloud) == ([["ERROR", "SHUTOFF"]], ["broken", "new", "old", "strange"])


def test_what_is_shown_is_asked_of_what_can_have_it(cloud: MemoryCloud) -> None:
    answer = query("server").select("name", "off_since", "error_since").run([cloud], now=NOW)
    assert answer.rows == [
        ("old", "2026-02-08T09:00:00Z", None),
        ("new", "2026-02-26T09:00:00Z", None),
        ("strange", None, None),
        ("broken", None, "2026-02-13T09:00:00Z"),
        ("fine", None, None),
    ]
    assert asked(cloud) == ([None], ["broken", "new", "old", "strange"])


def test_what_is_not_asked_for_costs_nothing(cloud: MemoryCloud) -> None:
    query("server").select_all().run([cloud], now=NOW)
    assert asked(cloud) == ([None], [])


def test_a_limit_bounds_it(cloud: MemoryCloud) -> None:
    query("server").select("name", "off_since").limit(1).run([cloud], now=NOW)
    assert asked(cloud)[1] == ["old"]


def test_one_that_is_gone_meanwhile_has_none(cloud: MemoryCloud, nova: Nova) -> None:
    nova.gone = {"old"}
    assert names(query("server").where("off_since", "older_than", "7d"), cloud) == []


def test_more_servers_than_anybody_wants_are_refused(
    cloud: MemoryCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("query_api.wire.narrowing.MOST_SINGLE", 2)
    with pytest.raises(UserError, match="this would take 3 requests"):
        names(query("server").where("off_since", "not_null"), cloud)


OFF, BROKEN = test("off_since", "not_null"), test("error_since", "older_than", "1d")
OTHER = test("name", "equal_to", "web")


@pytest.mark.parametrize(
    ("condition", "values"),
    [
        (OFF, [("SHUTOFF",)]),
        (all_of(OTHER, OFF), [("SHUTOFF",)]),
        (any_of(OFF, BROKEN), [("ERROR", "SHUTOFF")]),
        (all_of(OFF, BROKEN), [()]),
        (any_of(OFF, OTHER), []),
        (any_of(all_of(OTHER, OFF), OFF), [("SHUTOFF",)]),
        (not_(OFF), []),
        (test("off_since", "is_null"), []),
        (OTHER, []),
        (any_of(), []),
    ],
)
def test_what_a_condition_implies(condition: Condition, values: list[tuple[str, ...]]) -> None:
    assert [one.values for one in implied(condition, resource("server"))] == values


# -- what is counted over links ------------------------------------------------------------------


class Users:
    """Servers and volumes by image; a cell or a service of them may be away."""

    away = False

    def __call__(self, path: str, params: Mapping[str, Any], version: str | None) -> Json:
        if self.away:
            raise refused(503)
        if path == "/servers/detail":
            wanted = params.get("image")
            rows = [
                {"id": f"s{number}", "image": {"id": image}, "flavor": {"original_name": "m1"}}
                for number, image in enumerate(["i1", "i1", "i2"])
            ]
            found = [row for row in rows if wanted in (None, row["image"]["id"])]  # type: ignore[index]
            return {"servers": [{**row, **ADMIN} for row in found]}
        if path == "/flavors/detail":
            return {"flavors": [{"id": "1", "name": "m1"}, {"id": "2", "name": "m2"}]}
        return {"services": []}


@pytest.fixture
def users() -> Users:
    return Users()


@pytest.fixture
def library(users: Users) -> MemoryCloud:
    def glance(path: str, params: Mapping[str, Any], version: str | None) -> Json:
        if path != "/v2/images" or "os_hidden" in params:
            return {"images": []}
        return {"images": [{"id": f"i{number}"} for number in (1, 2, 3, 4)]}

    def cinder(path: str, params: Mapping[str, Any], version: str | None) -> Json:
        row = {"id": "v1", "volume_image_metadata": {"image_id": "i3"}}
        return {"volumes": [{**row, "os-vol-host-attr:host": "h"}], "services": []}

    return MemoryCloud({"compute": users, "image": glance, "block-storage": cinder})


def test_the_use_of_images(library: MemoryCloud) -> None:
    question = query("image").select("id", "server_count", "volume_count", "in_use")
    assert question.run([library]).rows == [
        ("i1", 2, 0, True),
        ("i2", 1, 0, True),
        ("i3", 0, 1, True),
        ("i4", 0, 0, False),
    ]


def test_the_use_of_flavors(library: MemoryCloud) -> None:
    unused = query("flavor").where("server_count", "equal_to", 0)
    assert unused.select("name").run([library]).rows == [("m2",)]


def test_counts_that_are_not_asked_for_cost_nothing(library: MemoryCloud) -> None:
    query("image").select_all().run([library])
    assert {service for service, *_ in library.requests} == {"image"}


def test_no_count_is_made_of_what_could_not_be_read(library: MemoryCloud, users: Users) -> None:
    users.away = True
    answer = query("image").select("id", "server_count", "volume_count").run([library])
    assert answer.rows[0] == ("i1", None, 0)
    assert not answer.complete
    with pytest.raises(CloudError, match="which they go by"):
        query("image").where("server_count", "equal_to", 0).run([library])

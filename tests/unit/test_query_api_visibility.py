"""Whether a listing shows everything: said where it does not, or where nobody can know."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from query_api.execution.query import query
from query_api.wire import visibility
from support.memory_cloud import Json, MemoryCloud, Serve, Shelf, refused

NO_RIGHT = "the account has no right to see all of them"
HOST, PROVIDER, VOLUME = "OS-EXT-SRV-ATTR:host", "provider:network_type", "os-vol-host-attr:host"


def service(name: str, rows: list[Json], probe: str, said: Any) -> Serve:
    """Return a service that lists rows, and answers its probe with what it says."""
    shelf = Shelf(rows, name=name)

    def serve(path: str, params: Mapping[str, Any], version: str | None) -> Json:
        if path != probe:
            return shelf(path, params, version)
        if isinstance(said, Exception):
            raise said
        answer: Json = said
        return answer

    return serve


def probe_of(service: str) -> str:
    return visibility.PROBES[service].path


def asked(cloud: MemoryCloud, service: str) -> int:
    return sum(path == probe_of(service) for name, path, _, _ in cloud.requests if name == service)


CASES = [
    ("floating_ip", "network", "floatingips"),
    ("security_group", "network", "security_groups"),
    ("subnet", "network", "subnets"),
    ("router", "network", "routers"),
    ("image", "image", "images"),
    ("volume_snapshot", "block-storage", "snapshots"),
    ("volume_type", "block-storage", "volume_types"),
    ("flavor", "compute", "flavors"),
    ("server_group", "compute", "server_groups"),
]


@pytest.mark.parametrize("number", [0, 2])
@pytest.mark.parametrize(("resource", "name", "collection"), CASES)
def test_listings_without_a_proof(resource: str, name: str, collection: str, number: int) -> None:
    rows = [{"id": f"id{n}", "name": "x"} for n in range(number)]
    question = query(resource).select("id")

    def read(said: Any) -> tuple[MemoryCloud, list[tuple[str, str]]]:
        cloud = MemoryCloud({name: service(collection, rows, probe_of(name), said)})
        answer = question.run([cloud])
        assert len(answer.rows) == number
        question.run([cloud])
        assert asked(cloud, name) == 1, "once a cloud and service"
        return cloud, answer.reasons

    what = f"{question.resource.plural} of memory"
    assert read({})[1] == []
    assert read(refused(403))[1] == [(what, NO_RIGHT)]
    ((_, unknown),) = read(refused(503, "down"))[1]
    assert unknown == "whether these are all is not known: Cloud memory: 503: down."


PROVEN = [
    ("network", "network", "networks", PROVIDER),
    ("port", "network", "ports", "binding:host_id"),
    ("volume", "block-storage", "volumes", VOLUME),
]


@pytest.mark.parametrize(("resource", "name", "collection", "proof"), PROVEN)
def test_listings_with_a_proof(resource: str, name: str, collection: str, proof: str) -> None:
    def read(rows: list[Json], said: Any) -> tuple[int, list[tuple[str, str]]]:
        cloud = MemoryCloud({name: service(collection, rows, probe_of(name), said)})
        reasons = query(resource).select("id").run([cloud]).reasons
        return asked(cloud, name), reasons

    what, bare = f"{collection} of memory", [{"id": "a"}]
    assert read([{"id": "a", proof: None}], refused(403)) == (0, []), "no need to ask"
    assert read(bare, refused(403)) == (1, [(what, NO_RIGHT)])
    assert read([], refused(403)) == (1, [(what, NO_RIGHT)])
    assert read(bare, {}) == (1, []), "a plugin that does not have the key"
    assert read([], {}) == (1, [])


def test_few_owners_of_a_listing_that_was_cut() -> None:
    """Also where one request for the whole list takes the place of many."""
    rows = [{"id": f"id{n}", "project_id": f"p{n}"} for n in range(5)]
    cloud = MemoryCloud({"network": service("ports", rows, probe_of("network"), refused(403))})
    wanted = ("p0", "p1", "p2", "p3")
    answer = query("port").where("project_id", "any_in", *wanted).select("id").run([cloud])
    assert (len(answer.rows), answer.complete) == (4, False)


# -- cells -------------------------------------------------------------------------------------


def servers(number: int, *, bare: int = 0) -> list[Json]:
    whole = [{"id": f"s{n}", "status": "ACTIVE", "name": "x", HOST: "h"} for n in range(number)]
    return [*({"id": f"b{n}", "status": "UNKNOWN"} for n in range(bare)), *whole]


def hosts(**status: str) -> Json:
    return {"services": [{"host": host, "status": said} for host, said in status.items()]}


@pytest.mark.parametrize("number", [0, 3])
def test_a_cell_that_does_not_answer(number: int) -> None:
    said = hosts(cmp1="enabled", cmp3="UNKNOWN", cmp2="UNKNOWN", cmp4="disabled")
    cloud = MemoryCloud({"compute": service("servers", servers(number), "/os-services", said)})
    answer = query("server").select("id").run([cloud])
    reason = "a part of the service (a cell) does not answer: what is on cmp2, cmp3 is missing"
    assert (len(answer.rows), answer.reasons) == (number, [("servers of memory", reason)])
    assert [v for *_, path, _, v in cloud.requests if path == "/os-services"] == ["2.69"]


@pytest.mark.parametrize("whole", [0, 3])
def test_rows_of_a_cell_that_does_not_answer(whole: int) -> None:
    rows, said = servers(whole, bare=2), hosts(cmp1="enabled", cmp2="UNKNOWN")
    cloud = MemoryCloud({"compute": service("servers", rows, "/os-services", said)})
    answer = query("server").select("id", "status", "name").run([cloud])
    assert answer.rows[0] == ("b0", "UNKNOWN", None)
    assert not any(NO_RIGHT in why for _, why in answer.reasons)
    assert "(a cell) does not answer" in answer.reasons[0][1]
    assert ("2 came without their details" in str(answer.reasons)) == (whole > 0)


def test_a_nova_that_cannot_say_it() -> None:
    versions: list[str | None] = []

    def nova(path: str, params: Mapping[str, Any], version: str | None) -> Json:
        if path == "/os-services":
            versions.append(version)
            if version:
                raise refused(406)
            return hosts(cmp1="enabled")
        return {"servers": servers(2)}

    answer = query("server").select("id").run([MemoryCloud({"compute": nova})])
    assert (len(answer.rows), answer.reasons, versions) == (2, [], ["2.69", None])


def test_a_cell_can_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    said = hosts(cmp1="UNKNOWN")
    cloud = MemoryCloud({"compute": service("servers", servers(1), "/os-services", said)})
    question = query("server").select("id")
    assert not question.run([cloud]).complete
    said["services"].clear()
    now = time.monotonic()
    for later, complete in ((50.0, False), (70.0, True)):
        clock = SimpleNamespace(monotonic=lambda later=later: now + later)
        monkeypatch.setattr(visibility, "time", clock)
        assert question.run([cloud]).complete is complete


# -- Keystone ----------------------------------------------------------------------------------


def test_an_account_of_one_domain() -> None:
    cloud = MemoryCloud({"identity": Shelf([{"id": "p", "name": "x"}], name="projects")})
    assert query("project").run([cloud]).complete
    cloud = MemoryCloud({"identity": Shelf([{"id": "p", "name": "x"}], name="projects")})
    cloud.domain = "Accounting"
    answer = query("project").run([cloud])
    reason = "the account sees only what is in its domain, Accounting"
    assert answer.reasons == [("projects of memory", reason)]

"""The fake cloud is as strict as a real one, so that tests against it are worth something."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from accounts.cloud import Cloud
from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Hypervisor, Server
from support.fake_cloud_rows import Kind, Rows
from support.fake_cloud_runs import tracing_as
from support.fake_cloud_tables import Tables

VOLUMES = "/volume/v3/volume-types"


class FakeTypes:
    """A part with a kind of row whose names are unique."""

    def __init__(self, cloud: FakeCloud) -> None:
        cloud.part(Tables)
        self.types = Rows(
            cloud,
            Kind(
                VOLUMES, "volume_type", "volume_types",
                unique=("name",), given=lambda: {"public": True}, changes=True,
            ),
        )  # fmt: skip


@pytest.fixture
def fake() -> Iterator[FakeCloud]:
    with FakeCloud() as fake:
        fake.part(FakeTypes)
        yield fake


def sent(cloud: Cloud, method: str, path: str = "", body: Any = None) -> tuple[int, Any]:
    """Return the status and the body of an answer."""
    url = cloud.address("block-storage") + "/volume-types" + path
    with tracing_as(changes=True):
        answer = cloud.session.request(url, method, json=body, raise_exc=False)
    return answer.status_code, json.loads(answer.content) if answer.content else None


def named(name: str) -> dict[str, Any]:
    return {"volume_type": {"name": name}}


def test_a_name_that_is_unique_there_is_taken_once(fake: FakeCloud) -> None:
    cloud, types = fake.account(), fake.part(FakeTypes).types
    status, made = sent(cloud, "POST", body=named("ssd"))
    assert (status, made["volume_type"]["public"]) == (201, True)
    assert sent(cloud, "POST", body=named("ssd"))[0] == 409
    assert sent(cloud, "POST", body=named("hdd"))[0] == 201
    hdd = f"/{types[1]['id']}"
    assert sent(cloud, "PUT", hdd, named("ssd"))[0] == 409
    assert types[1]["name"] == "hdd", "what is refused changes nothing"
    assert sent(cloud, "PUT", hdd, named("tape")) == (200, {"volume_type": types[1]})
    with pytest.raises(ValueError, match="already"):
        types.make(name="tape")


def test_what_is_deleted_is_gone(fake: FakeCloud) -> None:
    cloud, made = fake.account(), fake.part(FakeTypes).types.make(name="ssd")
    assert sent(cloud, "GET", f"/{made['id']}") == (200, {"volume_type": made})
    assert sent(cloud, "DELETE", f"/{made['id']}") == (204, None)
    for method in ("GET", "DELETE", "PUT"):
        assert sent(cloud, method, f"/{made['id']}", named("x"))[0] == 404
    assert fake.part(FakeTypes).types == []


@pytest.mark.parametrize("page", [1, 2, 3, 4])
def test_listings_come_in_pages(fake: FakeCloud, page: int) -> None:
    cloud, types = fake.account(), fake.part(FakeTypes).types
    for name in ("a", "b", "c"):
        types.make(name=name)
    fake.page = page
    found, path = [], ""
    while True:
        _, answer = sent(cloud, "GET", path)
        assert len(answer["volume_types"]) <= page
        found += answer["volume_types"]
        if "volume_types_links" not in answer:
            break
        path = "?" + answer["volume_types_links"][0]["href"].partition("?")[2]
    assert found == types
    assert sent(cloud, "GET", "?marker=nobody")[0] == 400
    assert sent(cloud, "GET", "?name=b")[1]["volume_types"] == [types[1]]


@pytest.mark.long
def test_an_answer_takes_its_time_and_those_asked_together_the_same(fake: FakeCloud) -> None:
    cloud = fake.account()
    sent(cloud, "GET")
    fake.latency = 0.5
    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda turn: sent(cloud, "GET"), range(8)))
    assert 0.5 <= time.monotonic() - began < 2.5, "eight in turn take four seconds"


@pytest.mark.long
def test_an_action_without_a_task_leaves_a_server_as_it_is(fake: FakeCloud) -> None:
    server = Server("web-1", status="PAUSED")
    fake.hypervisors.append(Hypervisor("cmp-1"))
    fake.servers.append(server)
    cloud = fake.account()
    url = f"{cloud.address('compute')}/servers/{server.id}/action"

    def status(before: str) -> int:
        server.status = before
        with tracing_as(changes=True):
            body = {"trigger_crash_dump": None}
            answer = cloud.session.request(url, "POST", json=body, raise_exc=False)
        time.sleep(0.3)  # longer than a task takes
        fake.nova.power.advance()
        assert (server.status, server.task) == (before, None)
        return int(answer.status_code)

    assert [status("PAUSED"), status("VERIFY_RESIZE"), status("SHUTOFF")] == [202, 202, 409]
    recorded = fake.nova.power.records[server.id]
    assert [record["events"][0]["result"] for record in recorded] == ["Success", "Success"]


def test_a_part_is_made_once_and_only_if_it_is_asked_for() -> None:
    fake = FakeCloud()
    assert "block-storage" not in fake.services
    assert fake.part(Tables) is fake.part(Tables)
    assert "block-storage" in fake.services
    fake._http.server_close()

"""audit.drift: what differs between two clouds, and what each of them would have to do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from engine.dispatch import dispatch
from support.audit_cloud import AuditCloud

pytestmark = pytest.mark.usefixtures("no_back_off")

Json = dict[str, Any]
Pair = tuple[AuditCloud, AuditCloud]


@pytest.fixture
def pair() -> Iterator[Pair]:
    with AuditCloud() as one, AuditCloud() as other:
        yield one, other


def audit(pair: Pair, **parameters: Any) -> tuple[str, Json]:
    config = {"clouds": [pair[0].entry(name="east"), pair[1].entry(name="west")]}
    given = {"cloud_a": "east", "cloud_b": "west", **parameters}
    return dispatch("audit.drift", given, config)


def rows(pair: Pair, **parameters: Any) -> list[Json]:
    ended, result = audit(pair, **parameters)
    assert (ended, result["left"]) == ("done", []), result["summary"]
    found: list[Json] = result["rows"]
    return found


def flavor(name: str, **more: Any) -> Json:
    return {"id": f"id-{name}", "name": name, "vcpus": 1, "ram": 512, "disk": 0, "swap": "", **more}


def image(name: str, **more: Any) -> Json:
    known = {"id": f"id-{name}", "name": name, "visibility": "public", "checksum": "c"}
    return {**known, "status": "active", "created_at": "2026-01-01T00:00:00Z", **more}


def test_clouds_that_are_alike(pair: Pair) -> None:
    for number, cloud in enumerate(pair):
        # Ids, dates and what a service says of the place differ in any case.
        cloud.rows["flavor"] = [flavor("small", id=str(number), extra_specs={"a": "1"})]
        own = {"os_glance_importing_to_stores": str(number), "stores": str(number)}
        cloud.rows["image"] = [
            image("debian", id=f"i-{number}", owner=str(number), os_distro="debian", **own),
            image("mine", id=f"p-{number}", visibility="private", checksum=str(number)),
            image(
                "debian", id=f"o-{number}", created_at="2020-01-01T00:00:00Z", checksum=str(number)
            ),
        ]
        cloud.rows["aggregate"] = [
            {"id": number, "name": "ssd", "hosts": [f"cmp-{number}"], "metadata": {"ssd": "true"}}
        ]
    assert rows(pair) == []


def test_what_is_only_in_one(pair: Pair) -> None:
    pair[0].rows["flavor"] = [flavor("small")]
    pair[1].rows["flavor"] = [flavor("big")]
    pair[1].rows["aggregate"] = [{"id": 7, "name": "ssd", "hosts": [], "metadata": {}}]
    small, big, ssd = rows(pair)
    assert (small["cloud"], small["name"], small["why"]) == ("east", "small", "only in east")
    assert small["act"] == (
        "in west: openstack flavor create; or in east: openstack flavor delete id-small"
    )
    assert (big["cloud"], big["name"], big["why"]) == ("west", "big", "only in west")
    assert big["act"] == (
        "in west: openstack flavor delete id-big; or in east: openstack flavor create"
    )
    assert (ssd["kind"], ssd["id"], ssd["why"]) == ("aggregate", "7", "only in west")


@pytest.mark.long
def test_what_differs(pair: Pair) -> None:
    specs = [{"same": "1", "hw:cpu_policy": "dedicated"}, {"same": "1", "new": "2"}]
    for cloud, ram, spec in zip(pair, (512, 1024), specs, strict=True):
        cloud.rows["flavor"] = [flavor("sized", ram=ram), flavor("specs", extra_specs=spec)]
        cloud.rows["image"] = [image("debian", os_distro="debian", min_ram=ram)]
        cloud.rows["aggregate"] = [
            {
                "id": 1,
                "name": "ssd",
                "availability_zone": f"zone-{ram}",
                "metadata": {"a": str(ram)},
            }
        ]
    found = {row["name"]: row for row in rows(pair)}
    assert found["sized"]["why"] == "ram is 512 in east and 1024 in west"
    assert found["sized"]["differences"] == {"ram": [512, 1024]}
    assert found["sized"]["act"] == (
        "in west: openstack flavor delete id-sized and make it again, for this cannot be changed"
    )
    assert found["specs"]["why"] == (
        "extra_specs.hw:cpu_policy is dedicated in east and nothing in west, "
        "extra_specs.new is nothing in east and 2 in west"
    )
    assert found["specs"]["act"].startswith("in west: openstack flavor set id-specs")
    assert found["debian"]["differences"] == {"min_ram": [512, 1024]}
    assert found["ssd"]["differences"] == {
        "availability_zone": ["zone-512", "zone-1024"],
        "metadata.a": ["512", "1024"],
    }
    assert {row["cloud"] for row in found.values()} == {"west"}
    only = rows(pair, what=["aggregates", "images"])
    assert [row["kind"] for row in only] == ["image", "aggregate"]


def test_an_image_whose_data_differ(pair: Pair) -> None:
    pair[0].rows["image"], pair[1].rows["image"] = [image("a")], [image("a", checksum="d")]
    (row,) = rows(pair)
    assert "openstack image delete id-a and make it again" in row["act"]


def test_what_cannot_be_read_of_one_is_not_compared(pair: Pair) -> None:
    for cloud in pair:
        cloud.rows["flavor"] = [flavor(f"only-{cloud.origin}")]
    pair[0].rows["aggregate"] = [{"id": 7, "name": "ssd", "metadata": {}}]
    pair[1].fail("GET .*/flavors/detail", 503, times=99)
    ended, result = audit(pair)
    assert (ended, [row["name"] for row in result["rows"]]) == ("failed", ["ssd"])
    assert [left["what"] for left in result["left"]] == ["flavors of west"]
    assert audit(pair, allow_partial=True)[0] == "done"


def test_a_cloud_and_itself(pair: Pair) -> None:
    ended, result = audit(pair, cloud_b="east")
    assert (ended, pair[0].requests) == ("refused", [])
    assert "cannot differ from itself" in result["summary"]
    ended, result = audit(pair, what=["flavor"])
    assert (ended, pair[0].requests) == ("refused", [])
    assert "Did you mean flavors?" in result["summary"]


def test_what_the_clouds_own_services_have_is_left_to_them(pair: Pair) -> None:
    for cloud in pair:
        cloud.rows["project"].append({"id": "p-service", "name": "service"})
    pair[0].rows["image"] = [image("amphora", owner="p-service"), image("debian", owner="p-else")]
    pair[1].rows["image"] = [image("amphora", owner="p-service", checksum="other")]
    acts = {(row["name"], row["project"]): row["act"] for row in rows(pair)}
    assert acts[("amphora", "service")].startswith("leave it to those who run the cloud")
    assert "openstack image delete" in acts[("debian", None)]

"""capacity.report: what is used and free, and how many more of each flavor fit, host by host."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from engine.dispatch import dispatch
from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Aggregate, Hypervisor, Json, Server
from support.fake_cloud_tables import Tables


@pytest.fixture
def fake() -> Iterator[FakeCloud]:
    holds = {"VCPU": 16, "MEMORY_MB": 8192, "DISK_GB": 100}
    hosts = [Hypervisor(f"cmp-{number}", holds=dict(holds)) for number in range(1, 4)]
    hosts[2].holds["CUSTOM_GPU"] = 4
    hosts[2].traits.add("CUSTOM_FAST")
    with FakeCloud(hosts, [Server("a", "cmp-1"), Server("b", "cmp-3")]) as fake:
        yield fake


@pytest.fixture
def tables(fake: FakeCloud) -> Tables:
    tables = Tables(fake)
    tables.flavors += [
        flavor("m1.large", vcpus=2, ram=3072),
        flavor("m1.small"),
        flavor("m1.same"),
        flavor("g1", {"resources:CUSTOM_GPU": "2", "trait:CUSTOM_FAST": "required"}),
        flavor("private", public=False),
    ]
    return tables


def flavor(
    name: str,
    specs: dict[str, str] | None = None,
    *,
    public: bool = True,
    vcpus: int = 1,
    ram: int = 1024,
    disk: int = 10,
) -> Json:
    return {
        "id": f"id-of-{name}",
        "name": name,
        "vcpus": vcpus,
        "ram": ram,
        "disk": disk,
        "OS-FLV-EXT-DATA:ephemeral": 0,
        "swap": "",
        "os-flavor-access:is_public": public,
        "extra_specs": specs or {},
    }


def report(fake: FakeCloud, **parameters: Any) -> Json:
    kind, result = dispatch("capacity.report", parameters, fake.config())
    assert kind == "done", result["summary"]
    return result


def row(result: Json, where: str, what: str) -> Json:
    (found,) = [one for one in result["rows"] if (one["where"], one["what"]) == (where, what)]
    return dict(found)


def more(result: Json, name: str, where: str = "cloud fake") -> tuple[int, int, int | None]:
    """Return on how many hosts how many more of a flavor fit, and how many if all were one."""
    found = row(result, where, f"flavor {name}")
    return found["hosts"], found["more"], found["pooled"]


def test_amounts_by_resource_class(fake: FakeCloud, tables: Tables) -> None:
    result = report(fake)
    fake.hypervisors[1].status = "disabled"
    blocked = report(fake)
    memory = row(result, "cloud fake", "MEMORY_MB")
    assert (memory["hosts"], memory["capacity"]) == (3, 24576)
    assert (memory["used"], memory["free"], memory["blocked"]) == (2048, 22528, 0)
    assert row(blocked, "zone nova", "MEMORY_MB")["blocked"] == 8192
    gpus = row(result, "cloud fake", "CUSTOM_GPU")
    assert (gpus["hosts"], gpus["capacity"], gpus["used"]) == (1, 4, 0)
    assert result["summary"] == "3 hypervisors of fake, 3 of them usable"
    assert blocked["summary"] == "3 hypervisors of fake, 2 of them usable"


def test_how_many_more_fit_host_by_host(fake: FakeCloud, tables: Tables) -> None:
    result = report(fake)
    # 7, 8 and 7 GiB are free.
    assert more(result, "m1.same") == (3, 22, 22)
    assert more(result, "m1.large") == (3, 6, 7)
    assert more(result, "g1") == (1, 2, 2)
    # One of each size, the smallest first, none that is not public.
    told = [one["what"] for one in result["rows"] if one["where"] == "cloud fake"][4:]
    assert told == ["flavor g1", "flavor m1.same", "flavor m1.large"]
    assert row(result, "cloud fake", "flavor m1.same")["note"] == "the same as m1.small"


def test_hosts_that_are_disabled_or_down_take_none(fake: FakeCloud, tables: Tables) -> None:
    fake.hypervisors[0].status, fake.hypervisors[1].state = "disabled", "down"
    assert more(report(fake), "m1.large") == (1, 2, 2)


def test_flavors_by_name_or_id(fake: FakeCloud, tables: Tables) -> None:
    result = report(fake, flavors=["private", "id-of-g1", "private"])
    told = [one["what"] for one in result["rows"] if one["flavor_id"]]
    assert told == ["flavor private", "flavor g1"] * (len(told) // 2)
    kind, refused = dispatch("capacity.report", {"flavors": ["m1.smal"]}, fake.config())
    assert kind == "refused"
    assert "There is no flavor 'm1.smal' in cloud fake. Did you mean m1.small" in refused["summary"]


def test_aggregates_and_what_their_flavors_ask_for(fake: FakeCloud, tables: Tables) -> None:
    spec = "aggregate_instance_extra_specs:kind"
    fake.aggregates += [
        Aggregate("fast", ["cmp-1", "cmp-3"], {"kind": "fast"}),
        Aggregate("rest", ["cmp-2"]),
    ]
    tables.flavors.append(flavor("f1", {spec: "fast"}))
    result = report(fake, flavors=["f1"])
    assert more(result, "f1") == (2, 14, 14)
    assert more(result, "f1", "aggregate fast") == (2, 14, 14)
    assert more(result, "f1", "aggregate rest") == (0, 0, 0)
    assert row(result, "aggregate rest", "VCPU")["capacity"] == 16
    only = report(fake, flavors=["f1"], aggregate="rest", zone="nova")
    assert {one["where"] for one in only["rows"]} == {"aggregate rest in zone nova"}


def test_what_is_not_looked_at_is_said(fake: FakeCloud, tables: Tables) -> None:
    tables.flavors.append(flavor("odd", {"resources1:VGPU": "1", "hw:numa_nodes": "2"}))
    result = report(fake, flavors=["odd"])
    note = "not looked at: NUMA nodes, numbered groups"
    assert row(result, "cloud fake", "flavor odd")["note"] == note
    assert row(report(fake, flavors=["g1"]), "cloud fake", "flavor g1")["note"] is None


def test_public_flavors_are_bounded(fake: FakeCloud, tables: Tables) -> None:
    tables.flavors += [flavor(f"x{n:02}", ram=64 * n) for n in range(1, 31)]
    fake.requests.clear()
    result = report(fake)
    assert "12 more public flavors can be named in flavors" in result["summary"]
    assert len([one for one in result["rows"] if one["where"] == "cloud fake"]) == 4 + 20


@pytest.mark.long
def test_requests_do_not_grow_with_hosts_and_servers(fake: FakeCloud, tables: Tables) -> None:
    def asked(hosts: int) -> int:
        fake.hypervisors[:] = [Hypervisor(f"h{number:03}") for number in range(hosts)]
        fake.servers[:] = [Server(f"s{number}", f"h{number:03}") for number in range(hosts)]
        fake.requests.clear()
        report(fake)
        return len(fake.requests)

    assert asked(10) == asked(100) <= 20


def test_a_host_that_placement_does_not_know_is_told_of(fake: FakeCloud, tables: Tables) -> None:
    fits = fake.placement.fits
    fake.placement.fits = lambda host, wanted: (  # type: ignore[method-assign]
        host.name != "cmp-2" and fits(host, wanted)
    )
    tables.providers[:] = [one for one in tables.providers if one["name"] != "cmp-2"]
    kind, result = dispatch("capacity.report", {}, fake.config())
    assert (kind, result["complete"]) == ("failed", False)
    assert result["left"][0]["what"] == "room on cmp-2"


# -- what could be read in part ----------------------------------------------------------------


def partly(fake: FakeCloud, **parameters: Any) -> tuple[Json, str]:
    """Return an answer that is not whole, and what it says is missing."""
    kind, result = dispatch("capacity.report", parameters, fake.config())
    assert (kind, result["complete"]) == ("failed", False), result["summary"]
    return result, "; ".join(left["what"] for left in result["left"])


def test_one_flavor_that_placement_fails_on_is_named_and_the_others_are_told(
    fake: FakeCloud, tables: Tables
) -> None:
    fake.fail("/allocation_candidates", 403, times=99, query={"resources": "CUSTOM_GPU"})
    result, missing = partly(fake)
    assert missing == "where flavor g1 fits"
    assert more(result, "m1.same") == (3, 22, 22)
    assert row(result, "cloud fake", "CUSTOM_GPU")["capacity"] == 4
    assert "flavor g1" not in [one["what"] for one in result["rows"]]


def test_without_flavors_the_amounts_are_told(fake: FakeCloud, tables: Tables) -> None:
    fake.fail("/flavors/detail", 403, times=99)
    result, missing = partly(fake, flavors=["g1"])
    assert missing == "flavors of fake"
    assert row(result, "cloud fake", "MEMORY_MB")["capacity"] == 24576


@pytest.mark.parametrize("path", ["/os-services", "/os-aggregates"])
def test_without_places_the_cloud_as_a_whole_is_told(
    fake: FakeCloud, tables: Tables, path: str
) -> None:
    spec = "aggregate_instance_extra_specs:kind"
    tables.flavors.append(flavor("f1", {spec: "fast"}))
    fake.fail(path, 403, times=99)
    result, missing = partly(fake)
    assert "where hypervisors of fake stand" in missing
    assert more(result, "m1.same") == (3, 22, 22)
    assert ("where flavor f1 fits" in missing) is (path == "/os-aggregates")
    kind, result = dispatch("capacity.report", {"zone": "nova"}, fake.config())
    assert (kind, result["complete"]) == ("failed", False), "who is there is not known"


def test_without_what_is_used_it_is_not_said_how_many_fit_in_all(
    fake: FakeCloud, tables: Tables
) -> None:
    fake.fail("/allocation_candidates", 403, times=99, query={"in_tree": "."})
    fake.fail("/placement/resource_providers", 403, times=99)
    result, missing = partly(fake, flavors=["m1.large"])
    assert missing.startswith("room")
    assert more(result, "m1.large") == (3, 6, None)


def test_a_service_that_fails_whole_is_named(fake: FakeCloud, tables: Tables) -> None:
    fake.fail("/placement/", 403, times=99)
    result, missing = partly(fake)
    assert result["rows"] == []
    assert "room on hypervisors of fake" in missing
    assert "where flavor" in missing

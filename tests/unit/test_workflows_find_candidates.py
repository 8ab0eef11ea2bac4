"""Which hypervisors are empty, and which are least disruptive to reinstall."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from engine.dispatch import dispatch
from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Aggregate, Flavor, Group, Hypervisor, Json, Project, Server
from support.fake_cloud_tables import Tables


@pytest.fixture
def fake() -> Iterator[FakeCloud]:
    hosts = [Hypervisor(f"cmp-{number}") for number in range(1, 6)]
    with FakeCloud(hosts) as fake:
        Tables(fake)
        yield fake


def ask(fake: FakeCloud, verb: str, **parameters: Any) -> Json:
    kind, result = dispatch(f"hypervisor.{verb}", parameters, fake.config())
    assert kind == "done", result["summary"]
    return result


def ranked(fake: FakeCloud, **parameters: Any) -> list[str]:
    return [row["name"] for row in ask(fake, "find_candidates", **parameters)["rows"]]


def why(fake: FakeCloud, name: str, **parameters: Any) -> str:
    rows = ask(fake, "find_candidates", **parameters)["rows"]
    (found,) = [row["why"] for row in rows if row["name"] == name]
    return str(found)


# -- empty ones --------------------------------------------------------------------------------


def test_empty_hypervisors(fake: FakeCloud) -> None:
    fake.servers += [Server("a", "cmp-1"), Server("b", "cmp-3", status="SHUTOFF")]
    fake.hypervisors[1].status, fake.hypervisors[1].reason = "disabled", "new disk"
    fake.hypervisors[3].state = "down"
    fake.aggregates.append(Aggregate("fast", ["cmp-4", "cmp-1"]))
    result = ask(fake, "find_empty")
    rows = {row["name"]: row for row in result["rows"]}
    assert list(rows) == ["cmp-2", "cmp-4", "cmp-5"]
    assert result["summary"] == "3 empty hypervisors of 5"
    assert (rows["cmp-2"]["status"], rows["cmp-2"]["reason"]) == ("disabled", "new disk")
    assert (rows["cmp-4"]["state"], rows["cmp-4"]["aggregates"]) == ("down", ["fast"])
    assert (rows["cmp-5"]["vcpus_capacity"], rows["cmp-5"]["memory_capacity"]) == (16, 16384)
    assert rows["cmp-5"]["note"] is None


def test_allocations_that_were_left_behind_are_told_of(fake: FakeCloud) -> None:
    fake.placement.leaked = {"cmp-2": {"consumer-1": {"VCPU": 2, "MEMORY_MB": 512}}}
    result = ask(fake, "find_empty")
    assert "cmp-2" not in [row["name"] for row in result["rows"]]
    assert "cmp-2: consumer-1: Placement has MEMORY_MB 512, VCPU 2 allocated" in result["text"]


def test_without_placement_the_answer_is_not_whole(fake: FakeCloud) -> None:
    fake.fail("/placement/", 403, times=99)
    kind, result = dispatch("hypervisor.find_empty", {}, fake.config())
    assert (kind, result["complete"], len(result["rows"])) == ("failed", False, 5)


@pytest.mark.parametrize("path", ["/os-services", "/os-aggregates"])
def test_where_the_places_cannot_be_read_the_empty_ones_are_told(
    fake: FakeCloud, path: str
) -> None:
    fake.fail(path, 403, times=99)
    kind, result = dispatch("hypervisor.find_empty", {}, fake.config())
    assert (kind, result["complete"], len(result["rows"])) == ("failed", False, 5)
    assert "where hypervisors of fake stand: " in result["summary"]
    for asked in ({"zone": "nova"}, {"aggregate": "fast"}):
        kind, result = dispatch("hypervisor.find_empty", asked, fake.config())
        assert (kind, result["rows"]) == ("failed", []), "who is there is not known"


@pytest.mark.parametrize("verb", ["find_empty", "find_candidates"])
def test_only_in_an_aggregate_or_a_zone(fake: FakeCloud, verb: str) -> None:
    fake.aggregates += [Aggregate("fast", ["cmp-4", "cmp-2"]), Aggregate("slow", ["cmp-1"])]
    found = ask(fake, verb, aggregate="fast", zone="nova")
    assert {row["name"] for row in found["rows"]} == {"cmp-2", "cmp-4"}
    assert "in aggregate fast in zone nova" in found["summary"]
    number = str(fake.aggregates[1].as_json()["id"])
    assert [row["name"] for row in ask(fake, verb, aggregate=number)["rows"]] == ["cmp-1"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"aggregate": "fasst"}, "There is no aggregate 'fasst' in cloud fake. Did you mean fast?"),
        ({"zone": "nowa"}, "There is no availability zone 'nowa' in cloud fake. Did you mean nova"),
    ],
)
def test_what_is_not_there(fake: FakeCloud, asked: dict[str, str], said: str) -> None:
    fake.aggregates.append(Aggregate("fast", ["cmp-4"]))
    kind, result = dispatch("hypervisor.find_empty", asked, fake.config())
    assert kind == "refused"
    assert said in result["summary"]


# -- candidates --------------------------------------------------------------------------------


@pytest.mark.long
def test_empty_ones_come_first_and_disabled_ones_before_others(fake: FakeCloud) -> None:
    fake.hypervisors[4].status, fake.hypervisors[4].reason = "disabled", "old BIOS"
    fake.servers += [Server("a", "cmp-1"), Server("b", "cmp-2"), Server("c", "cmp-2")]
    assert ranked(fake) == ["cmp-5", "cmp-3", "cmp-4", "cmp-1", "cmp-2"]
    assert why(fake, "cmp-5") == "no servers are on it; it is disabled already: old BIOS"
    assert why(fake, "cmp-3") == "no servers are on it"
    assert why(fake, "cmp-2") == "2 servers: 2 moved live; what can be moved fits elsewhere"


@pytest.mark.long
def test_what_must_stay_counts_more_than_how_many_there_are(fake: FakeCloud) -> None:
    pinned = Flavor("pinned", extra_specs={"hw:cpu_policy": "dedicated"})
    fake.servers += [
        Server("gpu", "cmp-1", flavor=pinned),
        Server("safe", "cmp-2", tags=["openstack-ops-protected"]),
        *(Server(f"s{number}", "cmp-3") for number in range(4)),
        Server("off", "cmp-4", status="SHUTOFF"),
        Server("on", "cmp-4"),
    ]
    assert ranked(fake) == ["cmp-5", "cmp-4", "cmp-3", "cmp-1", "cmp-2"]
    said = why(fake, "cmp-1")
    assert said.startswith("1 server: 1 cannot be moved; gpu stays: servers with hw:cpu_policy")
    assert "safe stays: it is protected by the tag openstack-ops-protected" in why(fake, "cmp-2")
    assert "2 servers: 1 moved live, 1 stopped and moved cold" in why(fake, "cmp-4")
    row = ask(fake, "find_candidates")["rows"][3]
    assert (row["live"], row["cold"], row["stay"], row["memory"]) == (0, 0, 1, 0)
    assert row["staying"][0]["id"] == fake.server("gpu").id


@pytest.mark.long
def test_what_fits_nowhere_else_comes_after_what_does(fake: FakeCloud) -> None:
    fake.servers += [Server("vast", "cmp-1", flavor=Flavor("vast", ram=16384))]
    fake.servers += [Server(f"s{n}", f"cmp-{n}") for n in range(2, 6)]
    assert ranked(fake)[-1] == "cmp-1"
    assert "not everything fits elsewhere: vast (1 vCPU, 16 GiB) fits on no" in why(fake, "cmp-1")


def test_the_last_of_its_aggregate_comes_late(fake: FakeCloud) -> None:
    fake.aggregates += [Aggregate("fast", ["cmp-1", "cmp-2"]), Aggregate("slow", ["cmp-3"])]
    fake.hypervisors[1].status = "disabled"
    fake.servers += [Server("a", "cmp-4")]
    assert ranked(fake) == ["cmp-2", "cmp-5", "cmp-4", "cmp-1", "cmp-3"]
    assert why(fake, "cmp-1").endswith("it is the last usable host of aggregate fast")


def test_the_last_usable_host_of_a_zone(fake: FakeCloud) -> None:
    for host in fake.hypervisors[1:]:
        host.status = "disabled"
    assert "it is the last usable host of zone nova" in why(fake, "cmp-1")


def test_a_host_that_is_down_is_good_if_it_is_empty_and_bad_if_not(fake: FakeCloud) -> None:
    fake.hypervisors[0].state = fake.hypervisors[1].state = "down"
    fake.servers += [Server("a", "cmp-2"), *(Server(f"s{n}", "cmp-3") for n in range(3))]
    assert ranked(fake) == ["cmp-1", "cmp-4", "cmp-5", "cmp-3", "cmp-2"]
    assert why(fake, "cmp-2") == "it is down, so its 1 server cannot be migrated"


def test_affinity_keeps_servers_where_they_are(fake: FakeCloud) -> None:
    fake.servers += [Server("a", "cmp-1"), Server("b", "cmp-1")]
    fake.groups.append(Group("pair", "affinity", ["a", "b"]))
    assert "a stays: affinity group pair keeps it on one host" in why(fake, "cmp-1")


@pytest.mark.long
def test_requests_do_not_grow_with_hosts_and_servers(fake: FakeCloud) -> None:
    def asked(hosts: int, each: int) -> int:
        fake.hypervisors[:] = [Hypervisor(f"h{number:03}") for number in range(hosts)]
        fake.servers[:] = [
            Server(f"{host.name}-{n}", host.name) for host in fake.hypervisors for n in range(each)
        ]
        fake.requests.clear()
        assert len(ranked(fake, limit=3)) == 3
        return len(fake.requests)

    # Two more a host that is looked at, and those are twice as many as are told of.
    assert asked(6, 1) == asked(60, 5) <= 30


@pytest.mark.long
def test_hosts_with_servers_of_the_clouds_own_services_come_late_and_say_so(
    fake: FakeCloud,
) -> None:
    """An amphora of Octavia's is moved and reinstalled under by nobody who does not know it."""
    fake.projects += [service := Project("service"), Project("shop")]
    fake.servers += [
        Server("amphora-1", "cmp-1", project=service.id),
        *(Server(f"s{number}", f"cmp-{host}") for host in (2, 3, 4, 5) for number in range(host)),
    ]
    assert ranked(fake)[-1] == "cmp-1"
    assert why(fake, "cmp-1").endswith(
        "; the cloud's own services have amphora-1 there: ask whoever runs the cloud first"
    )
    assert "own services" not in why(fake, "cmp-2")
    rows = {row["name"]: row for row in ask(fake, "find_candidates")["rows"]}
    assert (rows["cmp-1"]["services"], rows["cmp-2"]["services"]) == (["amphora-1"], [])


@pytest.mark.long
def test_service_projects_are_those_that_are_configured(fake: FakeCloud) -> None:
    fake.projects.append(mine := Project("platform"))
    fake.servers.append(Server("db", "cmp-1", project=mine.id))
    for names, told in (([], False), (["service"], False), (["platform"], True)):
        config = fake.config(service_projects=names)
        _, result = dispatch("hypervisor.find_candidates", {}, config)
        (row,) = (row for row in result["rows"] if row["name"] == "cmp-1")
        assert ("own services" in row["why"]) is told


# -- what could be read in part ----------------------------------------------------------------


def partly(fake: FakeCloud, verb: str) -> tuple[dict[str, Json], str]:
    """Return the rows by name, and what is said to be missing, of an answer that is not whole."""
    kind, result = dispatch(f"hypervisor.{verb}", {}, fake.config())
    assert (kind, result["complete"]) == ("failed", False), result["summary"]
    said = "; ".join(f"{left['what']}: {left['why']}" for left in result["left"])
    return {row["name"]: row for row in result["rows"]}, said


def test_a_host_whose_servers_cannot_be_read_is_named_and_comes_last(fake: FakeCloud) -> None:
    fake.servers += [Server("a", "cmp-1"), *(Server(f"s{n}", "cmp-2") for n in range(3))]
    fake.fail(f"/resource_providers/{fake.hypervisors[0].id}/allocations", 403, times=99)
    rows, said = partly(fake, "find_candidates")
    assert list(rows)[-2:] == ["cmp-2", "cmp-1"]
    assert rows["cmp-1"]["why"] == "what is on it could not be read"
    assert rows["cmp-2"]["why"].startswith("3 servers: 3 moved live")
    assert "what is on it (cmp-1): Cloud fake: " in said


@pytest.mark.parametrize(
    ("path", "missing", "unknown"),
    [
        ("/os-aggregates", "where hypervisors of fake stand", "aggregates could not be read"),
        ("/os-services", "where hypervisors of fake stand", ""),
        ("/os-migrations", "what is on it", "what is on it could not be read"),
        ("/os-server-groups", "where its servers fit", "where its servers fit could not be read"),
        ("/placement/allocation_candidates", "where its servers fit", "could not be read"),
        ("/identity/v3/projects", "which servers are the cloud's own", ""),
    ],
)
def test_candidates_are_told_though_something_around_them_cannot_be_read(
    fake: FakeCloud, path: str, missing: str, unknown: str
) -> None:
    fake.servers += [Server("a", "cmp-1"), Server("b", "cmp-1")]
    fake.fail(path, 403, times=99)
    rows, said = partly(fake, "find_candidates")
    assert len(rows) == 5
    assert missing in said
    assert unknown in rows["cmp-1"]["why"]
    assert ("cannot" in rows["cmp-1"]["why"], list(rows)[-1]) == (False, "cmp-1")


@pytest.mark.parametrize("verb", ["find_empty", "find_candidates"])
def test_a_host_is_not_called_empty_where_that_could_not_be_read(
    fake: FakeCloud, verb: str
) -> None:
    fake.hypervisors[3:] = []  # so few are asked for one by one
    fake.fail("/placement/", 403, times=99, query={"in_tree": fake.hypervisors[1].id})
    rows, said = partly(fake, verb)
    word = "note" if verb == "find_empty" else "why"
    unknown = "whether anything else holds it is not known"
    assert unknown in rows["cmp-2"][word]
    assert unknown not in (rows["cmp-1"][word] or "")
    assert fake.hypervisors[1].id in said


@pytest.mark.parametrize("limit", [0, 51])
def test_limit_is_bounded(fake: FakeCloud, limit: int) -> None:
    kind, result = dispatch("hypervisor.find_candidates", {"limit": limit}, fake.config())
    assert kind == "refused"
    assert "limit is from 1 to 50" in result["summary"]

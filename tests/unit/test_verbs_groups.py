"""What is particular to the verbs and creations of aggregates and server groups."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from engine.dispatch import dispatch
from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Aggregate, Group, Hypervisor, Server
from support.fake_cloud_groups import FakeGroups
from support.fake_cloud_runs import FakeAttempt, drawn, look_up, perform, take_back
from support.fake_cloud_tables import Tables
from workflow_api import Begun, Refused, StepFailed, UnknownOutcome, UserError
from workflow_api.planned import PlannedStep

ZONE = "availability_zone"


@pytest.fixture
def fake() -> Iterator[FakeCloud]:
    hosts = [Hypervisor(f"cmp-{number}") for number in range(1, 4)]
    with FakeCloud(hosts, [Server("web-1", "cmp-1")]) as fake:
        Tables(fake)
        fake.aggregates += [
            Aggregate("plain", ["cmp-1"], {"ssd": "true"}),
            Aggregate("east", ["cmp-2"], {ZONE: "east"}),
        ]
        yield fake


@pytest.fixture(autouse=True)
def groups(fake: FakeCloud) -> FakeGroups:
    return FakeGroups(fake)


def planned(fake: FakeCloud, action: str, /, **parameters: Any) -> PlannedStep:
    (step,) = drawn(fake.account(), action, **parameters).steps()
    return step


def refused(fake: FakeCloud, action: str, /, **parameters: Any) -> str:
    with pytest.raises(Refused) as told:
        drawn(fake.account(), action, **parameters)
    assert fake.changes == []
    return str(told.value)


# -- zones and hosts -----------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["cmp-3", "cmp-1"])
def test_a_host_joins_an_aggregate_without_a_zone_with_its_servers(
    fake: FakeCloud, host: str
) -> None:
    fake.aggregates[0].hosts.clear()
    step = planned(fake, "aggregate.add_host", aggregate="plain", hypervisor=host)
    perform(step, fake.account(), FakeAttempt())
    assert fake.aggregates[0].hosts == [host]


def test_a_host_with_servers_joins_no_other_zone(fake: FakeCloud) -> None:
    told = refused(fake, "aggregate.add_host", aggregate="east", hypervisor="cmp-1")
    assert "cmp-1 has 1 server, and Nova changes no zone under servers" in told


def test_a_host_has_one_zone(fake: FakeCloud) -> None:
    fake.aggregates.append(Aggregate("west", [], {ZONE: "west"}))
    told = refused(fake, "aggregate.add_host", aggregate="west", hypervisor="cmp-2")
    assert "cmp-2 is in the availability zone east by aggregate east" in told


def test_a_host_with_servers_joins_its_own_zone_once_more(fake: FakeCloud) -> None:
    fake.server("web-1").host = "cmp-2"
    fake.aggregates.append(Aggregate("also-east", [], {ZONE: "east"}))
    step = planned(fake, "aggregate.add_host", aggregate="also-east", hypervisor="cmp-2")
    perform(step, fake.account(), FakeAttempt())
    assert fake.aggregates[2].hosts == ["cmp-2"]


def test_a_host_with_servers_leaves_no_zone(fake: FakeCloud) -> None:
    fake.server("web-1").host = "cmp-2"
    told = refused(fake, "aggregate.remove_host", aggregate="east", hypervisor="cmp-2")
    assert "Nova changes no zone under servers" in told


def test_an_added_host_is_removed_again(fake: FakeCloud) -> None:
    step = planned(fake, "aggregate.add_host", aggregate="plain", hypervisor="cmp-3")
    perform(step, fake.account(), FakeAttempt())
    take_back(step, fake.account(), FakeAttempt())
    assert fake.aggregates[0].hosts == ["cmp-1"]


def test_a_protected_aggregate_keeps_its_hosts_and_can_be_given_more(fake: FakeCloud) -> None:
    fake.aggregates[0].metadata["openstack_ops:protected"] = "yes"
    told = refused(fake, "aggregate.remove_host", aggregate="plain", hypervisor="cmp-1")
    assert "it is protected by its metadata openstack_ops:protected" in told
    step = planned(fake, "aggregate.add_host", aggregate="plain", hypervisor="cmp-3")
    perform(step, fake.account(), FakeAttempt())
    take_back(step, fake.account(), FakeAttempt())
    assert fake.aggregates[0].hosts == ["cmp-1"], "what a run has added it takes back"


def test_an_aggregate_with_hosts_is_not_deleted(fake: FakeCloud) -> None:
    told = refused(fake, "aggregate.delete", aggregate="plain")
    assert "it has 1 host (cmp-1): aggregate.remove_host takes them out" in told


# -- what an aggregate is ------------------------------------------------------------------------


def test_an_aggregate_is_renamed_and_given_a_zone_and_metadata(fake: FakeCloud) -> None:
    fake.server("web-1").host = "cmp-3"
    changes = {"new_name": "fast", "zone": "north", "set_metadata": "tier=gold"}
    step = planned(fake, "aggregate.update", aggregate="plain", remove_metadata=["ssd"], **changes)
    perform(step, fake.account(), FakeAttempt())
    changed = fake.aggregates[0]
    assert (changed.name, changed.metadata) == ("fast", {ZONE: "north", "tier": "gold"})
    assert len(fake.changes) == 2


def test_half_an_update_is_gone_on_with(fake: FakeCloud) -> None:
    fake.server("web-1").host = "cmp-3"
    step = planned(fake, "aggregate.update", aggregate="plain", new_name="fast", zone="north")
    fake.fail("PUT .*/os-aggregates", cut=True)
    with pytest.raises(UnknownOutcome):
        perform(step, fake.account(), FakeAttempt())
    assert look_up(step, fake.account(), FakeAttempt()) is None
    perform(step, fake.account(), FakeAttempt())
    assert [change.method for change in fake.changes] == ["POST", "PUT", "PUT"]
    assert fake.aggregates[0].name == "fast"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"new_name": "east"}, "there is one called east already"),
        ({"zone": "north"}, "cmp-1 has 1 server, and Nova changes no zone under servers"),
        ({"set_metadata": "a=1", "remove_metadata": ["a"]}, "a is to be set and to be removed"),
        ({"set_metadata": f"{ZONE}=x"}, "its zone is set with zone"),
        ({"remove_metadata": [ZONE, "ssd"]}, "Nova takes no aggregate's zone away"),
    ],
)
def test_an_update_that_cannot_be_is_refused(
    fake: FakeCloud, changes: dict[str, Any], why: str
) -> None:
    assert why in refused(fake, "aggregate.update", aggregate="plain", **changes)


def test_a_zone_that_hosts_have_otherwise_is_refused(fake: FakeCloud) -> None:
    fake.aggregates.append(Aggregate("more", ["cmp-2"]))
    told = refused(fake, "aggregate.update", aggregate="more", zone="west")
    assert "some of its hosts are in the availability zone east by aggregate east" in told


def test_an_aggregate_is_found_by_its_number(fake: FakeCloud) -> None:
    number = str(fake.aggregates[0].id)
    step = planned(fake, "aggregate.add_host", aggregate=number, hypervisor="cmp-3")
    assert step.sentence == "add cmp-3 to aggregate plain"


def test_an_aggregate_is_shown_with_its_hypervisors(fake: FakeCloud) -> None:
    fake.aggregates[0].hosts.append("cmp-gone")
    kind, result = dispatch("aggregate.show", {"aggregate": "plain"}, fake.config())
    assert kind == "done", result["summary"]
    number = fake.aggregates[0].id
    said = f"aggregate plain ({number}): 2 hypervisors, 1 server, ssd=true"
    assert result["summary"].startswith(said)
    rows = {row["name"]: row for row in result["rows"]}
    assert (rows["cmp-1"]["server_count"], rows["cmp-1"]["vcpus_free"]) == (1, 15)
    assert rows["cmp-gone"]["state"] == "gone"


# -- creations -----------------------------------------------------------------------------------


def test_metadata_that_was_not_sent_yet_is_sent(fake: FakeCloud) -> None:
    attempt = FakeAttempt()
    step = planned(fake, "aggregate.create", name="ssd", zone="az2", metadata="tier=gold")
    fake.fail("POST .*/os-aggregates/.*/action", cut=True)
    with pytest.raises(UnknownOutcome):
        perform(step, fake.account(), attempt)
    assert isinstance(look_up(step, fake.account(), attempt), Begun)
    # Who goes on has the notes of nobody.
    perform(step, fake.account(), FakeAttempt(again=True))
    assert fake.aggregates[-1].metadata == {ZONE: "az2", "tier": "gold"}
    assert fake.count("POST .*/os-aggregates$") == 1


@pytest.mark.parametrize("action", ["aggregate.create", "server_group.create"])
def test_what_was_made_is_taken_back_by_who_has_no_notes(fake: FakeCloud, action: str) -> None:
    policy = {"policy": "affinity"} if action == "server_group.create" else {}
    step = planned(fake, action, name="new", **policy)
    before = (len(fake.aggregates), len(fake.groups))
    perform(step, fake.account(), FakeAttempt())
    for _ in range(2):
        take_back(step, fake.account(), FakeAttempt(again=True))
    assert (len(fake.aggregates), len(fake.groups)) == before


def test_of_several_groups_none_is_taken_back(fake: FakeCloud) -> None:
    step = planned(fake, "server_group.create", name="new", policy="affinity")
    fake.groups += [Group("new", "affinity", [], id=id) for id in ("one", "two")]
    with pytest.raises(StepFailed, match="Several objects are named new"):
        take_back(step, fake.account(), FakeAttempt(again=True))
    assert fake.changes == []


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"name": "east"}, "its zone is east"),
        ({"name": "plain", "zone": "az2"}, "it has no zone"),
        ({"name": "plain", "metadata": "ssd=false; tier=gold"}, "its metadata ssd is true"),
        ({"name": "new", "metadata": f"{ZONE}=az2"}, "its zone is given with zone"),
    ],
)
def test_another_aggregate_of_that_name_is_refused(
    fake: FakeCloud, options: dict[str, Any], why: str
) -> None:
    assert why in refused(fake, "aggregate.create", **options)


def test_metadata_that_is_none_is_told(fake: FakeCloud) -> None:
    with pytest.raises(UserError, match="metadata must be name=value"):
        drawn(fake.account(), "aggregate.create", name="new", metadata="ssd")


def test_a_group_beyond_policy_or_quota_is_refused(fake: FakeCloud) -> None:
    fake.nova.lives.quota["server_groups"] = 1
    fake.groups.append(Group("one", "affinity", []))
    options = {"name": "web", "policy": "affinity", "max_server_per_host": 2}
    told = refused(fake, "server_group.create", **options)
    assert "max_server_per_host is for anti-affinity, not for affinity" in told
    assert "the project's quota of server_groups is 1, of which 0 are free" in told


def test_what_becomes_of_the_servers_of_a_group_is_told(fake: FakeCloud) -> None:
    fake.groups.append(Group("web", "anti-affinity", ["web-1"]))
    plan = drawn(fake.account(), "server_group.delete", server_group="web")
    assert plan.notes == ["nothing will keep its 1 server apart"]

"""flavor.create, copy and retire against fake clouds: plans, steps, lost answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from accounts.cloud import Cloud
from accounts.config import load
from engine.parameters import bind
from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Flavor, Hypervisor, Project, Server
from support.fake_cloud_flavors import FakeFlavors
from support.fake_cloud_runs import FakeAttempt, Remembered, drawn, look_up, perform, take_back
from workflow_api import (
    CloudError,
    Context,
    NotFound,
    Plan,
    Refused,
    Requester,
    StepFailed,
    UnknownOutcome,
    UserError,
)
from workflow_api.ref import resolve
from workflow_api.workflow import workflow_named

NEW: dict[str, Any] = {"name": "c1.large", "vcpus": 8, "ram_mib": 16384, "disk_gib": 80}
ALL = {**NEW, "public": False, "projects": ["shop"], "extra_specs": "hw:cpu_policy=dedicated"}


@pytest.fixture
def fake() -> Iterator[FakeCloud]:
    with FakeCloud([Hypervisor("cmp-1")], projects=[Project("shop")]) as fake:
        yield fake


@pytest.fixture
def flavors(fake: FakeCloud) -> FakeFlavors:
    return fake.part(FakeFlavors)


def carry_out(plan: Plan, cloud: Cloud, *clouds: Cloud) -> list[str]:
    """Perform every step in order, each on the cloud that it names; return what they said."""
    known = {one.name: one for one in (cloud, *clouds)}
    results: dict[str, Any] = {}
    for step in plan.steps():
        step.data = resolve(step.data, results)
        attempt = FakeAttempt(key=step.key)
        results[step.key] = perform(step, known[step.accounts.get("cloud", cloud.name)], attempt)
    return [result["said"] for result in results.values()]


# -- create ------------------------------------------------------------------------------------


def test_a_flavor_is_made_with_its_specs_and_access(fake: FakeCloud, flavors: FakeFlavors) -> None:
    plan = drawn(fake.account(), "flavor.create", **ALL)
    assert [step.sentence for step in plan.steps()] == [
        "make flavor c1.large",
        "set the extra specs of flavor c1.large",
        "let project shop use flavor c1.large",
    ]
    assert fake.changes == []
    carry_out(plan, fake.account())
    (row,) = flavors.rows
    assert (row["vcpus"], row["ram"], row["disk"]) == (8, 16384, 80)
    assert row["extra_specs"] == {"hw:cpu_policy": "dedicated"}
    assert flavors.access[row["id"]] == [fake.projects[0].id]
    again = drawn(fake.account(), "flavor.create", **ALL)
    assert (list(again.steps()), len(again.skipped)) == ([], 1)


def test_a_lost_answer_is_found_by_the_id(fake: FakeCloud, flavors: FakeFlavors) -> None:
    (step,) = drawn(fake.account(), "flavor.create", **NEW).steps()
    attempt = FakeAttempt(key=step.key)
    assert look_up(step, fake.account(), attempt) is None
    fake.fail("POST .*/flavors", cut=True, late=True)
    with pytest.raises(UnknownOutcome):
        perform(step, fake.account(), attempt)
    assert look_up(step, fake.account(), attempt)["id"] == flavors.rows[0]["id"]
    other = FakeAttempt(key=step.key, run="22222222-2222-4222-8222-222222222222")
    assert look_up(step, fake.account(), other) is None, "another run's is none of ours"


def test_a_lost_grant_is_looked_up(fake: FakeCloud, flavors: FakeFlavors) -> None:
    *before, step = drawn(fake.account(), "flavor.create", **ALL, flavor_id="7").steps()
    flavors.flavor("c1.large", id="7", **{"os-flavor-access:is_public": False})
    step.data["flavor"] = "7"
    assert len(before) == 2
    attempt = FakeAttempt(key=step.key)
    assert look_up(step, fake.account(), attempt) is None
    fake.fail("POST .*/action", cut=True, late=True)
    with pytest.raises(UnknownOutcome):
        perform(step, fake.account(), attempt)
    assert look_up(step, fake.account(), attempt) is not None


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"vcpus": 4}, "there already .7., and vcpus is 8 and not 4"),
        ({"extra_specs": "a=1"}, "there already .7., and the extra spec a is missing and not 1"),
        ({"name": "other", "flavor_id": "7"}, "the id 7 is that of flavor c1.large"),
        ({"name": "other", "projects": ["shop"]}, "give public=false"),
    ],
)
def test_what_cannot_be_made_is_refused(
    fake: FakeCloud, flavors: FakeFlavors, given: dict[str, Any], why: str
) -> None:
    flavors.flavor("c1.large", id="7", vcpus=8, ram=16384, disk=80)
    with pytest.raises(Refused, match=why):
        drawn(fake.account(), "flavor.create", **{**NEW, **given})
    assert fake.changes == []


# -- copy --------------------------------------------------------------------------------------


@pytest.fixture
def pair() -> Iterator[tuple[FakeCloud, FakeCloud]]:
    east = FakeCloud(projects=[Project("shop"), Project("lab"), Project("shop", domain="labs")])
    west = FakeCloud(projects=[Project("shop", id="of-west")])
    for cloud in (east, west):
        cloud.domains = ["default", "labs"]
    with east, west:
        yield east, west


def copied(pair: tuple[FakeCloud, FakeCloud], **parameters: Any) -> tuple[Plan, Cloud, Cloud]:
    east, west = (
        Cloud.from_config(load({"clouds": [{**fake.entry(), "name": name}]}), name)
        for fake, name in zip(pair, ("east", "west"), strict=True)
    )
    known = workflow_named("flavor.copy")
    context = Context(
        config=east.config,
        requester=Requester(user="ann", origin="test"),
        claims=Remembered(),
        say=lambda text: None,
        open_journal=lambda: None,  # type: ignore[arg-type,return-value]
    )
    given = {"cloud": "east", "cloud_b": "west", **parameters}
    call = bind(known, given, lambda kind, name: {"east": east, "west": west}[str(name)])
    plan: Plan = known.function(context, **call.arguments)
    plan.bind({"cloud": "east", "cloud_b": "west"})
    return plan, east, west


def test_what_the_other_cloud_lacks_is_made_there(pair: tuple[FakeCloud, FakeCloud]) -> None:
    here, there = (fake.part(FakeFlavors) for fake in pair)
    here.flavor("m1.same")
    there.flavor("m1.same")
    here.flavor("m1.other", vcpus=2)
    there.flavor("m1.other", vcpus=4)
    there.flavor("m1.only-there")
    here.flavor("m1.new", swap=512, extra_specs={"hw:numa_nodes": "2"})
    private = here.flavor("m1.private", **{"os-flavor-access:is_public": False})
    here.access[private["id"]] = [project.id for project in pair[0].projects]

    plan, east, west = copied(pair)

    assert [step.sentence for step in plan.steps()] == [
        "make flavor m1.new",
        "set the extra specs of flavor m1.new",
        "make flavor m1.private",
        "let project Default/shop use flavor m1.private",
    ]
    assert plan.skipped == [{"what": "m1.same", "why": "west has it already"}]
    assert plan.left == [
        {
            "what": "flavor m1.other of west",
            "why": "it exists but differs: vcpus is 4 and not 2",
        },
        {"what": "project Default/lab of flavor m1.private", "why": "west has no such project"},
        {"what": "project Labs/shop of flavor m1.private", "why": "west has no such project"},
    ]
    assert pair[0].changes == pair[1].changes == []
    carry_out(plan, east, west)
    assert pair[0].changes == []
    made = {row["name"]: row for row in there.rows}
    assert made["m1.new"]["extra_specs"] == {"hw:numa_nodes": "2"}
    assert made["m1.new"]["swap"] == 512
    assert made["m1.private"]["id"] == private["id"]
    assert there.access[private["id"]] == ["of-west"]
    assert list(copied(pair)[0].steps()) == []


def test_only_some_are_copied(pair: tuple[FakeCloud, FakeCloud]) -> None:
    here = pair[0].part(FakeFlavors)
    pair[1].part(FakeFlavors)
    here.flavor("m1.small")
    here.flavor("m1.large")
    plan, _, _ = copied(pair, flavors=["m1.large"])
    assert [step.sentence for step in plan.steps()] == ["make flavor m1.large"]
    with pytest.raises(NotFound, match=r"m1\.smal.*Did you mean m1\.small"):
        copied(pair, flavors=["m1.smal"])
    with pytest.raises(UserError, match="Give two clouds"):
        copied(pair, cloud_b="east")


def test_an_id_that_is_taken_there_is_not_taken_over(pair: tuple[FakeCloud, FakeCloud]) -> None:
    here, there = (fake.part(FakeFlavors) for fake in pair)
    here.flavor("m1.new", id="1")
    there.flavor("m1.old", id="1")
    plan, east, west = copied(pair)
    carry_out(plan, east, west)
    assert [row["name"] for row in there.rows] == ["m1.old", "m1.new"]
    assert there.rows[1]["id"] != "1"


# -- retire ------------------------------------------------------------------------------------


def retired(fake: FakeCloud) -> Plan:
    return drawn(fake.account(), "flavor.retire", flavor="m1.old", end_date="2099-12-31")


def test_a_public_flavor_in_use_becomes_private(fake: FakeCloud, flavors: FakeFlavors) -> None:
    row = flavors.flavor("m1.old", extra_specs={"hw:numa_nodes": "2"}, description="old")
    fake.servers.append(Server("web-1", flavor=Flavor("m1.old")))
    plan = retired(fake)
    assert [entry["why"] for entry in plan.left] == ["1 server still has it"]
    carry_out(plan, fake.account())
    (made,) = flavors.rows
    assert made == {**row, "os-flavor-access:is_public": False, "swap": 0}
    plan = retired(fake)
    assert (list(plan.steps()), len(plan.skipped), len(plan.left)) == ([], 1, 1)
    fake.servers.clear()
    carry_out(retired(fake), fake.account())
    assert flavors.rows == []


def test_one_of_some_projects_is_taken_from_them(fake: FakeCloud, flavors: FakeFlavors) -> None:
    row = flavors.flavor("m1.old", **{"os-flavor-access:is_public": False})
    flavors.access[row["id"]] = [fake.projects[0].id]
    fake.servers.append(Server("web-1", flavor=Flavor("m1.old")))
    (step,) = retired(fake).steps()
    assert step.sentence == "take flavor m1.old from project shop"
    attempt = FakeAttempt(key=step.key)
    assert look_up(step, fake.account(), attempt) is None
    fake.fail("POST .*/action", cut=True, late=True)
    with pytest.raises(UnknownOutcome):
        perform(step, fake.account(), attempt)
    assert look_up(step, fake.account(), attempt) is not None
    assert flavors.access[row["id"]] == []


def test_a_lost_deletion_is_looked_up(fake: FakeCloud, flavors: FakeFlavors) -> None:
    flavors.flavor("m1.old")
    (step,) = retired(fake).steps()
    attempt = FakeAttempt(key=step.key)
    assert look_up(step, fake.account(), attempt) is None
    fake.fail("DELETE .*/flavors/", cut=True, late=True)
    with pytest.raises(UnknownOutcome):
        perform(step, fake.account(), attempt)
    assert look_up(step, fake.account(), attempt) is not None


def test_a_protected_flavor_is_not_retired(fake: FakeCloud, flavors: FakeFlavors) -> None:
    flavors.flavor("m1.old", extra_specs={"openstack_ops:protected": "yes"})
    with pytest.raises(Refused, match="it is protected by its metadata") as refused:
        retired(fake)
    assert refused.value.kept, "one of many rows is skipped for that"


@pytest.mark.parametrize("made", ["nothing", "half", "all"])
def test_a_flavor_that_cannot_be_made_anew_is_brought_back(
    fake: FakeCloud, flavors: FakeFlavors, made: str
) -> None:
    row = flavors.flavor("m1.old", extra_specs={"hw:numa_nodes": "2"}, description="old")
    before = {**row, "swap": 0}
    fake.servers.append(Server("web-1", flavor=Flavor("m1.old")))
    first, make, specs = retired(fake).steps()
    assert (first.name, first.undo) == ("flavor.remove", "on_failure")
    results: dict[str, Any] = {}
    for step in [first, make, specs][: {"nothing": 1, "half": 2, "all": 3}[made]]:
        step.data = resolve(step.data, results)
        results[step.key] = perform(step, fake.account(), FakeAttempt(key=step.key))
    # What was created again with all that it had is not lost: it stays as it is.
    expected = {**before, "os-flavor-access:is_public": made != "all"}
    for _ in range(2):
        take_back(first, fake.account(), FakeAttempt(key=first.key))
        assert flavors.rows == [expected]


def test_another_flavor_of_that_id_is_not_touched_by_the_undo(
    fake: FakeCloud, flavors: FakeFlavors
) -> None:
    id = flavors.flavor("m1.old", extra_specs={"hw:numa_nodes": "2"})["id"]
    fake.servers.append(Server("web-1", flavor=Flavor("m1.old")))
    first, *_ = retired(fake).steps()
    flavors.rows.clear()
    other = dict(flavors.flavor("m1.other", id=id))
    with pytest.raises(CloudError, match="409"):
        take_back(first, fake.account(), FakeAttempt(key=first.key))
    assert flavors.rows == [other]


def test_it_is_said_that_owners_are_not_told(fake: FakeCloud, flavors: FakeFlavors) -> None:
    flavors.flavor("m1.old", **{"os-flavor-access:is_public": False})
    fake.servers.append(Server("web-1", flavor=Flavor("m1.old")))
    plan = drawn(fake.account(), "flavor.retire", flavor="m1.old")
    assert plan.notes == ["The owners of 1 server are not told: tell_owners=true mails them."]
    with pytest.raises(UserError, match="give end_date"):
        drawn(fake.account(), "flavor.retire", flavor="m1.old", tell_owners=True)


def test_one_that_servers_have_by_now_is_not_deleted(fake: FakeCloud, flavors: FakeFlavors) -> None:
    flavors.flavor("m1.old")
    (step,) = drawn(fake.account(), "flavor.retire", flavor="m1.old").steps()
    fake.servers.append(Server("late-1", flavor=Flavor("m1.old")))
    with pytest.raises(StepFailed, match="stays: 1 server has it"):
        perform(step, fake.account(), FakeAttempt(key=step.key))
    assert fake.changes == []


def test_the_owners_are_told_by_a_child_run(fake: FakeCloud, flavors: FakeFlavors) -> None:
    flavors.flavor("m1.old", **{"os-flavor-access:is_public": False})
    fake.servers.append(Server("web-1", flavor=Flavor("m1.old")))
    given = {"flavor": "m1.old", "end_date": "2099-12-31", "tell_owners": True}
    (step,) = drawn(fake.account(), "flavor.retire", **given).steps()
    assert step.is_child
    told = {"flavor": "m1.old", "end_date": "2099-12-31"}
    assert step.data == {"workflow": "email.retiring_flavor", "parameters": told}


# -- use ---------------------------------------------------------------------------------------


def test_servers_of_a_flavor_that_was_made_anew_count(
    fake: FakeCloud, flavors: FakeFlavors
) -> None:
    flavors.flavor("m1.old")
    fake.servers += [Server(name, flavor=Flavor("m1.old")) for name in ("web-1", "web-2")]
    with pytest.raises(Refused, match="2 servers have it"):
        drawn(fake.account(), "flavor.delete", flavor="m1.old")
    carry_out(retired(fake), fake.account())
    with pytest.raises(Refused, match="2 servers have it"):
        drawn(fake.account(), "flavor.delete", flavor="m1.old")

"""What holds a hypervisor: every runbook that says "empty" means the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from engine.dispatch import dispatch
from query_api.execution.query import query
from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Course, Hypervisor, Migration, Server
from support.fake_cloud_plans import drain, hosts, refusal
from support.fake_cloud_runs import Clock, FakeAttempt, call, drawn, perform, read
from support.fake_cloud_tables import Tables
from workflow_api import CloudError, Refused, StepFailed, UserError
from workflows.hypervisor import draining

ADVICE = "openstack server delete --force"


@pytest.fixture
def fake() -> Iterator[FakeCloud]:
    with FakeCloud(hosts()) as fake:
        Tables(fake)
        yield fake


def deleted(fake: FakeCloud) -> str:
    """Leave a server on cmp-1 that was deleted softly; return its id."""
    fake.servers.append(Server("gone", status="SOFT_DELETED"))
    return fake.servers[-1].id


def unconfirmed(fake: FakeCloud) -> str:
    """Leave a cold migration off cmp-1 without its confirmation; return the server's id."""
    server = Server("resized", "cmp-2", status="VERIFY_RESIZE")
    fake.servers.append(server)
    fake.migrations.append(
        Migration(7, server, "migration", "cmp-1", "cmp-2", 0, Course(), "finished")
    )
    return server.id


def leaked(fake: FakeCloud) -> str:
    """Leave an allocation on cmp-1 that nothing explains; return its consumer."""
    fake.placement.leaked["cmp-1"] = {"consumer-1": {"VCPU": 2, "MEMORY_MB": 512}}
    return "consumer-1"


def nested_migration(fake: FakeCloud) -> str:
    """Leave the allocation of a migration whose record is over; return its consumer."""
    server = Server("moved", "cmp-2")
    fake.servers.append(server)
    done = Migration(9, server, "migration", "cmp-1", "cmp-2", 0, Course(), "error")
    fake.migrations.append(done)
    fake.placement.leaked["cmp-1"] = {done.uuid: {"VCPU": 1}}
    return done.uuid


HELD: dict[Callable[[FakeCloud], str], str] = {
    deleted: ADVICE,
    unconfirmed: "its migration to cmp-2 waits for its confirmation: openstack server resize",
    leaked: "Placement has MEMORY_MB 512, VCPU 2 allocated to it",
    nested_migration: "for a migration of server",
}
ways = pytest.mark.parametrize(("held", "words"), HELD.items(), ids=lambda one: str(one)[:20])


@ways
def test_a_drain_names_it_and_its_check_fails(
    fake: FakeCloud,
    held: Callable[[FakeCloud], str],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock()
    monkeypatch.setattr(draining, "time", clock)
    id = held(fake)
    plan = drain(fake)
    (left,) = plan.left
    assert id in left["what"]
    assert words in left["why"]
    assert "will not be empty" in plan.notes[0]
    *_, verify = plan.steps()
    with pytest.raises(StepFailed, match="cmp-1 still holds"):
        perform(verify, fake.account(), FakeAttempt(clock.wait))


@ways
def test_it_can_be_excluded_by_its_id_or_name(
    fake: FakeCloud, held: Callable[[FakeCloud], str], words: str
) -> None:
    id = held(fake)
    names = {"gone", "resized"} & {server.name for server in fake.servers}
    for wanted in {id, *names}:
        plan = drain(fake, exclude=[wanted])
        assert plan.left == []
        assert [skipped["why"] for skipped in plan.skipped] == ["it was excluded"]
        *_, verify = plan.steps()
        said = perform(verify, fake.account(), FakeAttempt())["said"]
        assert said == "cmp-1 holds only what was excluded"


@ways
def test_such_a_hypervisor_is_not_found_empty(
    fake: FakeCloud, held: Callable[[FakeCloud], str], words: str
) -> None:
    fake.hypervisors.append(Hypervisor("cmp-3"))
    held(fake)
    kind, result = dispatch("hypervisor.find_empty", {}, fake.config())
    assert kind == "done", result
    assert "cmp-1" not in [row["name"] for row in result["rows"]]
    assert "cmp-3" in [row["name"] for row in result["rows"]]
    # Nova itself counts those that it deleted softly.
    assert ("cmp-1: " in result["text"]) == (held is not deleted)


@ways
def test_such_a_candidate_comes_after_the_empty_ones(
    fake: FakeCloud, held: Callable[[FakeCloud], str], words: str
) -> None:
    fake.hypervisors.append(Hypervisor("cmp-3"))
    held(fake)
    _, result = dispatch("hypervisor.find_candidates", {}, fake.config())
    rows = {row["name"]: row for row in result["rows"]}
    assert rows["cmp-3"]["rank"] < rows["cmp-1"]["rank"]
    assert words in rows["cmp-1"]["why"]
    assert "no servers are on it" not in rows["cmp-1"]["why"]
    assert rows["cmp-1"]["stay"] == 1


@ways
def test_it_is_shown(fake: FakeCloud, held: Callable[[FakeCloud], str], words: str) -> None:
    id = held(fake)
    table = read(fake.account(), "hypervisor.show", hypervisor="cmp-1")
    assert id in [row["id"] for row in table.rows]


def test_an_allocation_of_a_server_that_has_just_left_is_waited_for(
    fake: FakeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(draining, "time", clock)
    *_, verify = drain(fake).steps()
    leaked(fake)
    clock.after(5, fake.placement.leaked.clear)
    said = perform(verify, fake.account(), FakeAttempt(clock.wait))
    assert said == {"said": "cmp-1 is empty"}


def test_allocations_that_servers_and_their_migrations_explain_hold_nothing(
    fake: FakeCloud,
) -> None:
    server = Server("leaving", status="MIGRATING", task="migrating")
    fake.servers.append(server)
    moved = Migration(3, server, "live-migration", "cmp-1", "cmp-2", 9e9, Course(), "running")
    fake.migrations.append(moved)
    fake.placement.leaked["cmp-1"] = {moved.uuid: server.resources}
    assert [left["what"] for left in drain(fake).left] == [f"leaving ({server.id})"]


def test_a_record_that_was_left_behind_holds_nothing(fake: FakeCloud) -> None:
    server = Server("deleted since", "cmp-2")
    fake.migrations.append(
        Migration(7, server, "resize", "cmp-1", "cmp-2", 0, Course(), "finished")
    )
    assert drain(fake).left == []


def test_a_resize_on_the_same_host_is_a_server_there(fake: FakeCloud) -> None:
    server = Server("resized", status="VERIFY_RESIZE")
    fake.servers.append(server)
    fake.migrations.append(
        Migration(7, server, "resize", "cmp-1", "cmp-1", 0, Course(), "finished")
    )
    assert [left["what"] for left in drain(fake).left] == [f"resized ({server.id})"]


def test_what_placement_does_not_answer_is_not_nothing(fake: FakeCloud) -> None:
    fake.fail("/resource_providers/.*/allocations", 404, times=9)
    with pytest.raises(CloudError):  # it knows the provider, so the 404 is another fault
        drain(fake)
    fake.fail("/placement/", 403, times=99)
    table = read(fake.account(), "hypervisor.show", hypervisor="cmp-1")
    assert not table.good


def test_where_migrations_may_not_be_read_nothing_is_surely_empty(fake: FakeCloud) -> None:
    fake.fail("/os-migrations", 403, times=99)
    kind, result = dispatch("hypervisor.find_empty", {}, fake.config())
    assert (kind, result["complete"]) == ("failed", False)
    assert {row["note"] for row in result["rows"]} == {
        "whether anything else holds it is not known"
    }
    table = read(fake.account(), "hypervisor.show", hypervisor="cmp-1")
    assert not table.good


def test_a_hypervisor_without_a_provider_has_no_allocations(fake: FakeCloud) -> None:
    fake.fail("/resource_providers/.*/allocations", 404, times=9)
    fake.fail("/resource_providers", body={"resource_providers": []}, times=9)
    assert drain(fake).left == []


def test_a_name_in_exclude_that_two_servers_have_is_refused(fake: FakeCloud) -> None:
    fake.servers += [Server("twin", id="id-1"), Server("twin", id="id-2")]
    with pytest.raises(UserError, match=r"2 servers are called 'twin'.*id-1, id-2"):
        drain(fake, exclude=["twin"])
    assert [skipped["what"] for skipped in drain(fake, exclude=["id-2"]).skipped] == ["twin"]


def test_a_server_of_an_odd_name_is_excluded_by_its_id_or_by_what_is_shown(fake: FakeCloud) -> None:
    fake.servers.append(Server("odd\x1b[31m"))
    shown = drain(fake, exclude=[fake.servers[0].id]).skipped[0]["what"]
    assert drain(fake, exclude=[shown]).skipped[0]["why"] == "it was excluded"
    with pytest.raises(UserError, match="control character"):
        drain(fake, exclude=["odd\x1b[31m"])


# -- what was looked up is what is sent --------------------------------------------------------

FQDN = Hypervisor("cmp-2.example.org", host="cmp-2")


@pytest.mark.parametrize("wanted", [FQDN.id, FQDN.name, FQDN.host])
def test_the_target_is_sent_as_nova_calls_it(wanted: str) -> None:
    with FakeCloud([Hypervisor("cmp-1"), FQDN], [Server("a")]) as fake:
        move = next(s for s in drain(fake, target=wanted).steps() if "migrate" in s.sentence)
        assert move.data["target"] == "cmp-2"
        plan = drawn(fake.account(), "server.migrate", server="a", target=wanted)
        assert next(plan.steps()).data["target"] == "cmp-2"


def test_the_source_is_known_by_its_service_too() -> None:
    source = Hypervisor("cmp-1.example.org", host="cmp-1")
    with FakeCloud([source, FQDN], [Server("a")]) as fake:
        for wanted in (source.id, source.name, source.host):
            plan = drain(fake, hypervisor=wanted)
            assert [s.data.get("source") for s in plan.steps()][1] == "cmp-1"
            *_, verify = plan.steps()
            assert verify.data["hypervisor"] == source.id


# -- one compute service with several hypervisors ----------------------------------------------


@pytest.fixture
def ironic() -> Iterator[FakeCloud]:
    nodes = [Hypervisor(f"node-{number}", host="ironic") for number in (1, 2, 3)]
    with FakeCloud([*nodes, Hypervisor("cmp-1")]) as fake:
        fake.servers += [Server("bare-1", "ironic", node="node-1")]
        fake.servers += [Server("bare-2", "ironic", node="node-2")]
        Tables(fake)
        yield fake


def test_only_the_servers_of_a_node_are_shown(ironic: FakeCloud) -> None:
    for node, names in {"node-1": ["bare-1"], "node-3": []}.items():
        table = read(ironic.account(), "hypervisor.show", hypervisor=node)
        assert [row["name"] for row in table.rows] == names


@pytest.mark.parametrize("verb", ["drain", "disable", "enable"])
def test_what_would_switch_all_nodes_is_refused(ironic: FakeCloud, verb: str) -> None:
    asked: dict[str, Any] = {} if verb == "enable" else {"reason": "new RAM"}
    with pytest.raises(Refused) as refused:
        call(ironic.account(), f"hypervisor.{verb}", hypervisor="node-1", **asked)
    (why,) = refused.value.reasons
    assert "its compute service ironic has 2 hypervisors more (node-2, node-3)" in why
    assert "baremetal node maintenance set node-1" in str(refused.value)
    assert ironic.changes == []


@pytest.mark.long
def test_a_node_without_a_server_is_empty(ironic: FakeCloud) -> None:
    _, result = dispatch("hypervisor.find_empty", {}, ironic.config())
    assert [row["name"] for row in result["rows"]] == ["cmp-1", "node-3"]
    _, result = dispatch("hypervisor.find_candidates", {}, ironic.config())
    rows = {row["name"]: row["servers"] for row in result["rows"]}
    assert rows == {"cmp-1": 0, "node-1": 1, "node-2": 1, "node-3": 0}
    why = {row["name"]: row["why"] for row in result["rows"]}
    assert "so it cannot be drained of its 1 server" in why["node-1"]
    assert "no servers are on it" in why["node-3"]
    counted = query("hypervisor").select("name", "server_count").run([ironic.account()])
    assert dict(counted.rows) == {"cmp-1": 0, "node-1": 1, "node-2": 1, "node-3": 0}


def test_the_service_of_several_is_no_name_of_one(ironic: FakeCloud) -> None:
    ironic.servers.append(Server("a", "cmp-1"))
    (reason,) = refusal(ironic, hypervisor="cmp-1", target="node-1", reason="r")
    assert "one of several hypervisors of the compute service ironic" in reason
    with pytest.raises(UserError, match="3 hypervisors are called 'ironic'"):
        drain(ironic, hypervisor="cmp-1", target="ironic")

"""What is particular to the devices of servers; test_verbs.py goes through the whole tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.fake_cloud import FakeCloud
from support.fake_cloud_devices import FakeDevices
from support.fake_cloud_estate import Hypervisor, Json, Server
from support.fake_cloud_runs import Clock, FakeAttempt, drawn, look_up, perform
from workflow_api import Begun, Plan, Refused, UnknownOutcome


@pytest.fixture
def fake(clock: Clock) -> Iterator[FakeCloud]:
    servers = [Server("web-1"), Server("web-2")]
    with FakeCloud([Hypervisor("cmp-1")], servers, now=clock.monotonic) as fake:
        yield fake


@pytest.fixture
def devices(fake: FakeCloud) -> FakeDevices:
    return fake.part(FakeDevices)


@pytest.fixture
def lan(devices: FakeDevices) -> Json:
    return devices.network("lan")


def plan_of(fake: FakeCloud, name: str, **options: Any) -> Plan:
    return drawn(fake.account(), name, server="web-1", **options)


def refusals(fake: FakeCloud, name: str, **options: Any) -> list[str]:
    with pytest.raises(Refused) as refused:
        plan_of(fake, name, **options)
    return [reason.partition(": ")[2] for reason in refused.value.reasons]


# -- volumes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"status": "error"}, "the volume data is error"),
        ({"os-vol-tenant-attr:tenant_id": "p-2"}, "the volume data belongs to another project"),
    ],
)
def test_what_volume_is_not_attached(
    fake: FakeCloud, devices: FakeDevices, facts: Json, why: str
) -> None:
    devices.volume("data", **facts)
    assert refusals(fake, "server.attach_volume", volume="data") == [why]


def test_a_volume_of_another_server_is_attached_if_it_may_have_two(
    fake: FakeCloud, devices: FakeDevices
) -> None:
    other = fake.server("web-2")
    row = devices.volume("data", other)
    why = f"the volume data is attached to {other.id}: detach it there first"
    assert refusals(fake, "server.attach_volume", volume="data") == [why]
    row["multiattach"] = True
    assert plan_of(fake, "server.attach_volume", volume="data").changes() == 1


def test_what_volume_is_not_detached(fake: FakeCloud, devices: FakeDevices) -> None:
    server = fake.server("web-1")
    row = devices.volume("root", server, metadata={"openstack_ops:protected": "yes"})
    row["attachments"][0]["device"] = "/dev/vda"
    server.image = ""
    with pytest.raises(Refused) as refused:
        plan_of(fake, "server.detach_volume", volume="root")
    assert refused.value.kept, "one of many rows is skipped for that"
    assert refusals(fake, "server.detach_volume", volume="root") == [
        "the volume root is protected by its metadata openstack_ops:protected",
        "it boots from the volume root",
    ]


def test_the_plan_names_both(fake: FakeCloud, devices: FakeDevices) -> None:
    devices.volume("data")
    (step,) = plan_of(fake, "server.attach_volume", volume="data").steps()
    assert step.sentence == "attach volume data to web-1"


def test_another_change_of_devices_is_waited_out(fake: FakeCloud, devices: FakeDevices) -> None:
    devices.volume("data")
    power, server = fake.nova.power, fake.server("web-1")
    record = power.record(server, "detach_volume", begun=power.moment(), over=False)
    why = "a task is under way on it (detach_volume)"
    assert refusals(fake, "server.attach_volume", volume="data") == [why]
    # What nova-compute never heard of keeps nobody off for good.
    record["start_time"] = "2026-01-01T10:00:00.000000"
    assert plan_of(fake, "server.attach_volume", volume="data").changes() == 1


# -- networks and ports ------------------------------------------------------------------------


def test_a_network_is_attached_with_an_address(
    fake: FakeCloud, lan: Json, attempt: FakeAttempt
) -> None:
    options = {"network": "lan", "fixed_address": " 2001:DB8:0::1 "}
    (step,) = plan_of(fake, "server.attach_network", **options).steps()
    said = perform(step, fake.account(), attempt)["said"]
    assert said == "web-1 is on that network as 2001:db8::1"
    wanted = {"net_id": lan["id"], "fixed_ips": [{"ip_address": "2001:db8::1"}]}
    assert [change.body["interfaceAttachment"] for change in fake.changes] == [wanted]
    skipped = plan_of(fake, "server.attach_network", **options).skipped
    assert [entry["why"] for entry in skipped] == ["it is on that network as 2001:db8::1 already"]


def test_what_address_is_not_given(fake: FakeCloud, devices: FakeDevices, lan: Json) -> None:
    taken = devices.port("theirs", lan, fake.server("web-2"))["fixed_ips"][0]["ip_address"]
    asked = {"network": "lan", "fixed_address": taken}
    assert refusals(fake, "server.attach_network", **asked) == [f"{taken} is taken by port theirs"]
    asked["fixed_address"] = "10.0.0.300"
    why = "'10.0.0.300' is not an IP address"
    assert refusals(fake, "server.attach_network", **asked) == [why]


def test_what_port_is_not_attached(fake: FakeCloud, devices: FakeDevices, lan: Json) -> None:
    devices.port("theirs", lan, fake.server("web-2"), project_id="p-2")
    assert refusals(fake, "server.attach_port", port="theirs") == [
        f"the port theirs belongs to compute:nova {fake.server('web-2').id}",
        "the port theirs belongs to another project",
    ]


def test_a_port_is_found_under_way_after_novas_own_timeout(
    fake: FakeCloud, devices: FakeDevices, lan: Json, attempt: FakeAttempt
) -> None:
    devices.port("spare", lan)
    (step,) = plan_of(fake, "server.attach_port", port="spare").steps()
    fake.fail("POST .*/os-interface", 500, late=True)
    with pytest.raises(UnknownOutcome):
        perform(step, fake.account(), attempt)
    assert isinstance(look_up(step, fake.account(), attempt), Begun)
    perform(step, fake.account(), attempt)
    assert len(fake.changes) == 1


def test_a_floating_ip_of_a_port_is_told(fake: FakeCloud, devices: FakeDevices, lan: Json) -> None:
    port = devices.port("mine", lan, fake.server("web-1"))
    row = {"id": "f-1", "floating_ip_address": "198.51.100.7", "port_id": port["id"]}
    devices.tables.floating_ips.append(row)
    plan = plan_of(fake, "server.detach_port", port="mine")
    assert plan.notes == [
        "the floating IP 198.51.100.7 leads to this port, and to nothing without it"
    ]


# -- security groups ---------------------------------------------------------------------------


def test_each_port_is_put_into_a_group_once(
    fake: FakeCloud, devices: FakeDevices, lan: Json, attempt: FakeAttempt
) -> None:
    server, ssh = fake.server("web-1"), devices.group("ssh")["id"]
    ports = [
        devices.port("a", lan, server, security_groups=["g-1"]),
        devices.port("b", lan, server, security_groups=[ssh]),
        devices.port("c", lan, server, port_security_enabled=False),
    ]
    plan = plan_of(fake, "server.add_security_group", security_group="ssh")
    assert plan.notes == ["port security is off on its port c: no group applies to it"]
    (step,) = plan.steps()
    perform(step, fake.account(), attempt)
    assert [port["security_groups"] for port in ports] == [["g-1", ssh], [ssh], []]
    assert len(fake.changes) == 1


def test_a_part_that_was_done_is_not_repeated(
    fake: FakeCloud, devices: FakeDevices, lan: Json, attempt: FakeAttempt
) -> None:
    server, ssh = fake.server("web-1"), devices.group("ssh")["id"]
    ports = [devices.port(name, lan, server) for name in ("a", "b", "c")]
    (step,) = plan_of(fake, "server.add_security_group", security_group="ssh").steps()
    second = ports[1]["id"]
    fake.fail(f"PUT .*/ports/{second}", cut=True)
    with pytest.raises(UnknownOutcome):
        perform(step, fake.account(), attempt)
    assert look_up(step, fake.account(), attempt) is None
    perform(step, fake.account(), attempt)
    assert [port["security_groups"] for port in ports] == [[ssh]] * 3
    sent = [change.path.rpartition("/")[2] for change in fake.changes]
    assert sent == [ports[0]["id"], second, second, ports[2]["id"]]


def test_groups_need_ports_that_they_apply_to(
    fake: FakeCloud, devices: FakeDevices, lan: Json
) -> None:
    devices.group("ssh")
    options = {"security_group": "ssh"}
    assert refusals(fake, "server.add_security_group", **options) == ["it has no port"]
    devices.port("a", lan, fake.server("web-1"), port_security_enabled=False)
    (why,) = refusals(fake, "server.add_security_group", **options)
    assert why.startswith("port security is off on all of its ports")


def test_a_port_that_is_left_without_a_group_is_told(
    fake: FakeCloud, devices: FakeDevices, lan: Json
) -> None:
    ssh = devices.group("ssh")["id"]
    devices.port("a", lan, fake.server("web-1"), security_groups=[ssh])
    plan = plan_of(fake, "server.remove_security_group", security_group="ssh")
    assert plan.notes == ["its port a has no group then, and nothing gets through to it"]

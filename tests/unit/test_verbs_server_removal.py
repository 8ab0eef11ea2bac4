"""Deleting servers: what goes with them, and what of it is kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import uuid_of
from support.fake_cloud_runs import Clock, FakeAttempt, drawn, perform, take_back
from support.fake_cloud_tables import Tables
from support.server_stand import ServerStand
from support.verb_stands import NAME
from workflow_api import Plan, Refused


@pytest.fixture
def fake(clock: Clock) -> Iterator[FakeCloud]:
    with FakeCloud(now=clock.monotonic) as fake:
        ServerStand(fake)
        fake.part(Tables)
        yield fake


def planned(fake: FakeCloud, **options: Any) -> Plan:
    return drawn(fake.account(), "server.delete", server=NAME, **options)


def with_volumes(fake: FakeCloud) -> None:
    """Have two volumes attached, of which one goes with the server."""
    for name, size in (("root", 10), ("data", 50)):
        row = {"id": uuid_of("volume", name), "name": name, "size": size, "status": "in-use"}
        fake.part(Tables).volumes.append(row)
        fake.server(NAME).volumes.append(row["id"])
    fake.server(NAME).doomed = [uuid_of("volume", "root")]


def test_what_goes_with_it_is_said(fake: FakeCloud) -> None:
    with_volumes(fake)
    fixed = [{"ip_address": "192.0.2.10", "subnet_id": "s"}]
    tables, id = fake.part(Tables), fake.server(NAME).id
    tables.ports.append({"id": "port-1", "device_id": id, "fixed_ips": fixed})
    tables.ports.append({"id": "port-2", "device_id": "another", "fixed_ips": fixed})
    tables.floating_ips.append(
        {"id": "fip-1", "floating_ip_address": "203.0.113.5", "port_id": "port-1"}
    )
    assert planned(fake).notes == [
        "Deleted with it: 1 volume (root, 10 GiB).",
        "Kept, and free afterwards: 1 volume (data, 50 GiB).",
        "It has 1 port (192.0.2.10): those that Nova made for it are deleted with it, others stay.",
        "Left without a server, and still its project's: 203.0.113.5.",
    ]


def test_volumes_are_kept_if_asked(fake: FakeCloud, attempt: FakeAttempt) -> None:
    with_volumes(fake)
    plan = planned(fake, keep_volumes=True)
    assert plan.notes == ["Kept, and free afterwards: 2 volumes (root, 10 GiB, data, 50 GiB)."]
    keep, delete = plan.steps()
    perform(keep, fake.account(), attempt)
    assert fake.server(NAME).doomed == []
    take_back(keep, fake.account(), attempt)
    assert fake.server(NAME).doomed == [uuid_of("volume", "root")]
    perform(keep, fake.account(), attempt)
    perform(delete, fake.account(), attempt)
    assert fake.servers == []


def test_a_protected_volume_is_not_lost_with_it(fake: FakeCloud) -> None:
    with_volumes(fake)
    root, data = fake.part(Tables).volumes
    data["metadata"] = {"openstack_ops:protected": "yes"}
    assert planned(fake).changes() == 1, "it stays"
    root["metadata"] = {"openstack_ops:protected": "yes"}
    with pytest.raises(Refused, match=r"the volume root is protected.*keep_volumes=true") as error:
        planned(fake)
    assert error.value.kept
    assert planned(fake, keep_volumes=True).changes() == 2


def test_volumes_cannot_be_kept_by_an_older_nova(fake: FakeCloud) -> None:
    with_volumes(fake)
    fake.compute_version = "2.84"
    with pytest.raises(Refused, match=r"its volumes cannot be kept: .* 2\.85"):
        planned(fake, keep_volumes=True)
    assert planned(fake).changes() == 1


def test_a_snapshot_is_taken_first(fake: FakeCloud, attempt: FakeAttempt) -> None:
    plan = planned(fake, snapshot=True, keep_snapshot="1d")
    for step in plan.steps():
        perform(step, fake.account(), attempt)
    image = fake.images[-1]
    assert image["name"] == "web-1 before deletion (11111111)"
    assert image["openstack_ops:keep_until"]
    assert fake.servers == []


def test_what_cannot_be_saved_is_not_deleted(fake: FakeCloud) -> None:
    fake.server(NAME).status = "ERROR"
    with pytest.raises(Refused, match="no snapshot can be taken: it is ERROR"):
        planned(fake, snapshot=True)
    assert planned(fake).changes() == 1


def test_one_that_nova_keeps_for_a_time_is_gone(fake: FakeCloud, attempt: FakeAttempt) -> None:
    fake.nova.lives.softly = True
    id = fake.server(NAME).id
    (step,) = planned(fake).steps()
    said = perform(step, fake.account(), attempt)["said"]
    assert said == "web-1 is deleted, and can be restored until Nova reclaims it"
    plan = drawn(fake.account(), "server.delete", server=id)
    assert [entry["what"] for entry in plan.skipped] == [NAME]


def test_one_that_is_being_built_is_left_alone(fake: FakeCloud) -> None:
    fake.server(NAME).status = "BUILD"
    with pytest.raises(Refused, match=r"a task is under way on it \(building\)"):
        planned(fake)

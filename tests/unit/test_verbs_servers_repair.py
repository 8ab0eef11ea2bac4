"""What is particular to repairing servers: confirmations, evidence, and what is left alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from support.fake_cloud import FakeCloud
from support.fake_cloud_devices import FakeDevices
from support.fake_cloud_estate import Hypervisor, Server
from support.fake_cloud_runs import Clock, FakeAttempt, drawn, perform
from support.server_stand import images
from workflow_api import Plan, Refused


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fake(clock: Clock) -> Iterator[FakeCloud]:
    server = Server("web-1")
    with FakeCloud([Hypervisor("cmp-1")], [server], now=clock.monotonic) as fake:
        fake.images += images()
        yield fake


def plan_of(fake: FakeCloud, name: str, **options: Any) -> Plan:
    return drawn(fake.account(), name, server="web-1", **options)


def refusals(fake: FakeCloud, name: str, **options: Any) -> list[str]:
    with pytest.raises(Refused) as refused:
        plan_of(fake, name, **options)
    return [reason.partition(": ")[2] for reason in refused.value.reasons]


def ago(**time: int) -> str:
    """Return a time as Nova writes those of actions."""
    return f"{datetime.now(timezone.utc) - timedelta(**time):%Y-%m-%dT%H:%M:%S.000000}"


# -- rebuild -----------------------------------------------------------------------------------


def test_a_rebuild_takes_the_own_image_and_says_what_is_lost(fake: FakeCloud, clock: Clock) -> None:
    plan = plan_of(fake, "server.rebuild", confirm="web-1")
    assert plan.notes == [
        "its root disk is rewritten from the image ubuntu-24.04: what is on it is lost"
    ]
    (step,) = plan.steps()
    perform(step, fake.account(), FakeAttempt(wait=clock.wait))
    assert [change.body for change in fake.changes] == [{"rebuild": {"imageRef": "image-1"}}]


def test_a_rebuild_wants_the_name_and_an_image_that_is_whole(fake: FakeCloud) -> None:
    fake.images[0]["status"] = "deactivated"
    assert refusals(fake, "server.rebuild", confirm="web-2") == [
        "confirm is 'web-2', which is not its name",
        "the image ubuntu-24.04 is deactivated",
    ]
    fake.images.clear()
    why = "its image image-1 is gone: name another one"
    assert refusals(fake, "server.rebuild", confirm="web-1") == [why]


def test_a_server_on_a_volume_is_rebuilt_from_a_named_image_alone(fake: FakeCloud) -> None:
    fake.server("web-1").image = ""
    (why,) = refusals(fake, "server.rebuild", confirm="web-1")
    assert "name the image" in why
    plan = plan_of(fake, "server.rebuild", confirm="web-1", image="debian-12")
    (note,) = plan.notes
    assert note.startswith("the volume that it boots from is rewritten from the image debian-12")


def test_a_protected_volume_is_not_written_anew(fake: FakeCloud) -> None:
    server = fake.server("web-1")
    volume = fake.part(FakeDevices).volume("root", server)
    volume["attachments"][0]["device"] = "/dev/vda"
    volume["metadata"] = {"openstack_ops:protected": "yes"}
    assert plan_of(fake, "server.rebuild", confirm="web-1").changes() == 1, "it boots from an image"
    server.image = ""
    (why,) = refusals(fake, "server.rebuild", confirm="web-1", image="debian-12")
    assert why.startswith("the volume root is protected by its metadata")
    volume["attachments"][0]["device"] = "/dev/vdb"
    assert plan_of(fake, "server.rebuild", confirm="web-1", image="debian-12").changes() == 1


def test_all_marks_of_a_server_are_told(fake: FakeCloud) -> None:
    fake.server("web-1").locked = True
    fake.server("web-1").tags = ["openstack-ops-protected"]
    (why,) = refusals(fake, "server.rebuild", confirm="web-1")
    assert why.startswith("it is locked")
    assert "it is protected by the tag" in why


def test_a_server_that_was_shut_off_is_rebuilt_too(fake: FakeCloud, clock: Clock) -> None:
    fake.server("web-1").status = "SHUTOFF"
    (step,) = plan_of(fake, "server.rebuild", confirm="web-1").steps()
    said = perform(step, fake.account(), FakeAttempt(wait=clock.wait))["said"]
    assert said == "web-1 is ACTIVE"


# -- rescue ------------------------------------------------------------------------------------


def test_a_server_on_a_volume_needs_an_image_made_for_it(fake: FakeCloud) -> None:
    fake.server("web-1").image = ""
    needed = "it boots from a volume, and needs an image with hw_rescue_bus and hw_rescue_device"
    assert refusals(fake, "server.rescue") == [needed]
    assert refusals(fake, "server.rescue", image="debian-12") == [needed]
    fake.images.append(
        {
            **fake.images[1],
            "id": "7",
            "name": "rescue",
            "hw_rescue_bus": "usb",
            "hw_rescue_device": "disk",
        }
    )
    assert plan_of(fake, "server.rescue", image="rescue").changes() == 1


def test_a_rescue_sends_the_image(fake: FakeCloud, clock: Clock) -> None:
    (step,) = plan_of(fake, "server.rescue", image="debian-12").steps()
    perform(step, fake.account(), FakeAttempt(wait=clock.wait))
    assert [c.body for c in fake.changes] == [
        {"rescue": {"rescue_image_ref": fake.images[1]["id"]}}
    ]


# -- reset_state -------------------------------------------------------------------------------


def test_the_evidence_stands_in_the_plan(fake: FakeCloud) -> None:
    server = fake.server("web-1")
    server.task, server.fault = "rebooting", "libvirt went away"
    fake.hypervisors[0].state = "down"
    fake.nova.power.record(server, "reboot", begun=ago(hours=3), over=False)
    plan = plan_of(fake, "server.reset_state")
    assert [note.partition(", of ")[0] for note in plan.notes] == [
        "it has been in the task rebooting for 3h",
        "its newest action is reboot",
        "its fault is: libvirt went away",
        "nova-compute on its host cmp-1 is down and enabled",
        "Placement holds for it 10 DISK_GB, 1024 MEMORY_MB, 1 VCPU of cmp-1",
    ]
    (step,) = plan.steps()
    assert step.sentence == "reset the state of web-1 to error"


def test_evidence_that_cannot_be_had_is_said_to_be_missing(fake: FakeCloud) -> None:
    server = fake.server("web-1")
    server.task, server.host, server.allocated = "rebooting", None, False
    plan = plan_of(fake, "server.reset_state")
    assert plan.notes[-2:] == ["it is on no host", "Placement holds nothing for it"]
    fake.fail("/placement/allocations", 403)
    server.host = "cmp-9"
    host, held = plan_of(fake, "server.reset_state").notes[-2:]
    assert host == "Nova knows no nova-compute on its host cmp-9"
    assert "could not be read" in held


@pytest.mark.parametrize(("minutes", "old_enough"), [(30, False), (90, True)])
def test_a_young_task_is_left_alone(fake: FakeCloud, minutes: int, old_enough: bool) -> None:
    server = fake.server("web-1")
    server.task = "rebooting"
    fake.nova.power.record(server, "reboot", begun=ago(minutes=minutes), over=False)
    if old_enough:
        assert plan_of(fake, "server.reset_state").changes() == 1
    else:
        (why,) = refusals(fake, "server.reset_state")
        assert why.startswith("it has been in the task rebooting for 30m, less than 1h")
        assert plan_of(fake, "server.reset_state", older_than="20m").changes() == 1


@pytest.mark.parametrize(
    ("status", "task", "to", "why"),
    [
        ("ACTIVE", None, "error", "it is ACTIVE, with no task under way: there is nothing"),
        ("SHUTOFF", None, "active", "it is SHUTOFF, with no task under way: there is nothing"),
        ("BUILD", "spawning", "active", "one that is BUILD in the task spawning may only be reset"),
        ("REBUILD", "rebuilding", "active", "one that is REBUILD in the task rebuilding may only"),
        ("SHELVED_OFFLOADED", "spawning", "active", r"SHELVED_OFFLOADED \(spawning\): there is"),
    ],
)
def test_what_is_not_on_the_list_is_refused(
    fake: FakeCloud, status: str, task: str | None, to: str, why: str
) -> None:
    server = fake.server("web-1")
    server.status, server.task = status, task
    fake.nova.power.record(server, "reboot", over=False)
    with pytest.raises(Refused, match=why):
        plan_of(fake, "server.reset_state", to=to)


def test_a_server_in_error_is_called_active_again(fake: FakeCloud, clock: Clock) -> None:
    fake.server("web-1").status = "ERROR"
    (step,) = plan_of(fake, "server.reset_state", to="active").steps()
    perform(step, fake.account(), FakeAttempt(wait=clock.wait))
    assert fake.server("web-1").status == "ACTIVE"
    assert [change.body for change in fake.changes] == [{"os-resetState": {"state": "active"}}]


# -- protect and unprotect ---------------------------------------------------------------------


def test_each_mark_is_taken_off(fake: FakeCloud, clock: Clock) -> None:
    server = fake.server("web-1")
    server.tags = ["openstack-ops-protected", "web"]
    server.metadata = {"openstack_ops:protected": "yes", "role": "web"}
    (step,) = plan_of(fake, "server.unprotect").steps()
    perform(step, fake.account(), FakeAttempt(wait=clock.wait))
    assert (server.tags, server.metadata) == (["web"], {"role": "web"})


def test_a_mark_of_the_configuration_is_the_one_that_is_set(fake: FakeCloud, clock: Clock) -> None:
    cloud = fake.account(protected={"tag": "keep off / really?"})
    (step,) = drawn(cloud, "server.protect", server="web-1").steps()
    perform(step, cloud, FakeAttempt(wait=clock.wait))
    assert fake.server("web-1").tags == ["keep off / really?"]
    with pytest.raises(Refused, match="it is protected"):
        drawn(cloud, "server.stop", server="web-1")

"""What volumes' verbs look at in the cloud before: quotas, backends, attachments, states."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import OWNER, Hypervisor, Json, Server
from support.fake_cloud_runs import Clock, FakeAttempt, drawn, perform
from support.fake_cloud_volume import Course, FakeCinder
from verbs.volumes_stuck import ALLOWED
from workflow_api import NotFound, Plan, Refused, StepFailed, UserError


@pytest.fixture
def fake(clock: Clock) -> Iterator[FakeCloud]:
    with FakeCloud([Hypervisor("cmp-1")], [Server("web-1")], now=clock.monotonic) as fake:
        yield fake


@pytest.fixture
def cinder(fake: FakeCloud) -> FakeCinder:
    return fake.part(FakeCinder)


@pytest.fixture
def volume(cinder: FakeCinder) -> Json:
    return cinder.volume("data-1", size=20, volume_type="slow")


def plan_of(fake: FakeCloud, verb: str, **options: Any) -> Plan:
    return drawn(fake.account(), f"volume.{verb}", volume="data-1", **options)


# -- quota -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quota", "why"),
    [
        ({"gigabytes": 29}, "gigabytes is 29, of which 9 are free, and it needs 10"),
        ({"gigabytes": 10}, "gigabytes is 10, of which 0 are free, and it needs 10"),
        ({"gigabytes_slow": 9}, "gigabytes_slow is 9, of which 9 are free, and it needs 10"),
        ({"gigabytes": 30}, ""),
        ({"gigabytes": -1}, ""),
        ({"gigabytes_fast": 0}, ""),
    ],
)
def test_a_volume_is_extended_within_its_projects_quota(
    fake: FakeCloud, cinder: FakeCinder, volume: Json, quota: dict[str, int], why: str
) -> None:
    cinder.quota |= quota
    if why:
        with pytest.raises(Refused, match=f"the project's quota of {why}"):
            plan_of(fake, "extend", size_gib=30)
    else:
        assert len(list(plan_of(fake, "extend", size_gib=30).steps())) == 1
    asked = [line for line in map(str, (r.line for r in fake.requests)) if "quota" in line]
    assert asked == [f"GET /volume/v3/os-quota-sets/{OWNER}"]


# -- another type ------------------------------------------------------------------------------


def _pool(name: str, backend: str, free: object = 100) -> Json:
    return {
        "name": name,
        "capabilities": {"volume_backend_name": backend, "free_capacity_gb": free},
    }


HERE, THERE = _pool("block@lvm#lvm", "LVM"), _pool("ceph@rbd#rbd", "RBD")


def test_a_volumes_pool_has_to_have_room_for_it_to_grow(
    fake: FakeCloud, cinder: FakeCinder, volume: Json
) -> None:
    pool = _pool("here", "LVM", 5)
    volume["os-vol-host-attr:host"] = pool["name"]
    cinder.records.pools.append(pool)
    with pytest.raises(Refused, match=f"its pool {pool['name']} has no 20 GiB more"):
        plan_of(fake, "extend", size_gib=40)
    pool["capabilities"] |= {
        "thin_provisioning_support": True,
        "max_over_subscription_ratio": "4.0",
    }
    assert plan_of(fake, "extend", size_gib=40).changes() == 1


@pytest.mark.parametrize(
    ("backend", "pools", "migration", "snapshots", "why"),
    [
        ("", [], "never", 0, ""),
        ("LVM", [HERE, THERE], "never", 3, ""),
        ("RBD", [HERE, THERE], "never", 0, "does not have the type: with migration=on-demand"),
        ("RBD", [HERE, THERE], "on-demand", 0, ""),
        ("RBD", [HERE, _pool("c#", "RBD", "infinite")], "on-demand", 0, ""),
        ("RBD", [HERE, _pool("c#", "RBD", 19)], "on-demand", 0, "no pool of RBD has 20 GiB free"),
        ("RBD", [HERE, THERE], "on-demand", 2, "it has 2 snapshots, and Cinder moves no volume"),
        ("RBD", [HERE], "on-demand", 0, "no backend is called RBD"),
    ],
)
def test_a_type_has_to_fit(
    fake: FakeCloud,
    cinder: FakeCinder,
    volume: Json,
    backend: str,
    pools: list[Json],
    migration: str,
    snapshots: int,
    why: str,
) -> None:
    fast, _ = cinder.records.types
    fast["extra_specs"] = {"volume_backend_name": backend} if backend else {}
    cinder.records.pools += pools
    for number in range(snapshots):
        cinder.snapshot(f"daily-{number}", volume)
    given = {"volume_type": fast["id"], "migration": migration}
    if why:
        with pytest.raises(Refused, match=why):
            plan_of(fake, "retype", **given)
    else:
        (step,) = plan_of(fake, "retype", **given).steps()
        assert step.data["options"] == {"volume_type": "fast", "migration": migration}


def test_a_type_of_which_the_project_may_have_no_more(
    fake: FakeCloud, cinder: FakeCinder, volume: Json
) -> None:
    cinder.quota["volumes_fast"] = 0
    with pytest.raises(Refused, match="the project's quota of volumes_fast is 0"):
        plan_of(fake, "retype", volume_type="fast")
    with pytest.raises(NotFound, match="fats"):
        plan_of(fake, "retype", volume_type="fats")


def test_who_may_not_see_pools_leaves_the_choice_to_the_scheduler(
    fake: FakeCloud, cinder: FakeCinder, volume: Json
) -> None:
    fast, _ = cinder.records.types
    fast["extra_specs"] = {"volume_backend_name": "RBD"}
    fake.fail("GET .*/get_pools", 403, body={"forbidden": {"message": "No.", "code": 403}})
    assert len(list(plan_of(fake, "retype", volume_type="fast").steps())) == 1


@pytest.mark.parametrize(
    ("messages", "status", "told"),
    [
        (
            [
                {
                    "user_message": "schedule: No valid backend.",
                    "created_at": "2026-01-02T03:04:05.000000",
                }
            ],
            200,
            r"no longer working .*\(schedule: No valid backend, said at 2026-01-02T03:04:05Z\)\.",
        ),
        ([], 200, r"no longer working on it\."),
        ([], 403, r"no longer working on it\."),
    ],
)
def test_what_cinder_says_of_a_failure_is_told(
    fake: FakeCloud,
    cinder: FakeCinder,
    volume: Json,
    attempt: FakeAttempt,
    messages: list[Json],
    status: int,
    told: str,
) -> None:
    cinder.records.messages += messages
    cinder.courses[volume["id"]] = Course(task=False)
    (step,) = plan_of(fake, "retype", volume_type="fast").steps()
    if status != 200:
        fake.fail("GET .*/messages", status, body={"forbidden": {"message": "No."}})
    with pytest.raises(StepFailed, match=f"data-1 is left available: .* {told}"):
        perform(step, fake.account(), attempt)


# -- a state that hangs ------------------------------------------------------------------------

_STATES = ("available", "in-use", "error", "awaiting-transfer", *ALLOWED)


@pytest.mark.parametrize("to", ["available", "in-use", "error"])
@pytest.mark.parametrize("status", sorted(set(_STATES)))
def test_only_allowed_states_are_reset(
    fake: FakeCloud, cinder: FakeCinder, volume: Json, status: str, to: str
) -> None:
    server = fake.server("web-1")
    volume["status"] = status
    if to == "in-use":
        record = cinder.records.attach(volume, server.id)
        cinder.records.have_at_nova(server, volume, record["id"])
    if status == to:
        assert plan_of(fake, "reset_state", to=to).skipped
    elif to in ALLOWED.get(status, ()):
        (step,) = plan_of(fake, "reset_state", to=to).steps()
        assert step.sentence == f"reset the state of data-1 to {to}"
    else:
        with pytest.raises(Refused, match=r"(there is nothing to reset|may only be reset to)"):
            plan_of(fake, "reset_state", to=to)
    assert fake.changes == []


@pytest.mark.parametrize(
    ("to", "cinders", "novas", "why"),
    [
        ("available", True, False, "it is attached: volume.detach_stuck"),
        ("available", False, True, "it is attached: volume.detach_stuck"),
        ("in-use", True, False, "Nova and Cinder do not both say that it is attached"),
        ("in-use", False, True, "Nova and Cinder do not both say that it is attached"),
    ],
)
def test_a_state_that_its_attachments_belie_is_refused(
    fake: FakeCloud,
    cinder: FakeCinder,
    volume: Json,
    to: str,
    cinders: bool,
    novas: bool,
    why: str,
) -> None:
    volume["status"] = "detaching"
    if cinders:
        cinder.records.attach(volume, fake.server("web-1").id)
    if novas:
        cinder.records.have_at_nova(fake.server("web-1"), volume, "another")
    with pytest.raises(Refused, match=why):
        plan_of(fake, "reset_state", to=to)


def test_the_evidence_is_shown(fake: FakeCloud, cinder: FakeCinder, volume: Json) -> None:
    volume["status"] = "detaching"
    cinder.records.services.append(
        {"binary": "cinder-volume", "host": "block@lvm", "state": "down", "status": "enabled"}
    )
    notes = plan_of(fake, "reset_state", to="available").notes
    assert notes[0].startswith("it has been detaching for ")
    assert notes[1:] == [
        "Cinder has no attachment of it",
        "Nova has it on no server",
        "the service of its backend block@lvm is down and enabled",
    ]
    cinder.records.services.clear()
    notes = plan_of(fake, "reset_state", to="available").notes
    assert notes[-1] == "Cinder knows no service of its backend block@lvm"


def test_what_was_changed_lately_may_still_be_at_work(fake: FakeCloud, volume: Json) -> None:
    volume |= {"status": "extending", "updated_at": "2999-01-01T00:00:00.000000"}
    with pytest.raises(Refused, match="it has been extending for 0s at most, less than 1h"):
        plan_of(fake, "reset_state", to="available")
    assert list(plan_of(fake, "reset_state", to="available", older_than="0s").steps())


@pytest.mark.parametrize(("to", "attach"), [("available", "detached"), ("error", None)])
def test_what_cinder_is_told(
    fake: FakeCloud, volume: Json, attempt: FakeAttempt, to: str, attach: str | None
) -> None:
    volume["status"] = "extending"
    (step,) = plan_of(fake, "reset_state", to=to).steps()
    perform(step, fake.account(), attempt)
    told = {"status": to, **({"attach_status": attach} if attach else {})}
    assert fake.changes[0].body == {"os-reset_status": told}


# -- what it is called -------------------------------------------------------------------------


def test_an_update_sends_what_is_not_so_yet(
    fake: FakeCloud, volume: Json, attempt: FakeAttempt
) -> None:
    volume["metadata"] = {"team": "web", "old": "1", "kept": "2"}
    given = {
        "new_name": "data-2",
        "description": "what it is for",
        "set_metadata": "team=web; stage=test",
        "remove_metadata": ["old", "never there"],
        "bootable": True,
    }
    (step,) = plan_of(fake, "update", **given).steps()
    perform(step, fake.account(), attempt)
    assert [change.body for change in fake.changes] == [
        {"volume": {"name": "data-2", "description": "what it is for"}},
        {"metadata": {"stage": "test"}},
        None,
        {"os-set_bootable": {"bootable": True}},
    ]
    assert volume["metadata"] == {"team": "web", "kept": "2", "stage": "test"}


def test_an_update_that_says_two_things_is_refused(fake: FakeCloud, volume: Json) -> None:
    with pytest.raises(Refused, match="a is to be set and to be removed"):
        plan_of(fake, "update", set_metadata="a=1", remove_metadata=["a"])


def test_an_update_that_says_nothing_changes_nothing(fake: FakeCloud, volume: Json) -> None:
    plan = plan_of(fake, "update")
    assert [entry["what"] for entry in plan.skipped] == ["data-1"]
    assert list(plan.steps()) == []


def test_metadata_that_is_no_pairs_is_refused(fake: FakeCloud, volume: Json) -> None:
    with pytest.raises(UserError, match="set_metadata must be name=value"):
        plan_of(fake, "update", set_metadata="team")

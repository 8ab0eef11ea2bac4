"""volume.snapshot against a fake cloud: the marks, whose it is, what is refused, lost answers."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

import pytest

from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import OWNER, Json, Project
from support.fake_cloud_runs import Clock, FakeAttempt, drawn, look_up, perform, take_back
from support.fake_cloud_volume import Course, FakeCinder
from workflow_api import Begun, Refused, StepFailed, UnknownOutcome
from workflow_api.planned import PlannedStep

SHOP = "51" * 16
_PROJECT = "os-extended-snapshot-attributes:project_id"


@pytest.fixture
def fake(clock: Clock) -> Iterator[FakeCloud]:
    with FakeCloud(projects=[Project("shop", id=SHOP)], now=clock.monotonic) as fake:
        yield fake


@pytest.fixture
def cinder(fake: FakeCloud) -> FakeCinder:
    return fake.part(FakeCinder)


@pytest.fixture
def volume(cinder: FakeCinder) -> Json:
    return cinder.volume("data-1", size=20)


def planned(fake: FakeCloud, **options: Any) -> PlannedStep:
    (step,) = drawn(fake.account(), "volume.snapshot", volume="data-1", **options).steps()
    return step


def test_it_carries_the_run_the_step_and_its_last_day(
    fake: FakeCloud, cinder: FakeCinder, volume: Json, attempt: FakeAttempt
) -> None:
    now = datetime.datetime.now(datetime.timezone.utc)
    step = planned(fake, keep="2d")
    until = f"{now + datetime.timedelta(days=2):%Y-%m-%d}"
    called = f"data-1 {now:%Y-%m-%d}"
    assert step.sentence == f"take the snapshot {called} of volume data-1, kept until {until}"
    assert fake.changes == []
    told = perform(step, fake.account(), attempt)
    (snapshot,) = cinder.snapshots
    assert told == {"id": snapshot["id"], "said": f"{called} is taken: {snapshot['id']}"}
    assert snapshot["metadata"] == {
        "openstack_ops:run": attempt.run,
        "openstack_ops:step": attempt.key,
        "openstack_ops:keep_until": until,
    }
    assert (snapshot["name"], snapshot["volume_id"]) == (called, volume["id"])
    assert look_up(step, fake.account(), attempt) == told
    perform(step, fake.account(), attempt)
    assert len(fake.changes) == 1


@pytest.mark.parametrize(("closed", "owner"), [(False, SHOP), (True, OWNER)])
def test_it_is_of_the_volumes_project_where_the_account_may_work_there(
    fake: FakeCloud,
    cinder: FakeCinder,
    volume: Json,
    attempt: FakeAttempt,
    closed: bool,
    owner: str,
) -> None:
    volume["os-vol-tenant-attr:tenant_id"] = SHOP
    fake.closed |= {SHOP} if closed else set()
    plan = drawn(fake.account(), "volume.snapshot", volume="data-1")
    assert bool(plan.notes) is closed
    perform(next(plan.steps()), fake.account(), attempt)
    assert cinder.snapshots[0][_PROJECT] == owner


@pytest.mark.parametrize("arrived", [True, False])
def test_a_lost_answer_is_looked_up(
    fake: FakeCloud, cinder: FakeCinder, volume: Json, attempt: FakeAttempt, arrived: bool
) -> None:
    step = planned(fake)
    fake.fail("POST .*/snapshots", cut=True, late=arrived)
    with pytest.raises(UnknownOutcome):
        perform(step, fake.account(), attempt)
    assert isinstance(look_up(step, fake.account(), attempt), Begun) is arrived
    other = FakeAttempt(run="another", key=attempt.key)
    assert look_up(step, fake.account(), other) is None
    perform(step, fake.account(), attempt)
    assert len(cinder.snapshots) == 1


def test_it_is_taken_back_once(
    fake: FakeCloud, cinder: FakeCinder, volume: Json, attempt: FakeAttempt
) -> None:
    theirs = cinder.snapshot("theirs", volume)
    step = planned(fake)
    perform(step, fake.account(), attempt)
    take_back(step, fake.account(), attempt)
    take_back(step, fake.account(), attempt)
    cinder.advance()
    attempt.wait(1.0)
    cinder.advance()
    assert cinder.snapshots == [theirs]
    assert len(fake.changes) == 2


def test_one_that_cinder_gives_up_is_a_failure(
    fake: FakeCloud, cinder: FakeCinder, volume: Json, attempt: FakeAttempt
) -> None:
    cinder.snapshot_birth = Course(ends="error")
    with pytest.raises(StepFailed, match="is left error"):
        perform(planned(fake), fake.account(), attempt)


@pytest.mark.parametrize(
    ("facts", "quota", "why"),
    [
        ({"status": "in-use"}, {}, "it is attached to a server"),
        ({"status": "error"}, {}, "it is error"),
        ({}, {"snapshots": 0}, "the project's quota of snapshots is 0"),
        ({}, {"gigabytes": 30}, "the project's quota of gigabytes is 30, of which 10 are free"),
    ],
)
def test_what_is_refused(
    fake: FakeCloud,
    cinder: FakeCinder,
    volume: Json,
    facts: Json,
    quota: dict[str, int],
    why: str,
) -> None:
    volume |= facts
    cinder.quota |= quota
    with pytest.raises(Refused, match=f"no snapshot can be taken of data-1: {why}") as refused:
        planned(fake)
    assert refused.value.kept is ("metadata" in facts), "one of many rows is skipped for that"


def test_one_that_is_attached_is_taken_by_force(
    fake: FakeCloud, volume: Json, attempt: FakeAttempt
) -> None:
    volume["status"] = "in-use"
    perform(planned(fake, force=True), fake.account(), attempt)
    assert fake.changes[0].body["snapshot"]["force"] is True

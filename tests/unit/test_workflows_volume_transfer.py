"""volume.transfer against a fake cloud: both halves, what is refused, and being cut off between."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import OWNER, Json, Project
from support.fake_cloud_runs import Clock, FakeAttempt, drawn, look_up, perform, take_back
from support.fake_cloud_volume import FakeCinder
from workflow_api import Begun, CloudError, Refused, StepFailed, UnknownOutcome
from workflow_api.planned import PlannedStep

SHOP = "51" * 16
_TENANT = "os-vol-tenant-attr:tenant_id"


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
    given = {"volume": "data-1", "project": "shop", **options}
    (step,) = drawn(fake.account(), "volume.transfer", **given).steps()
    return step


def changes(fake: FakeCloud) -> list[str]:
    return [change.line.partition("/v3")[2].partition("/")[2] for change in fake.changes]


def test_it_is_offered_and_accepted_by_a_login_to_the_other_project(
    fake: FakeCloud, cinder: FakeCinder, volume: Json, attempt: FakeAttempt
) -> None:
    step = planned(fake)
    assert step.sentence == "hand volume data-1 over to project shop"
    assert fake.changes == []
    told = perform(step, fake.account(), attempt)
    assert volume[_TENANT] == SHOP
    assert volume["status"] == "available"
    assert told == {"said": "data-1 belongs to project shop"}
    assert [line.rpartition("/")[2] for line in changes(fake)] == ["volume-transfers", "accept"]
    assert fake.changes[0].body["transfer"]["no_snapshots"] is False
    assert look_up(step, fake.account(), attempt) == told
    plan = drawn(fake.account(), "volume.transfer", volume="data-1", project="shop")
    assert plan.skipped == [{"what": "data-1", "why": "it belongs to project shop already"}]


def test_the_key_of_an_offer_is_told_and_kept_nowhere(
    fake: FakeCloud, cinder: FakeCinder, volume: Json, attempt: FakeAttempt
) -> None:
    step = planned(fake)
    told = perform(step, fake.account(), attempt)
    (key,) = cinder.records.keys
    kept = repr((step.data, told, attempt.notes, attempt.said))
    assert key not in kept


@pytest.mark.parametrize("half", ["POST .*/volume-transfers$", "POST .*/accept"])
@pytest.mark.parametrize("arrived", [True, False])
def test_cut_off_in_either_half_it_is_done_once_in_the_end(
    fake: FakeCloud,
    cinder: FakeCinder,
    volume: Json,
    attempt: FakeAttempt,
    half: str,
    arrived: bool,
) -> None:
    step = planned(fake)
    fake.fail(half, cut=True, late=arrived)
    with pytest.raises(UnknownOutcome):
        perform(step, fake.account(), attempt)
    found = look_up(step, fake.account(), attempt)
    over = "accept" in half and arrived
    offered = bool(cinder.records.transfers)
    assert isinstance(found, Begun) is offered
    assert (found is not None and not offered) is over
    perform(step, fake.account(), attempt)
    assert volume[_TENANT] == SHOP
    assert cinder.records.transfers == []
    assert len([line for line in changes(fake) if line.endswith("accept")]) <= 2


def test_what_was_offered_and_not_accepted_is_withdrawn_when_the_run_is_given_up(
    fake: FakeCloud, cinder: FakeCinder, volume: Json, attempt: FakeAttempt
) -> None:
    step = planned(fake)
    assert step.undo == "on_failure"
    fake.fail("POST .*/accept", 403, body={"forbidden": {"message": "No.", "code": 403}})
    with pytest.raises(CloudError, match=r"No\."):
        perform(step, fake.account(), attempt)
    assert volume["status"] == "awaiting-transfer"
    take_back(step, fake.account(), attempt)
    take_back(step, fake.account(), attempt)
    assert (volume["status"], volume[_TENANT]) == ("available", OWNER)


def test_an_offer_of_somebody_else_is_not_withdrawn(
    fake: FakeCloud, cinder: FakeCinder, volume: Json, attempt: FakeAttempt
) -> None:
    step = planned(fake)
    volume["status"] = "awaiting-transfer"
    cinder.records.transfers.append({"id": "t-1", "name": "theirs", "volume_id": volume["id"]})
    with pytest.raises(StepFailed, match="is offered by another transfer: t-1"):
        perform(step, fake.account(), attempt)
    assert fake.changes == []


def test_it_goes_without_its_snapshots_if_asked(
    fake: FakeCloud, cinder: FakeCinder, volume: Json, attempt: FakeAttempt
) -> None:
    cinder.snapshot("daily", volume)
    plan = drawn(
        fake.account(), "volume.transfer", volume="data-1", project="shop", snapshots=False
    )
    assert plan.notes == [f"1 snapshot stays with project {OWNER}"]
    perform(next(plan.steps()), fake.account(), attempt)
    assert fake.changes[0].body["transfer"]["no_snapshots"] is True


def _status(status: str) -> Any:
    return lambda fake, cinder, volume: volume.update(status=status)


def _protect(fake: FakeCloud, cinder: FakeCinder, volume: Json) -> None:
    volume["metadata"] = {"openstack_ops:protected": "yes"}


def _encrypt(fake: FakeCloud, cinder: FakeCinder, volume: Json) -> None:
    volume["encrypted"] = True


def _snapshot(fake: FakeCloud, cinder: FakeCinder, volume: Json) -> None:
    cinder.snapshot("daily", volume, status="creating")


def _fill(fake: FakeCloud, cinder: FakeCinder, volume: Json) -> None:
    cinder.quota["gigabytes"] = 25


def _close(fake: FakeCloud, cinder: FakeCinder, volume: Json) -> None:
    fake.closed.add(SHOP)


def _offer(fake: FakeCloud, cinder: FakeCinder, volume: Json) -> None:
    volume["status"] = "awaiting-transfer"
    cinder.records.transfers.append({"id": "t-1", "name": "theirs", "volume_id": volume["id"]})


@pytest.mark.parametrize(
    ("prepare", "why"),
    [
        (_status("in-use"), "it is in-use"),
        (_protect, "it is protected by its metadata"),
        (_encrypt, "it is encrypted"),
        (_snapshot, "its snapshot daily is creating"),
        (_fill, "the project's quota of gigabytes is 25, of which 5 are free, and it needs 20"),
        (_close, "the account of cloud fake has no role in project shop"),
        (_offer, r"it is offered by another transfer \(t-1\)"),
    ],
)
def test_what_is_refused_before_anything_is_offered(
    fake: FakeCloud, cinder: FakeCinder, volume: Json, prepare: Any, why: str
) -> None:
    prepare(fake, cinder, volume)
    with pytest.raises(Refused, match=f"data-1 cannot be transferred: {why}") as refused:
        planned(fake)
    assert refused.value.kept is (prepare is _protect), "one of many rows is skipped for that"
    assert fake.changes == []

"""volume.create: what it is made from, where, for whom, and what of that does not fit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Json, Project, uuid_of
from support.fake_cloud_runs import Clock, FakeAttempt, drawn, look_up, perform
from support.fake_cloud_volume import FakeCinder
from workflow_api import Begun, Refused, UnknownOutcome
from workflow_api.planned import PlannedStep

SHOP = "51" * 16
GIB = 1 << 30


@pytest.fixture
def fake(clock: Clock) -> Iterator[FakeCloud]:
    with FakeCloud(projects=[Project("shop", id=SHOP)], now=clock.monotonic) as fake:
        yield fake


@pytest.fixture
def cinder(fake: FakeCloud) -> FakeCinder:
    return fake.part(FakeCinder)


@pytest.fixture
def image(fake: FakeCloud) -> Json:
    row: Json = {"id": uuid_of("image", "debian-12"), "name": "debian-12", "status": "active"}
    row |= {"size": 3 * GIB, "min_disk": 2, "visibility": "public", "owner": "another"}
    fake.images.append(row)
    return row


@pytest.fixture
def snapshot(cinder: FakeCinder) -> Json:
    return cinder.snapshot("daily", cinder.volume("data-1", size=20))


def planned(fake: FakeCloud, **options: Any) -> PlannedStep:
    given = {"name": "data-2", "size_gib": 20, **options}
    (step,) = drawn(fake.account(), "volume.create", **given).steps()
    return step


def test_there_has_to_be_room_in_a_pool_of_its_type(fake: FakeCloud) -> None:
    records = fake.part(FakeCinder).records
    fast = next(row for row in records.types if row["name"] == "fast")
    fast["extra_specs"] = {"volume_backend_name": "RBD"}
    free = {"volume_backend_name": "RBD", "free_capacity_gb": 10}
    records.pools.append({"name": "c#1", "capabilities": free})
    records.pools.append({"name": "c#2", "capabilities": {"free_capacity_gb": 15}})
    with pytest.raises(Refused, match="no pool of RBD has 20 GiB free"):
        planned(fake, volume_type="fast")
    with pytest.raises(Refused, match="no pool has 20 GiB free"):
        planned(fake)
    free["free_capacity_gb"] = 20
    assert planned(fake, volume_type="fast")


def test_it_is_made_from_an_image(
    fake: FakeCloud, cinder: FakeCinder, image: Json, attempt: FakeAttempt
) -> None:
    perform(planned(fake, image=image["id"]), fake.account(), attempt)
    assert fake.changes[0].body["volume"]["imageRef"] == image["id"]


def test_it_is_made_from_a_snapshot_in_a_zone(
    fake: FakeCloud, cinder: FakeCinder, snapshot: Json, attempt: FakeAttempt
) -> None:
    step = planned(fake, volume_snapshot="daily", zone="az-1")
    perform(step, fake.account(), attempt)
    sent = fake.changes[0].body["volume"]
    assert (sent["snapshot_id"], sent["availability_zone"]) == (snapshot["id"], "az-1")


@pytest.mark.parametrize("arrived", [True, False])
@pytest.mark.parametrize("request_", ["POST .*/volumes$", "POST .*/action"])
def test_it_is_made_bootable_once_whichever_answer_is_lost(
    fake: FakeCloud, cinder: FakeCinder, attempt: FakeAttempt, request_: str, arrived: bool
) -> None:
    step = planned(fake, bootable=True)
    fake.fail(request_, cut=True, late=arrived)
    with pytest.raises(UnknownOutcome):
        perform(step, fake.account(), attempt)
    found = look_up(step, fake.account(), attempt)
    assert found is None or isinstance(found, Begun)
    perform(step, fake.account(), attempt)
    (volume,) = cinder.volumes
    assert (volume["bootable"], volume["status"]) == ("true", "available")


def _broken(fake: FakeCloud, image: Json, snapshot: Json) -> None:
    image["status"] = "deactivated"
    snapshot["status"] = "error"


def _private(fake: FakeCloud, image: Json, snapshot: Json) -> None:
    image["visibility"] = "private"


@pytest.mark.parametrize("project", [None, SHOP])
def test_an_image_of_others_has_to_be_shared_with_the_project(
    fake: FakeCloud, cinder: FakeCinder, image: Json, project: str | None
) -> None:
    given = {"image": "debian-12", **({"project": project} if project else {})}
    image["visibility"] = "shared"
    members = fake.glance.members.setdefault(image["id"], {"p-2": "accepted"})
    with pytest.raises(Refused, match="debian-12 is another project's, and not shared"):
        planned(fake, **given)
    members[project or fake.project] = "pending"
    assert planned(fake, **given).data["options"]["image"] == image["id"]


@pytest.mark.parametrize(
    ("options", "prepare", "why"),
    [
        ({"image": "debian-12", "size_gib": 2}, None, "the image debian-12 needs 3 GiB"),
        ({"image": "debian-12"}, _broken, "the image debian-12 is deactivated"),
        (
            {"image": "debian-12", "project": SHOP},
            _private,
            "debian-12 is another project's, and not shared",
        ),
        ({"volume_snapshot": "daily", "size_gib": 19}, None, "the snapshot daily needs 20 GiB"),
        ({"volume_snapshot": "daily"}, _broken, "the snapshot daily is error"),
        (
            {"volume_snapshot": "daily", "project": SHOP},
            None,
            "the snapshot daily belongs to project",
        ),
        ({"image": "debian-12", "volume_snapshot": "daily"}, None, "not from both"),
        ({"zone": "az-2"}, None, "there is no zone az-2 for volumes; known: az-1"),
        ({"volume_type": "slow"}, None, "quota of gigabytes_slow is 5"),
        ({"size_gib": 600}, None, "quota of per_volume_gigabytes is 500"),
    ],
)
def test_what_does_not_fit_is_refused(
    fake: FakeCloud,
    cinder: FakeCinder,
    image: Json,
    snapshot: Json,
    options: dict[str, Any],
    prepare: Any,
    why: str,
) -> None:
    cinder.quota |= {"gigabytes_slow": 5, "per_volume_gigabytes": 500}
    if prepare:
        prepare(fake, image, snapshot)
    with pytest.raises(Refused, match=why):
        planned(fake, **options)
    assert fake.changes == []

"""snapshot.prune against a fake cloud: what goes, what stays and why, and what is never touched."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from typing import Any

import pytest

from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import OWNER, Hypervisor, Json, Server, uuid_of
from support.fake_cloud_http import Answer
from support.fake_cloud_runs import Clock, FakeAttempt, drawn, look_up, perform
from support.fake_cloud_volume import FakeCinder
from workflow_api import CloudError, NotFound, Plan, UnknownOutcome, UserError


def day(days: int) -> str:
    return (
        f"{datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days):%Y-%m-%d}"
    )


def ours(until: int = -1) -> dict[str, str]:
    """Return the marks of what a run took, to be kept until so many days from now."""
    return {
        "openstack_ops:run": "a-run",
        "openstack_ops:step": "a-step",
        "openstack_ops:keep_until": day(until),
    }


@pytest.fixture
def fake(clock: Clock) -> Iterator[FakeCloud]:
    with FakeCloud([Hypervisor("cmp-1")], [Server("web-1")], now=clock.monotonic) as fake:
        fake.part(FakeCinder)
        # What only those are told who see all images.
        fake.route("GET /image/v2/tasks", lambda request: Answer({"tasks": []}))
        yield fake


@pytest.fixture
def cinder(fake: FakeCloud) -> FakeCinder:
    return fake.part(FakeCinder)


@pytest.fixture
def volume(cinder: FakeCinder) -> Json:
    return cinder.volume("data-1", size=20)


def image(fake: FakeCloud, name: str, created: int = -20, **facts: Any) -> Json:
    row: Json = {
        "id": uuid_of("image", name),
        "name": name,
        "status": "active",
        "owner": OWNER,
        "size": 5,
        "created_at": f"{day(created)}T00:00:00Z",
        "image_type": "snapshot",
        "instance_uuid": "s-1",
        **facts,
    }
    fake.images.append(row)
    return row


def snapshot(cinder: FakeCinder, volume: Json, name: str, created: int = -20, **facts: Any) -> Json:
    return cinder.snapshot(name, volume, created_at=f"{day(created)}T00:00:00.000000", **facts)


def pruned(fake: FakeCloud, **options: Any) -> Plan:
    return drawn(fake.account(), "snapshot.prune", **options)


def goes(plan: Plan) -> set[str]:
    return {step.data["name"] for step in plan.steps()}


def why(plan: Plan) -> dict[str, str]:
    """Return why what stays does, by the name."""
    return {entry["what"].partition(" (")[0]: entry["why"] for entry in plan.skipped + plan.left}


def test_those_of_ours_go_whose_day_is_over(
    fake: FakeCloud, cinder: FakeCinder, volume: Json, attempt: FakeAttempt
) -> None:
    image(fake, "i-past", **ours(-1))
    image(fake, "i-today", **ours(0))
    image(fake, "i-theirs")
    image(fake, "i-old-marks", openstack_ops_run="r", openstack_ops_keep_until=day(-9))
    image(fake, "i-odd", **{**ours(), "openstack_ops:keep_until": "soon"})
    image(fake, "i-no-run", **{"openstack_ops:keep_until": day(-1)})
    snapshot(cinder, volume, "v-past", metadata=ours(-1))
    snapshot(cinder, volume, "v-later", metadata=ours(3))
    snapshot(cinder, volume, "v-theirs", metadata={"keep": "no"})
    plan = pruned(fake)
    assert goes(plan) == {"i-past", "i-old-marks", "v-past"}
    assert why(plan) == {
        "i-today": f"it is kept until {day(0)}",
        "v-later": f"it is kept until {day(3)}",
        "i-odd": "its date of expiry is not a date: 'soon'",
        "i-no-run": "it does not say which run took it",
    }
    assert plan.left == []
    assert fake.changes == []
    for step in plan.steps():
        perform(step, fake.account(), attempt)
    assert {row["name"] for row in fake.images} == {"i-today", "i-theirs", "i-odd", "i-no-run"}
    assert {row["name"] for row in cinder.snapshots} == {"v-later", "v-theirs"}
    assert len(fake.changes) == 3


def test_the_newest_of_each_source_stay(fake: FakeCloud, cinder: FakeCinder, volume: Json) -> None:
    other = cinder.volume("data-2")
    for number in range(4):
        snapshot(cinder, volume, f"v-{number}", created=-20 - number, metadata=ours())
    snapshot(cinder, other, "alone", metadata=ours())
    plan = pruned(fake, keep=2)
    assert goes(plan) == {"v-2", "v-3"}
    assert why(plan)["v-1"] == "it is one of the 2 newest of its source"
    assert goes(pruned(fake, keep=1)) == {"v-1", "v-2", "v-3"}


def test_younger_ones_stay(fake: FakeCloud, cinder: FakeCinder, volume: Json) -> None:
    snapshot(cinder, volume, "old", created=-20, metadata=ours())
    snapshot(cinder, volume, "young", created=-3, metadata=ours())
    assert goes(pruned(fake, older_than="7d")) == {"old"}
    assert goes(pruned(fake)) == {"old", "young"}


def test_only_those_that_pass(fake: FakeCloud, cinder: FakeCinder, volume: Json) -> None:
    image(fake, "i-a", **ours())
    snapshot(cinder, volume, "v-a", metadata=ours())
    snapshot(cinder, volume, "v-b", metadata=ours())
    assert goes(pruned(fake, where="name matches_regex -a$")) == {"i-a", "v-a"}
    assert goes(pruned(fake, where="name matches_regex -a$", of="volumes")) == {"v-a"}
    assert goes(pruned(fake, of="servers")) == {"i-a"}
    with pytest.raises(UserError, match="volume_id"):
        pruned(fake, where="volume_id is not null", of="servers")


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"protected": True}, "Glance protects it"),
        ({"tags": ["openstack-ops-protected"]}, "it is protected by the tag"),
        ({"openstack_ops:protected": "yes"}, "it is protected by its metadata"),
        ({"status": "saving"}, "it is saving"),
    ],
)
def test_an_image_that_cannot_go_stays(fake: FakeCloud, facts: Json, said: str) -> None:
    image(fake, "mine", **ours(), **facts)
    plan = pruned(fake)
    assert goes(plan) == set()
    assert why(plan)["mine"].startswith(said)


def test_an_image_that_servers_came_from_stays(fake: FakeCloud) -> None:
    row = image(fake, "mine", **ours())
    fake.servers[0].image = row["id"]
    plan = pruned(fake)
    assert goes(plan) == set()
    assert [entry["why"] for entry in plan.left] == ["1 server came from it"]


def test_an_image_goes_with_the_snapshots_that_hold_its_data(
    fake: FakeCloud, cinder: FakeCinder, volume: Json, attempt: FakeAttempt
) -> None:
    part = snapshot(cinder, volume, "snapshot for mine")
    mapping = json.dumps([{"snapshot_id": part["id"], "boot_index": 0}, {"snapshot_id": None}])
    image(fake, "mine", block_device_mapping=mapping, **ours())
    (step,) = pruned(fake).steps()
    assert "its data: snapshot for mine" in step.sentence
    said = perform(step, fake.account(), attempt)["said"]
    assert said == "mine is gone, with 1 snapshot"
    assert (fake.images, cinder.snapshots) == ([], [])


def with_data(fake: FakeCloud, part: Json, name: str = "mine", **facts: Any) -> Json:
    mapping = json.dumps([{"snapshot_id": part["id"], "boot_index": 0}])
    return image(fake, name, block_device_mapping=mapping, **{**ours(), **facts})


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("theirs", {}),
        ("snapshot for another", {}),
        ("snapshot for mine", {"os-extended-snapshot-attributes:project_id": "p-2"}),
        ("theirs", {"metadata": ours(5)}),
    ],
)
def test_a_snapshot_that_an_image_only_claims_to_be_its_data_stays(
    fake: FakeCloud, cinder: FakeCinder, volume: Json, name: str, facts: Json
) -> None:
    part = snapshot(cinder, volume, name, **facts)
    with_data(fake, part)
    plan = pruned(fake)
    (step,) = plan.steps()
    assert (step.data["name"], step.data["data"]) == ("mine", [])
    assert name in why(plan)


def test_such_a_snapshot_goes_with_its_image_if_named_or_ours(
    fake: FakeCloud, cinder: FakeCinder, volume: Json
) -> None:
    with_data(fake, snapshot(cinder, volume, "theirs"))
    with_data(fake, snapshot(cinder, volume, "past", metadata=ours()), "too")
    plan = pruned(fake, also=["theirs"])
    data = {step.data["name"]: [one["name"] for one in step.data["data"]] for step in plan.steps()}
    assert data == {"mine": ["theirs"], "too": ["past"]}
    assert plan.left == []


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"metadata": {"openstack_ops:protected": "yes"}}, "it is protected by its metadata"),
        ({"status": "creating"}, "it is creating"),
    ],
)
def test_an_image_stays_whose_data_cannot_go(
    fake: FakeCloud, cinder: FakeCinder, volume: Json, facts: Json, said: str
) -> None:
    with_data(fake, snapshot(cinder, volume, "snapshot for mine", **facts))
    plan = pruned(fake)
    assert list(plan.steps()) == []
    assert said in why(plan)["mine"]


def test_an_image_that_is_not_deleted_keeps_its_data(
    fake: FakeCloud, cinder: FakeCinder, volume: Json, attempt: FakeAttempt
) -> None:
    with_data(fake, snapshot(cinder, volume, "snapshot for mine"))
    (step,) = pruned(fake).steps()
    fake.fail("DELETE .*/images/", status=409)
    with pytest.raises(CloudError):
        perform(step, fake.account(), attempt)
    assert (len(fake.images), len(cinder.snapshots)) == (1, 1)
    # Cut off between the two, it goes on with what is left.
    fake.images.clear()
    assert look_up(step, fake.account(), attempt) is None
    perform(step, fake.account(), attempt)
    assert cinder.snapshots == []
    assert look_up(step, fake.account(), attempt) == {"said": "mine is gone, with 1 snapshot"}


@pytest.mark.long
def test_others_go_if_named(fake: FakeCloud, cinder: FakeCinder, volume: Json) -> None:
    named = image(fake, "i-theirs")
    snapshot(cinder, volume, "v-theirs")
    snapshot(cinder, volume, "v-kept", metadata=ours(5))
    image(fake, "v-kept-not")
    assert goes(pruned(fake, also=[named["id"], "v-theirs", "v-kept"])) == {
        "i-theirs",
        "v-theirs",
        "v-kept",
    }
    with pytest.raises(NotFound):
        pruned(fake, also=["nothing"])


def test_what_is_named_and_protected_is_left(fake: FakeCloud) -> None:
    image(fake, "theirs", protected=True)
    plan = pruned(fake, also=["theirs"])
    assert list(plan.steps()) == []
    assert why(plan) == {"theirs": "Glance protects it from being deleted"}
    assert plan.left


def test_a_name_that_is_no_snapshots_is_refused(
    fake: FakeCloud, cinder: FakeCinder, volume: Json
) -> None:
    image(fake, "debian-12", image_type="base")
    with pytest.raises(UserError, match=r"debian-12 .* is not a snapshot of a server"):
        pruned(fake, also=["debian-12"])
    image(fake, "twice")
    snapshot(cinder, volume, "twice")
    with pytest.raises(UserError, match="'twice' is both an image and a snapshot of a volume"):
        pruned(fake, also=["twice"])


@pytest.mark.parametrize("arrived", [True, False])
@pytest.mark.parametrize("kind", ["image", "volume"])
def test_a_lost_answer_is_looked_up(
    fake: FakeCloud,
    cinder: FakeCinder,
    volume: Json,
    attempt: FakeAttempt,
    kind: str,
    arrived: bool,
) -> None:
    if kind == "image":
        image(fake, "mine", **ours())
    else:
        snapshot(cinder, volume, "mine", metadata=ours())
    (step,) = pruned(fake).steps()
    fake.fail("DELETE ", cut=True, late=arrived)
    with pytest.raises(UnknownOutcome):
        perform(step, fake.account(), attempt)
    assert (look_up(step, fake.account(), attempt) is not None) is arrived
    perform(step, fake.account(), attempt)
    assert len(fake.changes) == (1 if arrived else 2)


def test_the_cost_does_not_depend_on_how_many_go(
    fake: FakeCloud, cinder: FakeCinder, volume: Json
) -> None:
    costs = []
    for many in (1, 40):
        fake.images.clear()
        cinder.snapshots.clear()
        for number in range(many):
            image(fake, f"i-{number}", **ours())
            snapshot(cinder, volume, f"v-{number}", metadata=ours())
        account, before = fake.new_account(), len(fake.requests)
        assert len(goes(drawn(account, "snapshot.prune"))) == 2 * many
        costs.append(len(fake.requests) - before)
    assert costs[0] == costs[1] <= 14


def test_they_go_side_by_side_and_a_failure_stops_nobody(
    fake: FakeCloud, cinder: FakeCinder, volume: Json
) -> None:
    snapshot(cinder, volume, "mine", metadata=ours())
    (stage,) = pruned(fake, max_parallel=7).stages
    assert (stage.at_most, stage.on_failure) == (7, "continue")
    (stage,) = pruned(fake, on_failure="stop").stages
    assert stage.on_failure == "stop"

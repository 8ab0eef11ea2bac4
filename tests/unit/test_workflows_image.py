"""image.create and image.rotate against a fake cloud: plans, steps, lost answers, half uploads."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from accounts.cloud import Cloud
from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Project, Server
from support.fake_cloud_runs import (
    Clock,
    FakeAttempt,
    drawn,
    finish,
    look_up,
    perform,
    take_back,
)
from support.fake_cloud_volume import FakeCinder
from workflow_api import Begun, Plan, Refused, StepFailed, UnknownOutcome, UserError
from workflow_api.planned import PlannedStep
from workflow_api.ref import resolve

DATA = b"an image" * 300_000
URL = "https://images.example.org/debian-13.qcow2"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fake(clock: Clock) -> Iterator[FakeCloud]:
    with FakeCloud(projects=[Project("shop")], now=clock.monotonic) as fake:
        fake.part(FakeCinder)
        yield fake


@pytest.fixture
def cloud(fake: FakeCloud, tmp_path: Path) -> Cloud:
    return fake.account(files={"allowed": [str(tmp_path)]})


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "debian-13.raw"
    path.write_bytes(DATA)
    return path


def planned(cloud: Cloud, **given: Any) -> list[PlannedStep]:
    return list(drawn(cloud, "image.create", name="debian-13", **given).steps())


class Run:
    """The steps of a plan, one after the other, each with the results of those before."""

    def __init__(self, plan: Plan, cloud: Cloud, clock: Clock) -> None:
        self.steps, self._cloud, self._clock = list(plan.steps()), cloud, clock
        self._results: dict[str, Any] = {}

    def next(self) -> tuple[PlannedStep, FakeAttempt]:
        step = self.steps.pop(0)
        step.data = resolve(step.data, self._results)
        return step, FakeAttempt(key=step.key, wait=self._clock.wait)

    def took(self, step: PlannedStep, result: Any) -> None:
        self._results[step.key] = result

    def go(self, steps: int = 99) -> None:
        while self.steps and steps:
            step, attempt = self.next()
            self.took(step, perform(step, self._cloud, attempt))
            steps -= 1


# -- create ------------------------------------------------------------------------------------


def test_a_file_is_streamed_and_seen_only_when_it_is_whole(
    fake: FakeCloud, cloud: Cloud, source: Path, clock: Clock
) -> None:
    given = {"source": str(source), "visibility": "public", "properties": "os_distro=debian"}
    plan = drawn(cloud, "image.create", name="debian-13", min_disk_gib=2, tags=["lts"], **given)
    assert [step.sentence for step in plan.steps()] == [
        "make the record of image debian-13",
        f"upload {source} to image debian-13",
        "make image debian-13 public",
    ]
    assert fake.changes == []
    run = Run(plan, cloud, clock)
    run.go(2)
    (row,) = fake.images
    assert (row["status"], row["visibility"], row["min_disk"]) == ("active", "private", 2)
    assert (row["os_distro"], row["tags"], row["disk_format"]) == ("debian", ["lts"], "qcow2")
    assert fake.glance.data[row["id"]] == DATA
    run.go()
    assert row["visibility"] == "public"
    with pytest.raises(Refused, match=f"there is one called debian-13 already: {row['id']}"):
        planned(cloud, **given)


def test_the_record_is_found_by_its_marks(fake: FakeCloud, cloud: Cloud, source: Path) -> None:
    step, *_ = planned(cloud, source=str(source))
    attempt = FakeAttempt(key=step.key)
    fake.glance.image("debian-13")
    assert look_up(step, cloud, attempt) is None, "one of that name is anybody's"
    fake.fail("POST .*/images$", cut=True, late=True)
    with pytest.raises(UnknownOutcome):
        perform(step, cloud, attempt)
    assert look_up(step, cloud, attempt)["id"] == fake.images[1]["id"]
    take_back(step, cloud, attempt)
    take_back(step, cloud, attempt)
    assert len(fake.images) == 1


def test_an_upload_is_looked_up_and_begun_again(
    fake: FakeCloud, cloud: Cloud, source: Path, clock: Clock
) -> None:
    run = Run(drawn(cloud, "image.create", name="debian-13", source=str(source)), cloud, clock)
    run.go(1)
    step, attempt = run.next()
    assert look_up(step, cloud, attempt) is None
    fake.fail("PUT .*/file", cut=True)
    with pytest.raises(UnknownOutcome):
        perform(step, cloud, attempt)
    assert look_up(step, cloud, attempt) is None, "Glance has dropped what it had of it"
    fake.fail("PUT .*/file", cut=True, late=True)
    with pytest.raises(UnknownOutcome):
        perform(step, cloud, attempt)
    assert "sha512 is right" in look_up(step, cloud, attempt)["said"]


@pytest.mark.long
def test_an_upload_under_way_is_waited_for(
    fake: FakeCloud, cloud: Cloud, source: Path, clock: Clock
) -> None:
    run = Run(drawn(cloud, "image.create", name="debian-13", source=str(source)), cloud, clock)
    run.go(1)
    step, attempt = run.next()
    (row,) = fake.images
    row["status"] = "saving"
    clock.after(40, lambda: fake.glance.fill(row, DATA))
    assert look_up(step, cloud, attempt) is not None
    assert attempt.said
    row["status"] = "saving"
    clock.after(40, lambda: row.update(status="queued"))
    assert look_up(step, cloud, attempt) is None
    row["status"] = "saving"
    with pytest.raises(UnknownOutcome, match="still saving"):
        look_up(step, cloud, attempt)


def test_other_data_than_the_files_are_a_failure(
    fake: FakeCloud, cloud: Cloud, source: Path, clock: Clock
) -> None:
    run = Run(drawn(cloud, "image.create", name="debian-13", source=str(source)), cloud, clock)
    run.go(1)
    step, attempt = run.next()
    fake.glance.fill(fake.images[0], DATA + b"!")
    with pytest.raises(StepFailed, match=r"has other data than .*its sha512 is"):
        look_up(step, cloud, attempt)
    fake.images[0] |= {"os_hash_algo": None, "os_hash_value": None}
    with pytest.raises(StepFailed, match="its md5 is"):
        look_up(step, cloud, attempt)


@pytest.mark.parametrize("right", [True, False])
def test_a_checksum_is_compared_before_anything_is_sent(
    fake: FakeCloud, cloud: Cloud, source: Path, clock: Clock, right: bool
) -> None:
    wanted = hashlib.sha512(DATA if right else b"").hexdigest()
    given = {"source": str(source), "checksum": wanted}
    run = Run(drawn(cloud, "image.create", name="debian-13", **given), cloud, clock)
    run.go(1)
    if right:
        run.go()
        return
    with pytest.raises(StepFailed, match=r"another SHA-512 .* was not sent"):
        run.go()
    assert fake.count("PUT") == 0


def test_a_file_that_changed_its_size_is_not_taken(
    fake: FakeCloud, cloud: Cloud, source: Path, clock: Clock
) -> None:
    run = Run(drawn(cloud, "image.create", name="debian-13", source=str(source)), cloud, clock)
    run.go(1)
    source.write_bytes(DATA[:-1])
    with pytest.raises(StepFailed, match="not 2400000 bytes long any more"):
        run.go()


def test_files_elsewhere_are_not_read(cloud: Cloud, source: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("/etc/passwd")
    (tmp_path / "empty").write_bytes(b"")
    for path, why in (
        ("/etc/passwd", "lies outside the folders that files are taken from"),
        (str(link), "lies outside"),
        ("debian.raw", "must be an absolute path"),
        (str(tmp_path / "none"), "cannot be read: No such file"),
        (str(tmp_path), "cannot be read"),
        (str(tmp_path / "empty"), "is empty"),
    ):
        with pytest.raises(UserError, match=why):
            planned(cloud, source=path)


@pytest.mark.long
def test_glance_downloads_an_address(fake: FakeCloud, cloud: Cloud, clock: Clock) -> None:
    fake.glance.web[URL] = DATA
    run = Run(drawn(cloud, "image.create", name="debian-13", source=URL), cloud, clock)
    run.go(1)
    step, attempt = run.next()
    assert look_up(step, cloud, attempt) is None
    fake.fail("POST .*/import", cut=True, late=True)
    with pytest.raises(UnknownOutcome):
        perform(step, cloud, attempt)
    assert look_up(step, cloud, attempt)["id"] == fake.images[0]["id"]
    fake.images[0]["status"] = "importing"
    assert isinstance(look_up(step, cloud, attempt), Begun)
    clock.after(40, lambda: fake.images[0].update(status="active"))
    assert finish(step, cloud, attempt)["id"] == fake.images[0]["id"]
    assert fake.count("POST .*/import") == 1


def test_what_glance_cannot_download_is_told(fake: FakeCloud, cloud: Cloud, clock: Clock) -> None:
    run = Run(drawn(cloud, "image.create", name="debian-13", source=URL), cloud, clock)
    with pytest.raises(StepFailed, match=f"left queued: Glance could not import {URL}"):
        run.go()
    fake.glance.methods.remove("web-download")
    with pytest.raises(Refused, match="does not download images"):
        planned(cloud, source=URL, same_name=True)


def test_it_is_made_for_a_project(fake: FakeCloud, cloud: Cloud, clock: Clock) -> None:
    step, *_ = planned(cloud, source=URL, project="shop")
    perform(step, cloud, FakeAttempt(key=step.key))
    assert fake.images[0]["owner"] == fake.projects[0].id


# -- rotate ------------------------------------------------------------------------------------


@pytest.fixture
def family(fake: FakeCloud) -> dict[str, dict[str, Any]]:
    """Five images of one family, the last is the new one; and others that are none of it."""
    facts = {"os_distro": "debian", "visibility": "public"}
    rows = {
        f"debian-{n}": fake.glance.image(
            f"debian-{n}", created_at=f"2026-01-0{n}T00:00:00Z", **facts
        )
        for n in (1, 2, 3, 4)
    }
    rows["debian-5"] = fake.glance.image(
        "debian-5", created_at="2026-01-05T00:00:00Z", os_distro="debian", visibility="private"
    )
    fake.glance.image("debian-of-shop", owner=fake.projects[0].id, **facts)
    fake.glance.image("debian-mine", os_distro="debian", visibility="private")
    fake.glance.image("debian-snapshot", image_type="snapshot", **facts)
    fake.glance.image("ubuntu", os_distro="ubuntu", visibility="public")
    return rows


def rotated(cloud: Cloud, **given: Any) -> Plan:
    wanted = {"image": "debian-5", "family": "os_distro=debian", **given}
    return drawn(cloud, "image.rotate", **wanted)


@pytest.mark.parametrize("named", ["os_distro=debian", "debian-"])
def test_older_images_step_back_and_the_oldest_go(
    fake: FakeCloud, cloud: Cloud, family: dict[str, Any], clock: Clock, named: str
) -> None:
    fake.servers.append(Server("web-1", image=family["debian-2"]["id"]))
    plan = rotated(cloud, family=named)
    ids = {name: row["id"] for name, row in family.items()}
    assert [step.sentence for step in plan.steps()] == [
        "publish image debian-5",
        f"hide image debian-4 ({ids['debian-4']}) and mark it deprecated",
        f"hide image debian-3 ({ids['debian-3']}) and mark it deprecated",
        f"hide image debian-2 ({ids['debian-2']}) and mark it deprecated",
        f"delete image debian-1 ({ids['debian-1']})",
    ]
    assert plan.left == [
        {
            "what": f"image debian-2 ({ids['debian-2']})",
            "why": "it is not deleted because it is used: 1 server",
        }
    ]
    assert fake.changes == []
    others = [dict(row) for row in fake.images if row["name"] not in family]
    Run(plan, cloud, clock).go()
    assert [dict(row) for row in fake.images if row["name"] not in family] == others
    rows = {row["name"]: row for row in fake.images if row["name"] in family}
    assert sorted(rows) == ["debian-2", "debian-3", "debian-4", "debian-5"]
    assert (rows["debian-5"]["visibility"], rows["debian-5"]["os_hidden"]) == ("public", False)
    for name in ("debian-2", "debian-3", "debian-4"):
        assert (rows[name]["os_hidden"], rows[name]["tags"]) == (True, ["deprecated"])
    again = rotated(cloud, family=named)
    assert list(again.steps()) == []
    assert [entry["what"] for entry in again.skipped] == ["debian-5"]


def test_volumes_keep_an_image_too_and_protected_ones_are_left(
    fake: FakeCloud, cloud: Cloud, family: dict[str, Any]
) -> None:
    made = {"volume_image_metadata": {"image_id": family["debian-1"]["id"]}}
    fake.part(FakeCinder).volume("root", **made)
    family["debian-2"]["protected"] = True
    family["debian-3"]["tags"] = ["openstack-ops-protected"]
    plan = rotated(cloud, keep=1)
    assert [step.name for step in plan.steps()] == [
        "image.publish",
        "image.set_back",
        "image.remove",
    ]
    why = {entry["what"].split()[1]: entry["why"] for entry in plan.left}
    assert "1 volume" in why["debian-1"]
    assert "Glance protects it" in why["debian-2"]
    assert "it is protected by the tag" in why["debian-3"]


def test_one_listing_of_volumes_tells_what_all_images_are_used_by(
    fake: FakeCloud, cloud: Cloud, family: dict[str, Any]
) -> None:
    used = family["debian-3"]["id"]
    fake.part(FakeCinder).volume("root", volume_image_metadata={"image_id": used})
    fake.servers.append(Server("web-1", image=family["debian-2"]["id"]))
    plan = rotated(cloud, keep=1)
    assert [entry["why"].partition(": ")[2] for entry in plan.left] == ["1 volume", "1 server"]
    assert fake.count("GET /volume/v3/volumes/detail") == 1


def test_a_lost_deletion_is_looked_up(
    fake: FakeCloud, cloud: Cloud, family: dict[str, Any]
) -> None:
    *_, step = rotated(cloud).steps()
    attempt = FakeAttempt(key=step.key)
    assert look_up(step, cloud, attempt) is None
    fake.fail("DELETE", cut=True, late=True)
    with pytest.raises(UnknownOutcome):
        perform(step, cloud, attempt)
    assert look_up(step, cloud, attempt) is not None


def test_owners_are_told_of_what_is_beyond_those_kept(
    fake: FakeCloud, cloud: Cloud, family: dict[str, Any]
) -> None:
    old = family["debian-1"]["id"]
    fake.servers.append(Server("web-1", image=old))
    *_, child = rotated(cloud, tell_owners=True, end_date="2099-12-31").steps()
    told = {"image": old, "end_date": "2099-12-31", "replacement": "debian-5"}
    assert child.data == {"workflow": "email.retiring_image", "parameters": told}
    with pytest.raises(UserError, match="tell_owners needs end_date"):
        rotated(cloud, tell_owners=True)


def test_what_cannot_be_rotated(fake: FakeCloud, cloud: Cloud, family: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="does not belong to the family 'ubuntu-'"):
        rotated(cloud, family="ubuntu-")
    family["debian-5"]["status"] = "queued"
    with pytest.raises(Refused, match="debian-5 is queued, and not active"):
        rotated(cloud)


# -- time --------------------------------------------------------------------------------------


@pytest.mark.long
def test_an_upload_may_take_longer_than_any_other_request(
    fake: FakeCloud, source: Path, tmp_path: Path, clock: Clock
) -> None:
    hasty = fake.account(files={"allowed": [str(tmp_path)]}, limits={"timeouts": {"request": "1s"}})
    run = Run(drawn(hasty, "image.create", name="debian-13", source=str(source)), hasty, clock)
    run.go(1)
    fake.hooks.append(lambda request: time.sleep(1.5) if request.method == "PUT" else None)
    run.go()
    assert fake.images[0]["status"] == "active"
    fake.hooks[-1] = lambda request: time.sleep(1.5) if request.method == "PATCH" else None
    (step,) = drawn(hasty, "image.update", image="debian-13", hidden=True).steps()
    with pytest.raises(UnknownOutcome):
        perform(step, hasty, FakeAttempt(key=step.key))


@pytest.mark.parametrize(
    ("given", "notices"),
    [
        ({"hidden": True}, True),
        ({"visibility": "private"}, True),
        ({"visibility": "public"}, False),
        ({"new_name": "debian"}, False),
        ({"remove_tags": ["openstack-ops-protected"]}, False),
    ],
)
def test_a_protected_image_is_not_taken_from_its_users(
    fake: FakeCloud, given: dict[str, Any], notices: bool
) -> None:
    fake.glance.image("debian-13", visibility="community", tags=["openstack-ops-protected"])
    if not notices:
        assert drawn(fake.account(), "image.update", image="debian-13", **given).changes() == 1
        return
    with pytest.raises(Refused, match="it is protected by the tag") as refused:
        drawn(fake.account(), "image.update", image="debian-13", **given)
    assert refused.value.kept, "one of many rows is skipped for that"


# -- what was planned long ago -----------------------------------------------------------------


def test_an_image_that_is_used_by_now_is_not_deleted(fake: FakeCloud, attempt: FakeAttempt) -> None:
    image = fake.glance.image("debian-13")
    (step,) = drawn(fake.account(), "image.delete", image="debian-13").steps()
    fake.servers.append(Server("late-1", image=image["id"]))
    with pytest.raises(StepFailed, match=r"cannot be deleted: there are 1 server booted from it"):
        perform(step, fake.account(), attempt)
    fake.servers.clear()
    image["tags"] = ["openstack-ops-protected"]
    with pytest.raises(StepFailed, match="it is protected by the tag"):
        perform(step, fake.account(), attempt)
    assert fake.changes == []


def test_what_a_protected_project_may_use_is_not_taken_from_it(fake: FakeCloud) -> None:
    fake.projects.append(Project("shop", id="shop", tags=["openstack-ops-protected"]))
    image = fake.glance.image("debian-13", visibility="shared")
    fake.glance.members[image["id"]] = {"shop": "accepted"}
    with pytest.raises(Refused, match="the project shop is protected by the tag") as refused:
        drawn(fake.account(), "image.unshare", image="debian-13", project="shop")
    assert refused.value.kept

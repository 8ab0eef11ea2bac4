"""Many that wait for things of one cloud: one listing serves all, and what may go wrong with it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from accounts.cloud import Cloud
from query_api.lookups import compute
from support.bulk import Site
from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Hypervisor, Server
from support.fake_cloud_power import Power
from support.fake_cloud_runs import FakeAttempt, drawn, perform
from support.fake_cloud_volume import Course, FakeCinder
from verbs.images import IMAGE
from verbs.servers import SERVER
from verbs.verb import Subject
from verbs.volumes import VOLUME
from waiting.watching import Awaited, watch
from workflow_api import CloudError, Interrupted, StepFailed

BY_ID = "GET /compute/v2.1/servers/[0-9a-f-]{36}$"
LISTING = "GET /compute/v2.1/servers/detail"
NAMES = [f"web-{number}" for number in range(12)]


@pytest.fixture
def fake() -> Iterator[FakeCloud]:
    with FakeCloud([Hypervisor("cmp-1")], [Server(name) for name in NAMES]) as fake:
        yield fake


def stop_all(fake: FakeCloud, cloud: Cloud, **takes: float) -> list[Any]:
    """Stop every server in a thread of its own; return what each step returned or raised."""
    for server in fake.servers:
        fake.nova.power.courses[server.id] = Power(seconds=takes.get(server.name, 0.3))
    steps = [next(drawn(cloud, "server.stop", server=server.id).steps()) for server in fake.servers]
    fake.requests.clear()

    def stop(step: Any) -> Any:
        try:
            return perform(step, cloud, FakeAttempt())
        except (CloudError, StepFailed) as error:
            return error

    with ThreadPoolExecutor(len(steps)) as pool:
        return list(pool.map(stop, steps))


@pytest.mark.long
def test_one_listing_serves_all_who_wait(fake: FakeCloud) -> None:
    answers = stop_all(fake, fake.account())
    assert [answer["said"] for answer in answers] == [f"{name} is SHUTOFF" for name in NAMES]
    assert fake.count("POST .*/action") == len(NAMES)
    assert 1 <= fake.count(LISTING) <= 6
    assert fake.count(BY_ID) <= 3  # who waits alone, first or last, asks for its own
    assert all("changes-since" in request.query for request in fake.asked(LISTING))


def test_a_listing_shows_what_has_changed_and_no_more(fake: FakeCloud) -> None:
    fake.servers += [Server(f"idle-{number}") for number in range(50)]
    found = SERVER.look_many
    assert found is not None
    fake.nova.power.changed[fake.servers[0].id] = time.time()
    ids = {server.id for server in fake.servers[:2]}
    assert list(found(fake.account(), Awaited(ids, time.time() - 5, ()))) == [fake.servers[0].id]


@pytest.mark.long
def test_a_listing_begins_late_once_the_clouds_clock_is_known(fake: FakeCloud) -> None:
    began = time.time()
    stop_all(fake, fake.account(), **dict.fromkeys(NAMES, 1.5))
    asked = [request.query["changes-since"] for request in fake.asked(LISTING)]
    first, last = (compute.moment(stamp) or 0.0 for stamp in (asked[0], asked[-1]))
    assert first <= began - 25
    assert began - 10 <= last <= time.time()


@pytest.mark.long
def test_who_is_not_in_the_listing_is_asked_for(
    fake: FakeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the clocks of the cloud and of this machine differ by far."""
    monkeypatch.setattr("waiting.watching._MARGIN", -3600.0)
    answers = stop_all(fake, fake.account())
    assert [answer["said"] for answer in answers] == [f"{name} is SHUTOFF" for name in NAMES]
    assert fake.count(BY_ID) >= len(NAMES)
    assert fake.count("POST .*/action") == len(NAMES)


@pytest.mark.long
def test_a_listing_that_fails_is_told_to_each_who_waits(fake: FakeCloud) -> None:
    fake.fail(LISTING, 403, times=1, body={"forbidden": {"message": "Not you.", "code": 403}})
    answers = stop_all(fake, fake.account())
    failed = [answer for answer in answers if isinstance(answer, CloudError)]
    assert failed
    assert all("Not you." in str(error) for error in failed)


@pytest.mark.long
def test_what_is_gone_is_told_to_who_waits_for_it_alone(fake: FakeCloud) -> None:
    gone = fake.servers[3]
    fake.hooks.append(
        lambda request: (
            fake.servers.remove(gone)
            if gone in fake.servers and fake.count("POST .*/action") == len(NAMES)
            else None
        )
    )
    answers = stop_all(fake, fake.account(), **{gone.name: 60.0})
    (failed,) = [answer for answer in answers if isinstance(answer, StepFailed)]
    assert str(failed) == f"server {gone.name} is gone."


@pytest.mark.long
def test_who_has_to_leave_does_so_and_the_others_go_on(fake: FakeCloud) -> None:
    cloud = fake.account()
    for server in fake.servers[:3]:
        fake.nova.power.courses[server.id] = Power(seconds=1.0)
        perform_later = {"os-stop": None}
        fake.nova.power.act(server, "os-stop", perform_later)
    until = time.monotonic() + 0.3

    def leave(seconds: float, *, between: bool = False) -> None:
        if time.monotonic() > until:
            raise Interrupted("it was left")
        time.sleep(min(seconds, 0.05))

    def wait(number: int) -> str:
        attempt = FakeAttempt(wait=leave) if number == 0 else FakeAttempt()
        try:
            while True:
                seen, _ = watch(cloud, SERVER).after(
                    attempt, fake.servers[number].id, 0.2, time.time()
                )
                if seen.status == "SHUTOFF":
                    return "seen"
        except Interrupted:
            return "left"

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(wait, range(3))) == ["left", "seen", "seen"]


# -- what Cinder and Glance list ---------------------------------------------------------------

VOLUMES = "GET /volume/v3/volumes/detail"
VOLUME_BY_ID = "GET /volume/v3/volumes/[0-9a-f-]{36}$"


@pytest.mark.long
def test_many_volumes_are_waited_for_by_listings(fake: FakeCloud, tmp_path: Path) -> None:
    """Each is asked for before it is changed and at its end, whatever the number of looks."""
    cinder = fake.part(FakeCinder)
    cinder.quota = {"gigabytes": -1}
    for number in range(40):
        row = cinder.volume(f"data-{number}")
        cinder.courses[row["id"]] = Course(seconds=6.0)
    kind, result = Site(fake, tmp_path).bulk(
        "volume.extend", set="size_gib='2'", max_parallel=40, max_changes=40
    )
    assert kind == "done", result["text"]
    assert [row["size"] for row in cinder.volumes] == [2] * 40
    assert fake.count("POST /volume/v3/volumes/.*/action") == 40
    rounds = [one for one in fake.asked(VOLUMES) if one.query.get("status") == "extending"]
    assert 2 <= len(rounds) <= 24
    # A row that falls between two listings is asked for once more; not each one at each look.
    assert fake.count(VOLUME_BY_ID) < 3 * 40


def watched(fake: FakeCloud, subject: Subject, ids: list[str], task: str = "") -> list[str]:
    """Wait for things for one moment, all at once; return their names as they were seen."""
    together = watch(fake.account(), subject)
    gate = threading.Barrier(len(ids))

    def look(id: str) -> str:
        tasks = frozenset({task} if task else ())
        gate.wait()
        return str(together.after(FakeAttempt(), id, 0.2, time.time(), tasks)[0].name)

    fake.requests.clear()
    with ThreadPoolExecutor(len(ids)) as pool:
        return list(pool.map(look, ids))


@pytest.mark.long
def test_images_are_listed_by_their_ids(fake: FakeCloud) -> None:
    rows = [fake.glance.image(f"image-{number}") for number in range(8)]
    rows[3]["os_hidden"] = True
    assert watched(fake, IMAGE, [row["id"] for row in rows]) == [row["name"] for row in rows]
    assert fake.count("GET /image/v2/images$") <= 4
    assert fake.count("GET /image/v2/images/") <= 3


@pytest.mark.long
def test_where_a_listing_is_refused_each_is_asked_for(fake: FakeCloud) -> None:
    cinder = fake.part(FakeCinder)
    rows = [cinder.volume(f"data-{number}", status="extending") for number in range(8)]
    fake.fail(VOLUMES, 403, body={"forbidden": {"message": "Not you.", "code": 403}})
    ids, names = ([row[word] for row in rows] for word in ("id", "name"))
    assert watched(fake, VOLUME, ids, "extending") == names
    assert fake.count(VOLUMES) >= 1


@pytest.mark.long
def test_a_few_are_asked_for_one_by_one(fake: FakeCloud) -> None:
    cinder = fake.part(FakeCinder)
    rows = [cinder.volume(f"data-{number}", status="extending") for number in range(3)]
    ids, names = ([row[word] for row in rows] for word in ("id", "name"))
    assert watched(fake, VOLUME, ids, "extending") == names
    assert fake.count(VOLUMES) == 0


# -- a request that is sent without a look before ----------------------------------------------


@pytest.fixture
def cloud(fake: FakeCloud) -> Cloud:
    return fake.account()


@pytest.mark.long
def test_nothing_is_asked_before_the_first_request(fake: FakeCloud, cloud: Cloud) -> None:
    (step,) = drawn(cloud, "server.stop", server="web-1").steps()
    fake.requests.clear()
    perform(step, cloud, FakeAttempt())
    methods = [r.method for r in fake.requests if "/servers/" in r.path]
    assert methods[0] == "POST"
    assert set(methods[1:]) == {"GET"}


def test_what_is_so_by_then_is_success(fake: FakeCloud, cloud: Cloud) -> None:
    (step,) = drawn(cloud, "server.stop", server="web-1").steps()
    fake.server("web-1").status = "SHUTOFF"
    assert perform(step, cloud, FakeAttempt())["said"] == "web-1 is SHUTOFF"
    assert fake.count("POST .*/action") == 1


@pytest.mark.long
def test_what_is_under_way_by_then_is_waited_for(fake: FakeCloud, cloud: Cloud) -> None:
    (step,) = drawn(cloud, "server.stop", server="web-1").steps()
    fake.nova.power.act(fake.server("web-1"), "os-stop", {})
    assert perform(step, cloud, FakeAttempt())["said"] == "web-1 is SHUTOFF"


def test_what_does_not_fit_by_then_fails_with_the_clouds_words(
    fake: FakeCloud, cloud: Cloud
) -> None:
    (step,) = drawn(cloud, "server.stop", server="web-1").steps()
    fake.server("web-1").status = "PAUSED"
    with pytest.raises(CloudError, match="while it is in vm_state PAUSED"):
        perform(step, cloud, FakeAttempt())


@pytest.mark.long
def test_a_step_that_is_tried_again_looks_first(fake: FakeCloud, cloud: Cloud) -> None:
    (step,) = drawn(cloud, "server.stop", server="web-1").steps()
    fake.nova.power.act(fake.server("web-1"), "os-stop", {})
    perform(step, cloud, FakeAttempt(again=True))
    assert fake.count("POST .*/action") == 0

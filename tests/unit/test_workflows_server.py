"""server.migrate, its snapshot, and what server.show tells."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

import pytest

from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Flavor, Group, Hypervisor, Server, uuid_of
from support.fake_cloud_plans import LIVE, hosts
from support.fake_cloud_runs import FakeAttempt, Remembered, call, drawn, look_up, perform, read
from workflow_api import Duration, NotFound, Plan, Refused, StepFailed, UnknownOutcome


@pytest.fixture
def fake() -> Iterator[FakeCloud]:
    with FakeCloud(hosts(), [Server("a")]) as fake:
        yield fake


def migrate(fake: FakeCloud, **parameters: Any) -> Plan:
    return drawn(fake.account(), "server.migrate", server="a", **parameters)


def test_the_plan(fake: FakeCloud) -> None:
    claims = Remembered()
    plan = call(fake.account(), "server.migrate", claims, server="a", target="cmp-2")
    step, verify = plan.steps()
    assert verify.sentence == "check that what was moved arrived well"
    assert (plan.title, step.sentence) == ("Migrate a", LIVE)
    assert step.data == {
        "server": fake.server("a").id,
        "name": "a",
        "size": "1 vCPU, 1 GiB",
        "source": "cmp-1",
        "how": "live",
        "target": "cmp-2",
    }
    assert claims.subjects == [f"server:{fake.server('a').id}"]
    assert fake.changes == []


@pytest.mark.parametrize(
    ("server", "asked", "reason"),
    [
        (Server("a", status="ERROR", fault="broken"), {},
         "a cannot be moved: it is in ERROR: broken"),
        (Server("a", status="SHELVED_OFFLOADED", host=None), {},
         "a cannot be moved: a server that is SHELVED_OFFLOADED cannot be moved"),
        (Server("a", locked=True), {}, "a cannot be moved: it is locked"),
        (Server("a", status="SHUTOFF"), {"migration": "live"}, "a cannot be moved: it is shut off"),
        (Server("a", "cmp-3"), {}, "its compute service is down"),
        (Server("a", flavor=Flavor(ram=99999)), {}, "a (1 vCPU, 97.7 GiB) fits on no other"),
        (Server("a"), {"target": "cmp-1"}, "the target cmp-1 is the hypervisor itself"),
        (Server("a"), {"target": "cmp-3"}, "the target cmp-3 is down and enabled"),
        (Server("a"), {"target": "cmp-4"}, "There is no hypervisor 'cmp-4'"),
    ],
)  # fmt: skip
def test_why_it_is_refused(server: Server, asked: dict[str, Any], reason: str) -> None:
    with (
        FakeCloud(hosts(Hypervisor("cmp-3", state="down")), [server]) as fake,
        pytest.raises(Refused) as refused,
    ):
        migrate(fake, **asked, snapshot=True)
    (told,) = refused.value.reasons
    assert told.startswith(reason)
    assert fake.changes == [], "no snapshot before the checks"


def test_a_group_that_keeps_it_refuses() -> None:
    group = Group("g", "affinity", ["a", "b"])
    words = "affinity group g keeps it on one host with 1 other"
    with (
        FakeCloud(hosts(), [Server("a"), Server("b")], groups=[group]) as fake,
        pytest.raises(Refused, match=words),
    ):
        migrate(fake)


def test_an_unknown_server(fake: FakeCloud) -> None:
    with pytest.raises(NotFound, match="There is no server 'b'"):
        drawn(fake.account(), "server.migrate", server="b")


@pytest.mark.parametrize("ignores", [set(), {"status"}], ids=["filtered", "unfiltered"])
def test_whether_it_arrived_well_is_looked_at_in_the_end(
    ignores: set[str], fake: FakeCloud
) -> None:
    cloud, attempt = fake.account(), FakeAttempt()
    _, verify = migrate(fake).steps()
    fake.ignores = ignores
    fake.server("a").host = "cmp-2"
    fake.servers.append(Server("other", status="ERROR"))
    assert perform(verify, cloud, attempt) == {"said": "1 server looked at"}
    moved = fake.server("a")
    moved.status, moved.host, moved.fault = "ERROR", "cmp-2", "no disk"
    with pytest.raises(StepFailed, match=r"a is in ERROR on cmp-2 \(no disk\)\."):
        perform(verify, cloud, attempt)


# -- the snapshot ------------------------------------------------------------------------------


class Snapshots:
    """The step that takes one, and the time that it waits."""

    def __init__(self, fake: FakeCloud) -> None:
        self.fake = fake
        self.cloud = fake.account(limits={"timeouts": {"snapshot": "5m"}})
        self.step, move, _ = drawn(
            self.cloud, "server.migrate", server="a", snapshot=True, keep_snapshot=Duration(86400)
        ).steps()
        assert move.sentence == LIVE, "after the snapshot"
        self.waited: list[float] = []
        self.attempt = FakeAttempt(self._wait, key=self.step.key)

    def _wait(self, seconds: float) -> None:
        self.waited.append(seconds)
        if len(self.waited) == 3:
            self.fake.images[-1]["status"] = self.becomes

    becomes = "active"

    def taken(self) -> Any:
        """Take one that Glance is still saving when it is asked for."""
        self.fake.hooks.append(lambda request: self._saving() if "/images/" in request.path else 0)
        return perform(self.step, self.cloud, self.attempt)

    def _saving(self) -> None:
        if len(self.waited) < 3:
            self.fake.images[-1]["status"] = "saving"


@pytest.fixture
def snapshots(fake: FakeCloud) -> Snapshots:
    return Snapshots(fake)


def test_a_snapshot_is_taken_marked_and_found(fake: FakeCloud, snapshots: Snapshots) -> None:
    step, cloud, attempt = snapshots.step, snapshots.cloud, snapshots.attempt
    tomorrow = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)
    assert step.sentence == f"take a snapshot of a, kept until {tomorrow:%Y-%m-%d}"
    assert look_up(step, cloud, attempt) is None
    taken = snapshots.taken()
    (image,) = fake.images
    assert taken == {"image": image["id"], "said": f"saved as image {image['id']}"}
    assert image["name"] == "a before migration (11111111)"
    assert image["openstack_ops:run"] == attempt.run
    assert image["openstack_ops:keep_until"] == f"{tomorrow:%Y-%m-%d}"
    assert len(snapshots.waited) == 3
    assert look_up(step, cloud, attempt) == taken
    other = FakeAttempt(run="another run", key=step.key)
    assert look_up(step, cloud, other) is None, "a snapshot of another run is not this one's"


def test_a_snapshot_of_an_older_version_is_found(fake: FakeCloud, snapshots: Snapshots) -> None:
    taken = snapshots.taken()
    (image,) = fake.images
    for mark in ("run", "step", "keep_until"):
        image[f"openstack_ops_{mark}"] = image.pop(f"openstack_ops:{mark}")
    assert look_up(snapshots.step, snapshots.cloud, snapshots.attempt) == taken


@pytest.mark.parametrize("status", ["killed", "deleted", "deactivated"])
def test_a_snapshot_that_is_given_up(status: str, snapshots: Snapshots) -> None:
    snapshots.becomes = status
    with pytest.raises(StepFailed, match="was given up by the cloud"):
        snapshots.taken()


@pytest.mark.long
def test_a_snapshot_that_is_never_whole(snapshots: Snapshots) -> None:
    snapshots.becomes = "saving"
    snapshots.fake.server("a").task = "image_uploading"
    with pytest.raises(UnknownOutcome, match="is not saved after 5m"):
        snapshots.taken()
    assert 300 <= sum(snapshots.waited) < 320
    assert any("at 'saving', its server at 'image_up" in one for one in snapshots.attempt.said)


@pytest.mark.long
def test_a_snapshot_that_nova_works_on_no_more(snapshots: Snapshots) -> None:
    """As a nova-compute leaves it that dies while it saves one."""
    snapshots.becomes = "queued"
    with pytest.raises(StepFailed, match="is left at 'queued': Nova is no longer working on it"):
        snapshots.taken()
    assert sum(snapshots.waited) < 40


# -- reading -----------------------------------------------------------------------------------


def test_a_server_is_shown() -> None:
    server = Server("a", image="", fault="\x1b[1mbroken", status="ERROR", metadata={"k": "v"})
    with FakeCloud(hosts(), [server]) as fake:
        table = read(fake.account(), "server.show", server=uuid_of("server", "a"))
    shown = {row["property"]: row["value"] for row in table.rows}
    assert table.summary == "a is ERROR"
    assert (shown["fault"], shown["image"]) == ("broken", "boots from a volume")
    assert shown["flavor"] == "small: 1 vCPU, 1024 MiB, 10 GiB"
    assert (shown["metadata"], shown["addresses"]) == ('{"k": "v"}', "192.0.2.10")

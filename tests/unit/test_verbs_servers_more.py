"""What is particular to updating servers, and to live migrations that are under way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Course, Flavor, Hypervisor, Migration, Server
from support.fake_cloud_http import Request
from support.fake_cloud_runs import Clock, FakeAttempt, drawn, look_up, perform
from workflow_api import Plan, Refused, StepFailed, UnknownOutcome


@pytest.fixture
def fake(clock: Clock) -> Iterator[FakeCloud]:
    server = Server("web-1", tags=["old", "web"], metadata={"role": "db", "spent": "1"})
    hosts = [Hypervisor("cmp-1"), Hypervisor("cmp-2")]
    with FakeCloud(hosts, [server], now=clock.monotonic) as fake:
        yield fake


def plan_of(fake: FakeCloud, name: str, **options: Any) -> Plan:
    return drawn(fake.account(), name, server="web-1", **options)


def refusals(fake: FakeCloud, name: str, **options: Any) -> list[str]:
    with pytest.raises(Refused) as refused:
        plan_of(fake, name, **options)
    return [reason.partition(": ")[2] for reason in refused.value.reasons]


# -- update ------------------------------------------------------------------------------------

ALL = {
    "new_name": "web-a",
    "description": " the shop's first ",
    "set_metadata": "role=web; spent=1",
    "remove_metadata": ["spent", "never there"],
    "add_tags": ["web", "a b"],
    "remove_tags": ["old", "older"],
}


def test_only_what_is_not_so_is_sent(fake: FakeCloud, attempt: FakeAttempt) -> None:
    server = fake.server("web-1")
    options = {**ALL, "set_metadata": "role=web"}
    plan = plan_of(fake, "server.update", **options)
    assert plan.notes == [
        "its name becomes 'web-a', and was 'web-1'",
        "its description becomes \"the shop's first\", and was ''",
        "its metadata role becomes 'web', and was 'db'",
        "its metadata loses spent",
        "it is tagged a b",
        "it loses the tags old",
    ]
    (step,) = plan.steps()
    perform(step, fake.account(), attempt)
    assert (server.name, server.description) == ("web-a", "the shop's first")
    assert (server.metadata, server.tags) == ({"role": "web"}, ["web", "a b"])
    lines = [change.line.partition(f"/servers/{server.id}")[2] for change in fake.changes]
    assert lines == ["", "/metadata", "/metadata/spent", "/tags/a%20b", "/tags/old"]


def test_what_was_sent_in_part_is_gone_on_with(fake: FakeCloud, attempt: FakeAttempt) -> None:
    (step,) = plan_of(fake, "server.update", add_tags=["a", "b", "c"]).steps()
    fake.fail("PUT .*/tags/b", cut=True, late=True)
    with pytest.raises(UnknownOutcome):
        perform(step, fake.account(), attempt)
    assert look_up(step, fake.account(), attempt) is None
    perform(step, fake.account(), attempt)
    assert [change.line[-1] for change in fake.changes] == ["a", "b", "c"]


def test_what_cannot_be_written_is_refused_at_once(fake: FakeCloud) -> None:
    fake.server("web-1").status = "RESCUE"
    assert refusals(
        fake,
        "server.update",
        set_metadata="role=web",
        remove_metadata=["role"],
        add_tags=["a/b", "x" * 61, "old", *map(str, range(50))],
        remove_tags=["old"],
    ) == [
        "the metadata role is to be set and to be removed",
        "the tag old is to be put on and to be taken off",
        "'a/b' is not a tag: 1 to 60 letters without / and ,",
        f"'{'x' * 61}' is not a tag: 1 to 60 letters without / and ,",
        "it would have more than 50 tags",
        "Nova changes no metadata of one that is RESCUE",
    ]


def test_nothing_to_do_is_no_failure(fake: FakeCloud) -> None:
    plan = plan_of(fake, "server.update", new_name="web-1", description="", add_tags=["web"])
    assert [entry["why"] for entry in plan.skipped] == ["it is as asked for already"]


# -- live migrations ---------------------------------------------------------------------------


def migrating(fake: FakeCloud, status: str = "running", kind: str = "live-migration") -> Migration:
    server = fake.server("web-1")
    fake.courses[server.id] = Course(ends_after=None)
    migration = fake.nova.migrate(server, kind, {})
    migration.status = status
    return migration


def test_an_aborted_migration_leaves_the_server(fake: FakeCloud, attempt: FakeAttempt) -> None:
    migrating(fake)
    plan = plan_of(fake, "server.abort_migration")
    assert plan.notes == ["its live migration 1 from cmp-1 to cmp-2 is at 'running'"]
    (step,) = plan.steps()
    assert perform(step, fake.account(), attempt)["said"] == "web-1 is still on cmp-1"
    assert fake.migrations[0].status == "cancelled"


def test_a_forced_migration_moves_it(fake: FakeCloud, attempt: FakeAttempt) -> None:
    migrating(fake)
    (step,) = plan_of(fake, "server.force_complete").steps()
    assert perform(step, fake.account(), attempt)["said"] == "web-1 is on cmp-2"
    assert [change.body for change in fake.changes] == [{"force_complete": None}]


def test_what_ends_before_it_is_aborted_is_a_failure(fake: FakeCloud, attempt: FakeAttempt) -> None:
    migration = migrating(fake)
    (step,) = plan_of(fake, "server.abort_migration").steps()

    def comes_too_late(request: Request) -> None:
        if request.method == "GET":
            migration.course.ends = "completed"

    fake.hooks.insert(0, comes_too_late)
    with pytest.raises(StepFailed, match="web-1 is left ACTIVE"):
        perform(step, fake.account(), attempt)
    assert migration.server.host == "cmp-2"


@pytest.mark.parametrize("name", ["server.abort_migration", "server.force_complete"])
def test_without_a_live_migration_there_is_none_to_end(fake: FakeCloud, name: str) -> None:
    assert refusals(fake, name) == ["no live migration of it is under way (it is ACTIVE)"]
    migrating(fake, "migrating", "migration")
    assert refusals(fake, name) == ["no live migration of it is under way (it is RESIZE)"]


def test_what_has_not_begun_to_move_is_not_forced(fake: FakeCloud) -> None:
    migrating(fake, "queued").begun += 1000
    assert plan_of(fake, "server.abort_migration").changes() == 1
    (why,) = refusals(fake, "server.force_complete")
    assert why.endswith("is at 'queued': Nova does so only at running")


def test_an_old_nova_aborts_only_what_has_begun_to_move(fake: FakeCloud) -> None:
    fake.compute_version = "2.64"
    migrating(fake, "queued").begun += 1000
    (why,) = refusals(fake, "server.abort_migration")
    assert why.endswith("is at 'queued': Nova does so only at running")


# -- what is kept from live migration ----------------------------------------------------------


def test_what_is_forbidden_is_migrated_if_told_to_and_says_so(fake: FakeCloud) -> None:
    fake.server("web-1").flavor = Flavor("pinned.large")
    cloud = fake.account(live_migration_forbidden={"flavors": ["pinned.*"]})
    with pytest.raises(Refused, match=r"flavor pinned\.large must not be live-migrated"):
        drawn(cloud, "server.migrate", server="web-1")
    plan = drawn(cloud, "server.migrate", server="web-1", force_forbidden=True)
    why = "servers of flavor pinned.large must not be live-migrated"
    assert plan.notes == [f"web-1 is live-migrated by force_forbidden: {why}"]
    move, _ = plan.steps()
    assert move.data["how"] == "live"


def test_what_is_not_forbidden_needs_no_force(fake: FakeCloud) -> None:
    assert plan_of(fake, "server.migrate", force_forbidden=True).notes == []

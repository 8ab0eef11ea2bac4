"""Disruption budgets: how many members of a server group, or of a project, may be down at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from maintenance.budgets import _Budget, over
from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Group, Hypervisor, Project, Server
from workflow_api import CloudError

KEY = "openstack_ops:disruption_budget"
SHOP = Project("shop")
HOSTS = [Hypervisor(f"cmp-{number}") for number in (1, 2, 3)]


@pytest.fixture
def fake() -> Iterator[FakeCloud]:
    """Give a group of three servers of the project shop on three hosts, and one beside them."""
    servers = [Server(f"db-{n}", f"cmp-{n}", project=SHOP.id) for n in (1, 2, 3)]
    groups = [Group("db", "anti-affinity", ["db-1", "db-2", "db-3"], project=SHOP.id)]
    with FakeCloud(HOSTS, [*servers, Server("web-1")], groups=groups, projects=[SHOP]) as fake:
        yield fake


def judged(fake: FakeCloud, settings: dict[str, Any], **how: Any) -> list[str]:
    cloud = fake.account(disruption_budgets=settings)
    return over(cloud, ["cmp-1"], **how)


@pytest.mark.parametrize(
    ("text", "members", "allowed"),
    [
        ("1", 3, 1),
        ("0", 3, 0),
        (" 2 ", 1, 2),
        ("33%", 3, 1),  # a part of a member is a whole one
        ("34%", 3, 2),
        ("0%", 3, 0),
        ("100%", 3, 3),
        ("10 %", 0, 0),
        *((text, 3, None) for text in ("", "none", "-1", "1.5", "1e9", "9999999", "٣", "1\nx")),
    ],
)
def test_a_number_or_a_percentage(text: str, members: int, allowed: int | None) -> None:
    assert _Budget(text, "").of(members) == allowed


def test_a_group_by_its_policy(fake: FakeCloud) -> None:
    settings = {"policies": {"anti-affinity": "33%"}}
    assert judged(fake, settings) == []
    fake.server("db-2").status = "SHUTOFF"
    assert len(judged(fake, settings)) == 1


def test_the_figure_and_who_is_down_are_told(fake: FakeCloud) -> None:
    fake.server("db-3").status = "ERROR"
    (why,) = judged(fake, {"policies": {"anti-affinity": 1}})
    assert why == (
        "server group db (anti-affinity) would have 2 of 3 members down (db-3 ERROR, db-1 here), "
        "more than its budget of 1 (disruption_budgets.policies.anti-affinity)"
    )


def test_the_smallest_budget_of_the_members_goes_before_that_of_the_policy(
    fake: FakeCloud,
) -> None:
    fake.server("db-2").metadata = {KEY: "2"}
    fake.server("db-3").metadata = {KEY: "0"}
    (why,) = judged(fake, {"policies": {"anti-affinity": 3}})
    assert why.endswith(f"more than its budget of 0 ({KEY} of db-3)")


def test_what_is_no_budget_counts_for_nothing(fake: FakeCloud) -> None:
    fake.server("db-1").metadata = {KEY: "-1"}
    assert judged(fake, {}) == []


@pytest.mark.parametrize("wanted", [SHOP.id, "shop"])
def test_a_project_by_the_configuration(fake: FakeCloud, wanted: str) -> None:
    fake.server("db-2").status = "PAUSED"
    (why,) = judged(fake, {"projects": {wanted: 1}})
    assert why.startswith("project shop would have 2 of 3 members down (db-2 PAUSED, db-1 here)")
    assert judged(fake, {"projects": {wanted: 2}}) == []


def test_a_project_by_its_own_property(fake: FakeCloud) -> None:
    fake.projects = [Project("shop", id=SHOP.id, properties={KEY: "0"})]
    (why,) = judged(fake, {"projects": {"shop": 3}})
    assert why.endswith(f"its budget of 0 ({KEY} of the project)")


def test_whose_servers_are_not_there_is_not_asked(fake: FakeCloud) -> None:
    fake.server("db-1").host = "cmp-2"
    assert judged(fake, {"projects": {"shop": 0}, "policies": {"anti-affinity": 0}}) == []


def test_one_that_is_off_already_is_not_taken_from_anybody(fake: FakeCloud) -> None:
    fake.server("db-1").status = "SHUTOFF"
    assert judged(fake, {"policies": {"anti-affinity": 0}}) == []


def test_shelved_members_are_none(fake: FakeCloud) -> None:
    fake.server("db-2").status = "SHELVED_OFFLOADED"
    (why,) = judged(fake, {"policies": {"anti-affinity": 0}})
    assert "1 of 2 members down (db-1 here)" in why


def test_only_so_many_are_moved_at_once(fake: FakeCloud) -> None:
    for name in ("db-2", "db-3"):
        fake.server(name).host = "cmp-1"
    settings = {"policies": {"anti-affinity": 2}}
    assert judged(fake, settings, at_once=2) == []
    (why,) = judged(fake, settings)
    assert "3 of 3 members" in why


def test_live_migration_may_count_for_nothing(fake: FakeCloud) -> None:
    settings = {"policies": {"anti-affinity": 1}, "live_migration": False}
    fake.server("db-2").status = "SHUTOFF"
    assert judged(fake, settings) == []
    fake.server("db-3").status = "SHUTOFF"
    assert "2 of 3 members" in judged(fake, settings)[0]
    assert "3 of 3 members" in judged(fake, settings, stopped=[fake.server("db-1").id])[0]


def test_those_that_are_stopped_alone_count(fake: FakeCloud) -> None:
    settings = {"policies": {"anti-affinity": 0}}
    assert judged(fake, settings, stopped=[fake.server("web-1").id]) == []
    assert judged(fake, settings, stopped=[fake.server("db-1").id]) != []


def test_an_account_that_may_not_read_projects_goes_by_ids(fake: FakeCloud) -> None:
    fake.fail("GET /identity/v3/projects", 403, times=float("inf"))
    assert judged(fake, {"projects": {"shop": 0}}) == []
    assert judged(fake, {"projects": {SHOP.id: 0}}) != []


def test_who_is_on_a_host_that_is_down_is_down(fake: FakeCloud) -> None:
    fake.server("db-2").host_status = "UNKNOWN"
    fake.server("db-3").host_status = "MAINTENANCE"  # its service is disabled, and it runs
    (why,) = judged(fake, {"policies": {"anti-affinity": 1}})
    assert "2 of 3 members down (db-2 on cmp-2, db-1 here)" in why


def test_a_part_that_could_not_be_read_is_not_taken_for_all(fake: FakeCloud) -> None:
    fake.page = 2
    fake.fail("GET /compute/v2.1/servers/detail", 403, times=float("inf"), query={"marker": "."})
    with pytest.raises(CloudError):
        judged(fake, {"policies": {"anti-affinity": 3}, "projects": {"shop": 1}})


def test_what_cannot_be_read_is_not_taken_for_good(fake: FakeCloud) -> None:
    fake.fail("GET /compute/v2.1/os-server-groups", 403, times=float("inf"))
    with pytest.raises(CloudError, match="server-groups"):
        judged(fake, {})


@pytest.mark.long
def test_the_requests_do_not_depend_on_how_many_servers_there_are(fake: FakeCloud) -> None:
    settings = {"policies": {"anti-affinity": 1}, "projects": {"shop": 5}}
    judged(fake, settings)
    few = len(fake.requests)
    fake.servers += [Server(f"more-{n}", "cmp-1", project=SHOP.id) for n in range(200)]
    fake.groups[0].members += [f"more-{n}" for n in range(200)]
    fake.requests.clear()
    assert judged(fake, settings)
    assert len(fake.requests) <= few

"""Asking Nova: pages, filters that are checked again, and finding by name or id."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from accounts.cloud import Cloud
from common.errors import Ambiguous
from query_api.lookups import compute, image, server_actions, things
from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Flavor, Group, Hypervisor, Project, Server, uuid_of
from support.fake_cloud_http import Request
from workflow_api import CloudError, NotFound, UserError

LISTING = "GET .*/servers/detail"
Ask = Callable[[Cloud], list[Any]]


@pytest.fixture
def fake() -> Iterator[FakeCloud]:
    hosts = [Hypervisor(f"cmp-{n}") for n in range(5)]
    servers = [Server(f"s{n}", f"cmp-{n % 2}") for n in range(5)]
    with FakeCloud(hosts, servers) as fake:
        yield fake


def names(things: list[Any]) -> list[str]:
    return [thing.name for thing in things]


def s(*numbers: int) -> list[str]:
    return [f"s{number}" for number in numbers]


# -- pages -------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [1, 2, 4, 5, 6, 1000])
def test_pages_are_followed(page: int, fake: FakeCloud) -> None:
    fake.page = page
    assert names(compute.servers(fake.account())) == s(0, 1, 2, 3, 4)
    assert names(compute.hypervisors(fake.account())) == [f"cmp-{n}" for n in range(5)]


def test_a_filter_is_kept_from_page_to_page(fake: FakeCloud) -> None:
    fake.page = 1
    assert names(compute.servers(fake.account(), host="cmp-1")) == s(1, 3)
    assert {r.query["host"] for r in fake.asked(LISTING)} == {"cmp-1"}
    assert {r.query["all_tenants"] for r in fake.asked(LISTING)} == {"1"}


def test_a_service_that_ignores_paging(fake: FakeCloud) -> None:
    fake.page, fake.ignores = 5, {"marker", "limit"}
    assert names(compute.servers(fake.account())) == s(0, 1, 2, 3, 4)
    assert fake.count(LISTING) == 4, "asked for the page after it twice, and for one row"


def test_a_page_that_comes_again_and_again(fake: FakeCloud) -> None:
    fake.page, fake.ignores = 2, {"marker"}
    with pytest.raises(CloudError, match="the same page again") as told:
        compute.servers(fake.account())
    assert "a cache, a proxy" in told.value.advice


@pytest.mark.parametrize("link", ["", "?limit=2", "?marker="])
def test_a_link_without_a_marker_is_the_last(link: str, fake: FakeCloud) -> None:
    links = [{"rel": "next", "href": f"{fake.origin}/servers{link}"}]
    body = {"servers": [{"id": "1", "name": "one"}], "servers_links": links}
    fake.fail(LISTING, 200, body=body, times=9)
    assert names(compute.servers(fake.account())) == ["one"]
    assert fake.count(LISTING) == 1


def test_rows_that_shift_while_they_are_read_come_once(fake: FakeCloud) -> None:
    fake.page = 2

    def shift(request: Request) -> None:
        if request.query.get("marker") == fake.server("s1").id:
            fake.servers.append(fake.servers.pop(0))
            fake.servers.append(Server("new"))

    fake.hooks.append(shift)
    assert names(compute.servers(fake.account())) == [*s(0, 1, 2, 3, 4), "new"]


def test_one_page_that_fails_fails_the_listing(fake: FakeCloud) -> None:
    fake.page = 2
    fake.hooks.append(
        lambda request: fake.fail(LISTING, 403) and None if fake.count(LISTING) == 2 else None
    )
    with pytest.raises(CloudError, match="403"):
        compute.servers(fake.account())


@pytest.mark.parametrize("page", [1, 2, 3, 1000])
def test_server_groups_have_an_offset_and_no_links(page: int, fake: FakeCloud) -> None:
    fake.groups += [Group(f"g{n}", "affinity", []) for n in range(4)]
    fake.page = page
    assert names(compute.server_groups(fake.account())) == [f"g{n}" for n in range(4)]


def test_a_server_group_that_moves_up_while_they_are_read_is_not_missed(fake: FakeCloud) -> None:
    fake.groups += [Group(f"g{n}", "affinity", []) for n in range(6)]
    fake.page = 2

    def delete(request: Request) -> None:
        if request.query.get("offset") == "2":
            del fake.groups[:1]

    fake.hooks.append(delete)
    assert {f"g{n}" for n in range(2, 6)} <= {*names(compute.server_groups(fake.account()))}


@pytest.mark.parametrize("page", [1, 2, 1000])
def test_the_newest_migrations(page: int, fake: FakeCloud) -> None:
    for number in range(5):
        server = fake.servers[number]
        fake.nova.migrate(server, "live-migration", {"host": "cmp-4"})
    fake.page = page
    found = compute.migrations(fake.account(), limit=3)
    assert [migration.id for migration in found] == [5, 4, 3]
    assert [m.id for m in compute.migrations(fake.account(), host="cmp-1", limit=9)] == [4, 2]


# -- filters -----------------------------------------------------------------------------------


def test_what_a_service_ignores_is_checked_here(fake: FakeCloud) -> None:
    fake.ignores = {"host", "name", "status", "project_id"}
    cloud = fake.account()
    assert names(compute.servers(cloud, host="cmp-1")) == s(1, 3)
    assert compute.find_server(cloud, "s3").name == "s3"


def test_the_lowest_microversion_that_answers_is_asked_for(fake: FakeCloud) -> None:
    cloud = fake.account()
    compute.servers(cloud)
    assert {r.version for r in fake.asked(LISTING)} == {(2, 47)}
    assert compute.to_judge(cloud) == "2.96"
    fake.compute_version = "2.95"
    assert compute.to_judge(fake.new_account()) == "2.47"


# -- finding -----------------------------------------------------------------------------------

NAMED = ["web.1", "webx1", "a+b", "aab", "[x]", "x", "WEB.1", "web.10", "^s$", "tab\\t", "(", "a b"]


@pytest.mark.parametrize("name", NAMED)
def test_a_name_is_no_pattern(name: str) -> None:
    with FakeCloud([], [Server(each) for each in NAMED]) as fake:
        assert compute.find_server(fake.account(), name).name == name
        assert fake.count(LISTING) == 1


@pytest.mark.parametrize("name", ["web", "eb.1", "web.", ".*", "", "x]", "Web.1", "a"])
def test_a_part_of_a_name_is_none(name: str) -> None:
    with FakeCloud([], [Server(each) for each in NAMED]) as fake, pytest.raises(NotFound):
        compute.find_server(fake.account(), name)


def test_near_names_are_told() -> None:
    servers = [Server(name) for name in ("web-1", "web-2", "db")]
    with FakeCloud([], servers) as fake, pytest.raises(NotFound) as missing:
        compute.find_server(fake.account(), "web-11")
    assert str(missing.value) == (
        "There is no server 'web-11' in cloud fake. Did you mean web-1 or web-2?"
    )


def test_an_ambiguous_name_lists_the_ids() -> None:
    ids = [uuid_of("server", name) for name in ("two", "one")]
    servers = [Server("web", id=id) for id in ids]
    with FakeCloud([], servers) as fake:
        assert compute.find_server(fake.account(), ids[0]).id == ids[0]
        with pytest.raises(Ambiguous) as several:
            compute.find_server(fake.account(), "web")
    assert str(several.value) == (
        f"2 servers are called 'web' in cloud fake: {', '.join(sorted(ids))}. "
        "Give the id of the one you mean."
    )


def test_an_id_wins_over_a_name() -> None:
    id = uuid_of("server", "a")
    with FakeCloud([], [Server(id, id=uuid_of("server", "b")), Server("a", id=id)]) as fake:
        assert compute.find_server(fake.account(), id).name == "a"
        fake.servers.pop()
        assert compute.find_server(fake.account(), id).name == id, "no id, but a name"


def test_no_rights_is_not_the_same_as_not_there() -> None:
    with FakeCloud([], [Server("a")]) as fake:
        fake.fail("GET .*/servers/", 403)
        with pytest.raises(CloudError, match="403"):
            compute.find_server(fake.account(), fake.servers[0].id)


def test_a_hypervisor_by_name_host_or_id() -> None:
    hosts = [Hypervisor("cmp-1.example", host="cmp-1"), Hypervisor("cmp-2.example", host="cmp-2")]
    with FakeCloud(hosts) as fake:
        cloud = fake.account()
        for wanted in ("cmp-1.example", "cmp-1", hosts[0].id):
            assert compute.find_hypervisor(cloud, wanted).id == hosts[0].id
        with pytest.raises(NotFound, match=r"Did you mean cmp-2\.example"):
            compute.find_hypervisor(cloud, "cmp-2.exampel")
        hosts[1].host = "cmp-1"
        with pytest.raises(Ambiguous):
            compute.find_hypervisor(cloud, "cmp-1")


PROJECTS = [
    Project("web"), Project("web", "other"), Project("Web"), Project("db"), Project("a/b"),
    Project("b", "a"), Project("solo/x", "other"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("db", 3),
        ("Web", 2),
        ("default/web", 0),
        ("Other/web", 1),
        ("other/web", 1),
        (PROJECTS[1].id, 1),
        ("solo/x", 6),
        ("other/solo/x", 6),
        ("a/b", None),
        ("web", None),
        ("WEB", None),
        ("third/web", None),
        ("default/", None),
    ],
)
def test_finding_a_project(wanted: str, found: int | None) -> None:
    with FakeCloud(projects=PROJECTS, domains=["default", "other", "a"]) as fake:
        if found is not None:
            (project,) = things.find_all(fake.account(), "project", [wanted, wanted])
            assert project.id == PROJECTS[found].id
            assert things.find(fake.account(), "project", wanted).id == project.id
            return
        for find in (things.find, lambda *it: things.find_all(*it[:2], [it[2]])):
            with pytest.raises(UserError) as refused:
                find(fake.account(), "project", wanted)
    assert type(refused.value) is (Ambiguous if wanted in ("a/b", "web") else NotFound)


def test_ids_of_keystone_need_not_be_uuids() -> None:
    with FakeCloud(domains=["default", "other"]) as fake:
        assert things.find(fake.account(), "domain", "default").name == "Default"
        assert things.find(fake.account(), "domain", "Other").id == "other"
        with pytest.raises(NotFound, match="Did you mean Default"):
            things.find(fake.account(), "domain", "defaul")


# -- the rest ----------------------------------------------------------------------------------


def test_the_words_of_the_last_fault(fake: FakeCloud) -> None:
    cloud, server = fake.account(), fake.servers[0]
    assert server_actions.last_fault(cloud, server.id) == ""
    fake.fail("os-instance-actions", 403)
    assert (
        server_actions.last_fault(cloud, server.id) == ""
    ), "a cloud that will not tell is no failure"


def test_what_a_server_shows() -> None:
    flavor = Flavor("big", 4, 8192, 40, {"hw:cpu_policy": "dedicated"})
    server = Server("a", flavor=flavor, image="", tags=["t"], metadata={"k": "v"}, fault="broken")
    with FakeCloud([], [server]) as fake:
        found = compute.server(fake.account(), server.id)
    assert (found.name, found.host, found.boots_from_volume) == ("a", "cmp-1", True)
    assert (found.flavor.original_name, found.flavor.ram) == ("big", 8192)
    assert (found.tags, found.metadata, found.ips) == (["t"], {"k": "v"}, ["192.0.2.10"])
    assert found.fault is not None
    assert (found.fault.message, found.subject) == ("broken", f"server:{server.id}")


def test_images() -> None:
    with FakeCloud() as fake:
        fake.images += [{"id": "1", "status": "active", "x": "1"}, {"id": "2", "status": "queued"}]
        cloud = fake.account()
        assert [found.id for found in image.images(cloud, x="1")] == ["1"]
        found = things.look(cloud, "image", "2")
        assert found is not None
        assert (found.status, found.values["name"]) == ("queued", None)
        assert things.look(cloud, "image", "3") is None
        fake.fail("GET /image/v2/images/", 403)
        with pytest.raises(CloudError):
            things.look(cloud, "image", "2")

"""The runbooks about servers, hypervisors and clouds do what they say, by the cloud's own word."""

from __future__ import annotations

import datetime

import pytest

from support.cloud_operator import Operator
from support.cloud_site import Guest, Site


def _only_move(site: Site, guest: Guest, since: int) -> dict[str, str]:
    """Return the one migration that a server has had, which has to be over."""
    (record,) = site.migrations(since, guest)
    assert record["status"] in ("completed", "confirmed")
    return {"how": record["migration_type"], "to": record["dest_compute"]}


# -- reading -----------------------------------------------------------------------------------


def test_server_list_and_search(site: Site, operator: Operator) -> None:
    running, stopped = site.boot(2)
    site.act(stopped, "os-stop", "SHUTOFF")

    everywhere = operator.done("server.list").result["rows"]
    where = f"host = {site.source}"
    here = operator.done("server.search", where=where).result["rows"]
    off = operator.done("server.search", where=f"{where} and status = shutoff").result["rows"]
    shop = operator.done("server.search", where="project.name = shop").result["rows"]

    assert {row["id"]: row["status"] for row in here} == {
        running.id: "ACTIVE",
        stopped.id: "SHUTOFF",
    }
    assert {row["host"] for row in here} == {site.source}
    assert [row["id"] for row in off] == [stopped.id]
    ids = {server.id for server in site.sdk.compute.servers(details=False, all_projects=True)}
    assert {row["id"] for row in everywhere} == ids
    project = site.sdk.identity.find_project("shop", ignore_missing=False)
    assert shop
    assert {row["project_id"] for row in shop} == {project.id}


def test_server_show(site: Site, operator: Operator) -> None:
    (guest,) = site.boot(metadata={"purpose": "proof"})

    by_name = operator.done("server.show", server=guest.name)
    by_id = operator.done("server.show", server=guest.id)

    assert by_name.result["rows"] == by_id.result["rows"]
    shown = {row["property"]: row["value"] for row in by_id.result["rows"]}
    assert (shown["id"], shown["status"], shown["hypervisor"]) == (guest.id, "ACTIVE", site.source)
    assert "proof" in shown["metadata"]
    assert "64 MiB" in shown["flavor"]


def test_hypervisor_list_and_show(site: Site, operator: Operator) -> None:
    guests = site.boot(2)
    site.disable(site.other, "being looked at")

    rows = {row["name"]: row for row in operator.done("hypervisor.list").result["rows"]}
    shown = operator.done("hypervisor.show", hypervisor=site.source)

    states = {s["host"]: s for s in site.nova("/os-services?binary=nova-compute")["services"]}
    assert {name: (row["state"], row["status"]) for name, row in rows.items()} == {
        host: (service["state"], service["status"]) for host, service in states.items()
    }
    assert rows[site.other]["disabled_reason"] == "being looked at"
    assert {row["id"] for row in shown.result["rows"]} == {guest.id for guest in guests}
    by_id = operator.done("hypervisor.show", hypervisor=site.hypervisor(site.source)["id"])
    assert by_id.result["rows"] == shown.result["rows"]


def test_cloud_check(operator: Operator) -> None:
    ended = operator.run("cloud.check")

    found = {row["check"]: row["result"] for row in ended.result["rows"]}
    # A test's state store lies in a temporary folder, as no other should.
    # That is a warning: it does not fail the check, and says what follows.
    assert "BAD" not in found.values()
    assert found["state filesystem"] == "WARN"
    assert "is temporary" in ended.result["text"]
    assert ended.kind == "done"
    for check in (
        "login",
        "clock",
        "service compute",
        "right to enable and disable compute services",
    ):
        assert found[check] == "ok"
    assert found["right to migrate servers"] == "not checkable"


# -- scheduling --------------------------------------------------------------------------------


def test_disable_and_enable(site: Site, operator: Operator) -> None:
    host = site.source

    operator.done("hypervisor.disable", hypervisor=host, reason="a broken fan")
    service = site.service(host)
    assert (service["status"], service["disabled_reason"]) == ("disabled", "a broken fan")

    again = operator.done("hypervisor.disable", hypervisor=host, reason="a broken fan")
    assert again.result["changed"] == []
    assert again.result["skipped"][0]["what"] == host
    operator.done("hypervisor.disable", hypervisor=host, reason="two broken fans")
    assert site.service(host)["disabled_reason"] == "two broken fans"

    operator.done("hypervisor.enable", hypervisor=host)
    service = site.service(host)
    assert (service["status"], service["disabled_reason"]) == ("enabled", None)
    assert operator.done("hypervisor.enable", hypervisor=host).result["changed"] == []


# -- moving one server -------------------------------------------------------------------------


@pytest.mark.parametrize(("migration", "how"), [("live", "live-migration"), ("cold", "migration")])
def test_migrate(migration: str, how: str, site: Site, operator: Operator) -> None:
    (guest,) = site.boot()
    since = site.newest_migration()

    ended = operator.done("server.migrate", server=guest.name, migration=migration)

    moved = _only_move(site, guest, since)
    assert moved["how"] == how
    assert site.host_of(guest) == moved["to"] != site.source
    assert site.status_of(guest) == "ACTIVE"
    (changed,) = ended.result["changed"]
    assert (changed["from"], changed["to"], changed["how"]) == (site.source, moved["to"], migration)


def test_migrate_to_a_target(site: Site, operator: Operator) -> None:
    running, stopped = site.boot(2)
    site.act(stopped, "os-stop", "SHUTOFF")

    for guest in (running, stopped):
        operator.done("server.migrate", server=guest.id, target=site.other)

    assert [site.host_of(guest) for guest in (running, stopped)] == [site.other] * 2
    assert site.status_of(stopped) == "SHUTOFF"


def test_migrate_with_a_snapshot(site: Site, operator: Operator) -> None:
    (guest,) = site.boot()

    ended = operator.done("server.migrate", server=guest.id, snapshot=True, keep_snapshot="2d")

    (image_id,) = [row["image"] for row in ended.result["changed"] if "image" in row]
    image = site.sdk.image.get_image(image_id)
    site.sdk.image.delete_image(image)
    assert image.status == "active"
    today = datetime.datetime.now(datetime.timezone.utc).date()
    kept = datetime.date.fromisoformat(image.properties["openstack_ops:keep_until"])
    assert datetime.timedelta(1) <= kept - today <= datetime.timedelta(3)
    assert image.properties["openstack_ops:run"] == ended.run
    assert site.host_of(guest) != site.source


def test_migrate_refuses_before_it_takes_a_snapshot(site: Site, operator: Operator) -> None:
    locked, suspended = site.boot(2)
    site.act(locked, "lock")
    site.act(suspended, "suspend", "SUSPENDED")

    operator.refused("server.migrate", "it is locked", server=locked.id, snapshot=True)
    operator.refused("server.migrate", "it is suspended", server=suspended.id, snapshot=True)
    images = [image.name for image in site.sdk.image.images()]
    assert not [name for name in images if locked.name in name or suspended.name in name]
    assert {site.host_of(guest) for guest in (locked, suspended)} == {site.source}


def test_migrate_refuses_a_bad_target(site: Site, operator: Operator) -> None:
    (guest,) = site.boot()
    since = site.newest_migration()
    site.disable(site.other)

    operator.refused("server.migrate", "hypervisor itself", server=guest.id, target=site.source)
    operator.refused("server.migrate", "up and disabled", server=guest.id, target=site.other)

    assert site.migrations(since, guest) == []

"""Flavors and images that runbooks make on a real cloud: killed, lost, copied from another one."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.cloud_operator import Operator
from support.cloud_proxied import Proxied
from support.cloud_site import Site
from support.fake_cloud import FakeCloud
from support.fake_cloud_flavors import FakeFlavors
from support.proxy import Cut, Hold, Match

DATA = b"an image" * 400_000
SPECS = {"hw:numa_nodes": "1"}


@pytest.fixture
def source(folder: Path) -> Path:
    path = folder / "image.raw"
    path.write_bytes(DATA)
    return path


@pytest.fixture
def elsewhere() -> Iterator[FakeCloud]:
    """Another cloud, whose flavors are copied; its projects are called as those of devcloud."""
    with FakeCloud() as fake:
        yield fake


def image_called(site: Site, name: str) -> dict[str, Any]:
    (found,) = site.sdk.image.images(name=name)
    return site.find_image(str(found.id)) or {}


@pytest.mark.parametrize(
    "lost",
    [Match("compute", "POST", r"/flavors$"), Match("compute", "POST", "/os-extra_specs")],
    ids=["flavor", "specs"],
)
def test_a_flavor_whose_answer_was_lost_is_made_once(
    site: Site, proxied: Proxied, lost: Match
) -> None:
    name = site.to_come("flavor")
    proxied.proxy.fault(lost, Cut(after=True))
    given = {"vcpus": 1, "ram_mib": 64, "disk_gib": 0, "extra_specs": "hw:numa_nodes=1"}
    proxied.operator.done("flavor.create", name=name, public=False, **given)
    shown = site.find_flavor(name) or {}
    assert (shown["vcpus"], shown["ram"], shown["extra_specs"]) == (1, 64, SPECS)
    again = proxied.operator.done("flavor.create", name=name, public=False, **given)
    assert len(again.result["skipped"]) == 1


def test_a_public_flavor_in_use_is_made_private_and_then_deleted(
    site: Site, operator: Operator
) -> None:
    name = site.flavor(hw__numa_nodes="1")
    (guest,) = site.boot(flavor=name)
    before = site.find_flavor(name) or {}
    given = {"flavor": name, "end_date": "2099-12-31", "dry_run": False}
    operator.done("flavor.retire", **given)
    now = site.find_flavor(name) or {}
    assert (now["id"], now["os-flavor-access:is_public"], now["access"]) == (
        before["id"],
        False,
        [],
    )
    assert now["extra_specs"] == SPECS
    operator.refused("flavor.delete", "1 server has it", flavor=name, dry_run=False)
    assert operator.done("flavor.retire", **given).result["left"]
    site.delete([guest.id])
    operator.done("flavor.retire", **given)
    assert site.find_flavor(name) is None


def test_flavors_are_copied_from_another_cloud(
    site: Site, cloud_config: dict[str, Any], folder: Path, elsewhere: FakeCloud
) -> None:
    name = site.to_come("flavor")
    there = elsewhere.part(FakeFlavors)
    private = {"os-flavor-access:is_public": False}
    row = there.flavor(name, vcpus=2, ram=128, disk=0, extra_specs=SPECS, **private)
    mine = cloud_config["clouds"][0]["name"]
    cloud_config["clouds"].append({**elsewhere.entry(), "name": "elsewhere"})
    operator = Operator(folder / "copies", cloud_config)
    given = {"cloud": "elsewhere", "cloud_b": mine, "flavors": [name]}
    try:
        operator.dry_run("flavor.copy", **given)
        assert site.find_flavor(name) is None
        operator.done("flavor.copy", **given)
        shown = site.find_flavor(name) or {}
        assert (shown["id"], shown["vcpus"], shown["extra_specs"]) == (row["id"], 2, SPECS)
        assert operator.done("flavor.copy", **given).result["skipped"]
        assert elsewhere.changes == []
    finally:
        operator.leave()


@pytest.mark.parametrize(
    "lost",
    [Match("image", "POST", r"/images$"), Match("image", "PUT", "/file$")],
    ids=["record", "data"],
)
def test_an_image_whose_answer_was_lost_is_made_once(
    site: Site, proxied: Proxied, source: Path, lost: Match
) -> None:
    name = site.to_come("image")
    proxied.proxy.fault(lost, Cut(after=True))
    proxied.operator.done(
        "image.create", name=name, source=str(source), disk_format="raw", visibility="community"
    )
    shown = image_called(site, name)
    assert (shown["status"], shown["visibility"]) == ("active", "community")
    assert shown["os_hash_value"] == hashlib.sha512(DATA).hexdigest()


@pytest.mark.usefixtures("hasty")
def test_killed_in_the_midst_of_an_upload_it_is_begun_again(
    site: Site, operator: Operator, proxied: Proxied, source: Path
) -> None:
    name = site.to_come("image")
    held = proxied.proxy.fault(Match("image", "PUT", "/file$"), Hold("answer"))
    given = {"name": name, "source": str(source), "disk_format": "raw"}
    victim = proxied.operator.start("image.create", **given)
    held.wait_reached(60)
    run = victim.run
    assert victim.kill()
    held.remove()
    held.release()
    proxied.operator.done("run.resume", run=run)
    shown = image_called(site, name)
    assert (shown["status"], shown["size"]) == ("active", len(DATA))


def test_the_project_it_is_shared_with_accepts_an_image(site: Site, operator: Operator) -> None:
    image, project = site.new_image(), site.project()
    operator.done("image.share", image=image, project=project)
    operator.done("image.accept", image=image, project=project)
    assert (site.find_image(image) or {})["members"] == {project: "accepted"}


def test_an_image_in_use_is_not_deleted(site: Site, operator: Operator) -> None:
    (guest,) = site.boot()
    image = site.server(guest)["image"]["id"]
    operator.refused("image.delete", "booted from it", image=image, dry_run=False)


def test_a_family_is_rotated(site: Site, operator: Operator) -> None:
    label = site.to_come("image")
    facts = {"visibility": "community", "os_version": label}
    old = site.new_image(**facts)
    time.sleep(1.1)  # Glance tells when an image was made to the second
    newer, new = site.new_image(**facts), site.new_image(**facts)
    given = {"image": new, "family": f"os_version={label}", "visibility": "community"}
    operator.done("image.rotate", keep=2, dry_run=False, **given)
    assert site.find_image(old) is None
    shown = site.find_image(newer) or {}
    assert (shown["os_hidden"], shown["tags"]) == (True, ["deprecated"])
    assert (site.find_image(new) or {})["os_hidden"] is False

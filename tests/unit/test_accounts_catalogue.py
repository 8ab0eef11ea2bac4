"""Which region of a catalogue is meant, and where each service of it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from accounts import services
from accounts.cloud import Cloud
from accounts.config import load
from common import tracing
from openstack_api.compute import disable_service
from query_api.lookups import compute
from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import OWNER, Hypervisor, Server
from support.fake_cloud_http import Answer
from support.fake_cloud_runs import read
from workflow_api import CloudError, NotFound, UserError


@pytest.fixture
def fake() -> Iterator[FakeCloud]:
    with FakeCloud([Hypervisor("cmp-1")], [Server("a")]) as fake:
        yield fake


def cloud_of(fake: FakeCloud, **entry: Any) -> Cloud:
    return Cloud.from_config(load({"clouds": [fake.entry(**entry)]}), None)


# -- regions -----------------------------------------------------------------------------------

SEVERAL = (
    "Cloud 'fake': its catalogue has several regions (one, two) and region_name names none of "
    "them. Set region_name of this cloud; make an entry for each region."
)


def test_several_regions_and_none_chosen_is_refused_before_anything_is_asked(
    fake: FakeCloud,
) -> None:
    fake.regions = {"one": "", "two": "/two"}
    cloud = cloud_of(fake)
    for ask in (
        lambda: compute.servers(cloud),
        lambda: cloud.endpoint("compute"),
        lambda: cloud.address("image"),
        lambda: cloud.supports("compute", "2.1"),
        lambda: disable_service(cloud, "x", "y"),
    ):
        with pytest.raises(UserError, match=re.escape(SEVERAL)):
            ask()
    assert {request.path for request in fake.requests} <= {
        "/identity/v3",
        "/identity/v3/auth/tokens",
    }


@pytest.mark.parametrize(("region", "path"), [("one", ""), ("two", "/two")])
def test_everything_is_asked_in_the_chosen_region(fake: FakeCloud, region: str, path: str) -> None:
    fake.regions = {"one": "", "two": "/two"}
    fake.route("GET /two/compute/v2.1/servers/detail", lambda request: Answer({"servers": []}))
    cloud = cloud_of(fake, region_name=region)
    assert len(compute.servers(cloud)) == (1 if region == "one" else 0)
    assert cloud.region == region
    for service in ("identity", "compute", "placement"):
        assert cloud.address(service).startswith(f"{fake.origin}{path}/{service}")


def test_the_only_region_needs_no_choice(fake: FakeCloud) -> None:
    assert cloud_of(fake).region == "one"


def test_regions_of_services_that_are_not_asked_do_not_count(fake: FakeCloud) -> None:
    fake.services["object-store"] = "/object-store"
    cloud = cloud_of(fake)
    listed = fake._catalogued

    def catalogued(service: str) -> Any:
        entry = listed(service)
        if service == "object-store":
            entry["endpoints"][0] |= {"region": "elsewhere", "region_id": "elsewhere"}
        return entry

    fake._catalogued = catalogued  # type: ignore[method-assign]
    assert cloud.region == "one"
    assert len(compute.servers(cloud)) == 1


@pytest.mark.parametrize(("wrong", "meant"), [("oen", "one"), ("One", "one"), ("RegionX", "one")])
def test_a_region_that_is_not_there(fake: FakeCloud, wrong: str, meant: str) -> None:
    with pytest.raises(NotFound) as raised:
        compute.servers(cloud_of(fake, region_name=wrong))
    assert str(raised.value) == (
        f"There is no region '{wrong}' in the catalogue of cloud fake. Did you mean {meant}?"
    )


# -- versions ----------------------------------------------------------------------------------


def documents(fake: FakeCloud, service: str, *links: tuple[str, str]) -> None:
    """Have a service tell its versions at its root, each with an address."""
    versions = [
        {"id": version, "status": "CURRENT", "links": [{"rel": "self", "href": href}]}
        for version, href in links
    ]
    fake.route(f"GET /{service}", lambda request: Answer({"versions": versions}))


@pytest.mark.parametrize("slash", ["", "/"])
def test_an_entry_without_a_version_is_asked_for_it_once(fake: FakeCloud, slash: str) -> None:
    fake.services["compute"] = f"/compute{slash}"
    documents(
        fake,
        "compute",
        ("v2.0", f"{fake.origin}/compute/v2/"),
        ("v2.1", f"{fake.origin}/compute/v2.1/"),
    )
    cloud = cloud_of(fake)
    assert len(compute.servers(cloud)) == len(compute.servers(cloud)) == 1
    assert cloud.address("compute").rstrip("/") == f"{fake.origin}/compute/v2.1"
    assert fake.count("GET /compute$") == 1
    assert cloud.supports("compute", "2.96")


def test_where_discovery_leads_is_where_everything_goes(fake: FakeCloud) -> None:
    """Reads and changes both, and what cloud.check shows is what is used."""
    fake.services["compute"] = "/other"
    documents(fake, "other", ("v2.1", f"{fake.origin}/compute/v2.1/"))
    cloud = cloud_of(fake)
    assert len(compute.servers(cloud)) == 1
    table = read(cloud, "cloud.check")
    shown = {row["check"]: row["detail"] for row in table.rows}["service compute"]
    assert shown.startswith(f"{fake.origin}/compute/v2.1/,")
    trace = tracing.Trace("8f6f3b4e-0d6e-4a51-8d0e-1f6b1c2a3b4c", fence=lambda: None)
    with tracing.traced(trace):
        disable_service(cloud, fake.hypervisors[0].service, "tested")
    (change,) = [request for request in fake.changes if "0000-0000" not in request.path]
    assert change.path.startswith("/compute/v2.1/os-services/")


@pytest.mark.parametrize(
    "href", ["http://inner.example.org:8774/v2.1/", "https://127.0.0.1/compute/v2.1/", "nonsense"]
)
def test_a_document_that_leads_to_another_host_is_not_followed(fake: FakeCloud, href: str) -> None:
    fake.services["compute"] = "/proxied"
    documents(fake, "proxied", ("v2.1", href))
    fake.route("GET /proxied/v2.1/servers/detail", lambda request: Answer({"servers": []}))
    cloud = cloud_of(fake)
    assert compute.servers(cloud) == []
    assert cloud.address("compute").rstrip("/") == f"{fake.origin}/proxied/v2.1"


@pytest.mark.parametrize("status", [404, 500, 300, 401])
def test_a_service_that_tells_no_versions_is_asked_where_the_api_is_by_rule(
    fake: FakeCloud, status: int, no_back_off: None
) -> None:
    fake.services |= {"compute": "/compute", "network": "/network", "block-storage": "/volume"}
    fake.fail("GET /(compute|network|volume)$", status, times=100, body=b"<html>")
    cloud = cloud_of(fake)
    assert len(compute.servers(cloud)) == 1
    assert cloud.address("network") == f"{fake.origin}/network/v2.0"
    assert cloud.address("block-storage") == f"{fake.origin}/volume/v3"


def test_an_entry_of_another_version(fake: FakeCloud) -> None:
    fake.services["block-storage"] = f"/volume/v2/{OWNER}"
    with pytest.raises(UserError, match="is that of another version of its API, and v3 is not"):
        cloud_of(fake).get("block-storage", "/volumes/detail")
    documents(fake, "volume", ("v3.0", f"{fake.origin}/volume/v3/"))
    assert cloud_of(fake).address("block-storage").startswith(f"{fake.origin}/volume/v3/")


def test_an_entry_with_a_project_in_it_is_taken_as_it_is(fake: FakeCloud) -> None:
    fake.services["block-storage"] = "/volume/v3/0123456789abcdef0123456789abcdef"
    assert cloud_of(fake).address("block-storage").endswith("/volume/v3/" + "0123456789abcdef" * 2)
    assert fake.count("GET /volume") == 0


def test_an_entry_with_a_place_that_nothing_fills(fake: FakeCloud) -> None:
    fake.services["compute"] = "/compute/v2.1/%(nothing)s"
    with pytest.raises(UserError, match=r"has %\(nothing\)s, which stands for nothing") as told:
        compute.servers(cloud_of(fake))
    assert "%(project_id)s" in told.value.advice


# -- addresses of one's own --------------------------------------------------------------------


@pytest.mark.parametrize(
    "alias", ["volumev3", "volumev2", "volume", "block-store", "Block_Storage"]
)
def test_official_aliases_name_the_same_service(fake: FakeCloud, alias: str) -> None:
    cloud = cloud_of(fake, endpoint_override={alias: f"{fake.origin}/mine/v3"})
    assert cloud.address("block-storage") == f"{fake.origin}/mine/v3"


def test_an_address_of_ones_own_without_a_version(fake: FakeCloud) -> None:
    documents(fake, "compute", ("v2.1", f"{fake.origin}/compute/v2.1/"))
    fake.services["compute"] = "/gone"
    cloud = cloud_of(fake, endpoint_override={"compute": f"{fake.origin}/compute"})
    assert len(compute.servers(cloud)) == 1


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ({"compte": "http://x"}, "no service types: compte (did you mean compute?)."),
        ({"volumev4": "http://x"}, "volumev4 (did you mean volumev"),
        ({"nova": "http://x"}, "no service types: nova"),
        ({"volume": "http://x", "volumev3": "http://y"}, "has block-storage twice"),
    ],
)
def test_keys_that_are_no_service_are_refused(
    fake: FakeCloud, override: dict[str, str], words: str
) -> None:
    with pytest.raises(UserError) as raised:
        compute.servers(cloud_of(fake, endpoint_override=override))
    assert words in str(raised.value)
    assert fake.requests == []


def test_an_empty_catalogue_is_said_as_one(fake: FakeCloud) -> None:
    fake.services.clear()
    with pytest.raises(CloudError, match=r"its catalogue is empty. The login is to no project"):
        compute.servers(cloud_of(fake))


def test_the_services_of_the_pack_are_official() -> None:
    authority = services._authority()
    assert all(authority.is_official(kind) for kind in services.VERSIONS)

"""Each key of clouds.yaml is obeyed, or refused by its name: by enumeration of those there are."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml

from accounts import clouds_yaml, services
from accounts.cloud import Cloud
from accounts.config import load
from accounts.reach import Reach
from query_api.lookups import compute
from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Hypervisor, Server
from support.fake_cloud_http import Answer
from support.fake_cloud_runs import read
from workflow_api import UserError

AUTH = {"auth_url": "http://127.0.0.1:1/v3", "username": "u", "password": "open sesame"}
Store = Callable[..., None]


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Store:
    """Write the entry ``mine`` of the machine's clouds.yaml."""
    from openstack.config import loader

    path = tmp_path / "clouds.yaml"
    monkeypatch.setattr(loader, "CONFIG_FILES", [str(path)])
    monkeypatch.setattr(loader, "SECURE_FILES", [])
    monkeypatch.setattr(loader, "VENDOR_FILES", [])

    def write(**entry: Any) -> None:
        path.write_text(yaml.safe_dump({"clouds": {"mine": {"auth": AUTH, **entry}}}))

    return write


@pytest.fixture
def fake() -> Iterator[FakeCloud]:
    with FakeCloud([Hypervisor("cmp-1")], [Server("a")]) as fake:
        yield fake


def cloud(**entry: Any) -> Cloud:
    return Cloud.from_config(load({"clouds": [{"name": "x", "clouds_yaml": "mine", **entry}]}), "x")


def sdk_keys() -> list[str]:
    """The keys that the SDK's own schema has for an entry, those for each service spelt out."""
    schema = json.loads(resources.files("openstack.config").joinpath("schema.json").read_text())
    found = schema["$defs"]["cloud"] if "$defs" in schema else schema
    patterns = found.get("patternProperties", {})
    ends = {pattern.strip("_$") for pattern in patterns} | set(clouds_yaml._SUFFIXES)
    return sorted({*found["properties"], *(f"compute_{end}" for end in ends if end)})


#: A value of each key that changes something, where a plain text would not.
VALUES: dict[str, Any] = {
    "auth": {"project_name": "p"},
    "auth_type": "v3password",
    "auth_plugin": "v3password",
    "auth_methods": ["v3password"],
    "verify": True,
    "insecure": False,
    "api_timeout": 7,
    "interface": "internal",
    "endpoint_type": "internal",
    "networks": [{"name": "n"}],
    "metrics": {"statsd": {"host": "h"}},
    "disable_vendor_agent": {"a": "b"},
    "regions": ["one"],
    "compute_api_version": "2.1",
    "identity_api_version": "3",
    "block_storage_api_version": "3",
    "volume_api_version": "3",
    "network_api_version": "2",
    "image_api_version": "2",
    "force_ipv4": True,
    "prefer_ipv6": False,
    "requires_floating_ip": True,
}
#: Keys that say what holds already, so nothing is to be seen of them.
SAYS_NOTHING = {
    *("verify", "insecure", "auth", "auth_methods", "auth_plugin", "auth_type"),
    *(f"{name}_api_version" for name in ("compute", "identity", "volume", "network", "image")),
    "block_storage_api_version",
}


def plain_reach() -> Reach:
    return Reach(auth_type="password", auth=AUTH)


@pytest.mark.parametrize("key", sdk_keys())
def test_every_key_is_obeyed_or_refused_or_named(key: str, store: Store, tmp_path: Path) -> None:
    """Whatever the SDK knows makes a difference, is refused by name, or shown by cloud.check."""
    (tmp_path / "pem").touch()
    file = str(tmp_path / "pem")
    value = VALUES.get(key, file if key in ("cacert", "cert") else "7")
    value = file if key == "key" else {**AUTH, **value} if key == "auth" else value
    store(**{"cert": file} if key == "key" else {}, **{key: value})
    ours = not key.startswith("baremetal_")
    if key == "auth_methods" or (ours and any(key.endswith(end) for end in clouds_yaml.REFUSED)):
        with pytest.raises(UserError, match=rf"does not obey: {key}"):
            _ = cloud().reach
        return
    reach = cloud().reach
    same = plain_reach().__dict__ == {**reach.__dict__, "filters": {}, "auth": AUTH}
    assert key in SAYS_NOTHING or not same or any(reach.filters.values()) or key in reach.unused


def test_the_schema_of_the_sdk_is_one_with_keys() -> None:
    # The schema of the newest for Python 3.10 has 34 and lacks verify, cacert and the like, which
    # are obeyed with all of them.
    assert {"interface", "auth_type", "vendor_hook", "compute_endpoint_override"} <= set(sdk_keys())
    assert len(sdk_keys()) >= 34


OBEYED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "interface": ({"interface": "internal"}, {"interface": "internal"}),
    "several interfaces": (
        {"interface": ["internal", "public"]},
        {"interface": ["internal", "public"]},
    ),
    "its old name": ({"endpoint_type": "admin"}, {"interface": "admin"}),
    "a region": ({"region_name": "two"}, {"region": "two"}),
    "one of regions": ({"regions": ["two"]}, {"region": "two"}),
    "values of a region": (
        {"regions": [{"name": "two", "values": {"interface": "admin"}}]},
        {"region": "two", "interface": "admin"},
    ),
    "which of the regions": (
        {"regions": ["one", "two"], "region_name": "two"},
        {"region": "two"},
    ),
    "an address": (
        {"compute_endpoint_override": "http://c/v2.1"},
        {"overrides": {"compute": "http://c/v2.1"}},
    ),
    "an address by an alias": (
        {"volume_endpoint_override": "http://v/v3"},
        {"overrides": {"block-storage": "http://v/v3"}},
    ),
    "a timeout": ({"api_timeout": 7}, {"timeout": 7.0}),
    "options outside of auth": ({"project_name": "p"}, {"auth": {**AUTH, "project_name": "p"}}),
    "a profile": ({"profile": "citycloud"}, {"region": "Fra1", "auth": AUTH}),
}


@pytest.mark.parametrize("case", OBEYED)
def test_what_is_obeyed(case: str, store: Store) -> None:
    entry, seen = OBEYED[case]
    store(**entry)
    reach = cloud(**({"region_name": "Fra1"} if "profile" in entry else {})).reach
    assert {key: getattr(reach, key) for key in seen} == seen


def test_what_picks_one_service(store: Store) -> None:
    store(
        compute_interface="internal",
        volume_service_type="volumev3",
        network_region_name="two",
        image_service_name="glance",
    )
    reach = cloud().reach
    assert reach.endpoint_filter("compute")["interface"] == "internal"
    assert reach.endpoint_filter("block-storage")["service_type"] == "volumev3"
    assert reach.endpoint_filter("network")["region_name"] == "two"
    assert reach.endpoint_filter("image")["service_name"] == "glance"
    assert reach.endpoint_filter("identity") == {
        "service_type": "identity",
        "interface": "public",
        "region_name": None,
    }


def test_what_the_pack_says_wins(store: Store, tmp_path: Path) -> None:
    (tmp_path / "ca").touch()
    store(interface="admin", region_name="one", compute_endpoint_override="http://theirs/v2.1")
    ours = {"interface": "internal", "region_name": "one", "cacert": str(tmp_path / "ca")}
    reach = cloud(**ours, endpoint_override={"compute": "http://ours/v2.1"}).reach
    assert (reach.interface, reach.cacert) == ("internal", str(tmp_path / "ca"))
    assert reach.overrides == {"compute": "http://ours/v2.1"}


REFUSED = {
    "several regions": ({"regions": ["one", "two"]}, "has several regions of mine (one, two)"),
    "regions at commas": ({"region_name": "one,two"}, "has several regions of mine (one, two)"),
    "another version": ({"identity_api_version": "2"}, "identity_api_version (the pack speaks v3"),
    "a microversion": ({"compute_default_microversion": "2.1"}, "compute_default_microversion ("),
    "retries": ({"connect_retries": 3}, "connect_retries (what is repeated"),
    "a pace": ({"compute_rate_limit": 3}, "compute_rate_limit (limits.parallel_requests"),
    "no such service": ({"has_compute": False}, "has_compute (the pack asks this service)"),
    "code": ({"vendor_hook": "a:b"}, "vendor_hook (code of a vendor is not run)"),
    "a typing error": ({"regoin_name": "one"}, "regoin_name (did you mean region_name"),
    "one in a service's": ({"compute_interfce": "x"}, "compute_interfce (did you mean compute_int"),
    "no verification": ({"verify": False}, "clouds.yaml turns verification off"),
    "a key of auth": ({"auth": {**AUTH, "pasword": "x"}}, "pasword (did you mean password?)"),
    "an auth_type": ({"auth_type": "v3passwort"}, "Did you mean v3password"),
    "a timeout that is none": ({"api_timeout": "soon"}, "api_timeout has to be a number"),
    "no file": ({"cacert": "/nonexistent/ca"}, "there is no file /nonexistent/ca, which cacert"),
    "no interface": ({"interface": "secret"}, "there is no interface 'secret'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_by_name(case: str, store: Store, no_back_off: None) -> None:
    entry, words = REFUSED[case]
    store(**entry)
    with pytest.raises(UserError) as refused:
        _ = cloud().session
    assert words in str(refused.value)
    assert "open sesame" not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    ["clouds: [", "clouds: 7", "clouds: {mine: 7}", "clouds: {mine: }", "7", "",
     "clouds: {mine: []}",
     "clouds: {mine: {auth: 7}}", "clouds: {mine: {auth: , regions: 7}}",
     "clouds: {mine: {auth: {auth_url: '{x}'}}}",
     "clouds: {mine: {auth: {password: !!python/object:os.system x}}}"],
)  # fmt: skip
def test_a_clouds_yaml_that_is_none(text: str, store: Store, tmp_path: Path) -> None:
    (tmp_path / "clouds.yaml").write_text(text)
    with pytest.raises(UserError):
        _ = cloud().session


BOMB = "a: &a [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n"
    for old, new in zip("abcdef", "bcdefg", strict=True)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BOMB, "its aliases make too much of it"),
        (
            "clouds:\n  mine: {}\n  mine: {}\n",
            "line 3 is not valid YAML: the key 'mine' is there twice",
        ),
        ("#" * 2**21, "it is larger than 1 MiB"),
        (None, "it is not a regular file"),
    ],
)
@pytest.mark.parametrize("kind", ["CONFIG_FILES", "SECURE_FILES", "VENDOR_FILES"])
def test_files_of_the_sdk_are_read_as_strictly_as_ours(
    kind: str,
    text: str | None,
    said: str,
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from openstack.config import loader

    store()
    odd = tmp_path / "odd.yaml"
    monkeypatch.setattr(loader, kind, [str(odd)])
    os.mkfifo(odd) if text is None else odd.write_text(text)
    with pytest.raises(UserError, match=said):
        _ = cloud().session


def test_both_ways_to_log_in_are_refused() -> None:
    with pytest.raises(UserError, match="both clouds_yaml and auth or auth_type"):
        _ = cloud(auth=AUTH).session


def test_it_is_asked_where_clouds_yaml_says(fake: FakeCloud, store: Store) -> None:
    fake.services["compute"] = "/gone"
    fake.route("GET /mine/v2.1/servers/detail", lambda request: Answer({"servers": []}))
    store(auth=fake.entry()["auth"], compute_endpoint_override=f"{fake.origin}/mine/v2.1")
    assert compute.servers(cloud()) == []


def test_cloud_check_names_what_has_no_meaning(fake: FakeCloud, store: Store) -> None:
    store(auth=fake.entry()["auth"], networks=[{"name": "n"}], object_store_api_version="2")
    rows = {row["check"]: row["detail"] for row in read(cloud(), "cloud.check").rows}
    assert rows["clouds.yaml"] == (
        "without a meaning for this pack: networks, object_store_api_version"
    )


def test_services_of_the_sdk_and_ours_are_told_apart() -> None:
    assert clouds_yaml._split("compute_interface") == ("compute", "interface")
    assert clouds_yaml._split("volume_endpoint_override") == ("block-storage", "endpoint_override")
    assert clouds_yaml._split("object_store_api_version")[0] not in services.VERSIONS
    assert clouds_yaml._split("region_name") == (None, None)

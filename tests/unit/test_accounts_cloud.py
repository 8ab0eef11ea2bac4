"""A cloud's entry in the configuration: what is accepted, refused, ignored and never shown."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from accounts.cloud import Cloud
from accounts.config import PackConfig, load
from openstack_api.sdk import connection
from query_api.lookups import compute
from support.fake_cloud import PASSWORD, FakeCloud
from support.fake_cloud_estate import Hypervisor, Server
from workflow_api import CloudError, NotFound, UserError


@pytest.fixture
def fake() -> Iterator[FakeCloud]:
    with FakeCloud([Hypervisor("cmp-1")], [Server("a")]) as fake:
        yield fake


def cloud_of(**entry: Any) -> Cloud:
    return Cloud.from_config(load({"clouds": [{"name": "prod", **entry}]}), None)


AUTH = {"auth_url": "http://127.0.0.1:1/v3", "username": "u", "password": PASSWORD}
APPLICATION = {"auth_url": "http://127.0.0.1:1/v3", "application_credential_id": "i"}
NO_DOMAIN = (
    "Cloud 'prod': auth: You have provided a username. In the V3 identity API a username is only "
    "unique within a domain so you must also provide either a user_domain_id or user_domain_name."
)
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a key that the plugin does not know": (
        {"auth": {**AUTH, "pasword": PASSWORD}},
        ("Cloud 'prod': auth has keys that password does not know: "
         "pasword (did you mean password?)."),
    ),
    "a key without a value": (
        {"auth": {**AUTH, "password": ""}},
        "Cloud 'prod': auth has no value for password.",
    ),
    "a secret that the datastore does not hold": (
        {"auth_type": "v3applicationcredential", "auth": {
            **APPLICATION, "application_credential_secret": None}},
        "Cloud 'prod': auth has no value for application_credential_secret.",
    ),
    "a plugin that is none": (
        {"auth_type": "passwort", "auth": AUTH},
        "Cloud 'prod': there is no auth_type 'passwort'.",
    ),
    "no address": (
        {"auth": {"username": "u", "password": PASSWORD}}, "Cloud 'prod': auth lacks auth_url."
    ),
    "a user without a domain": (
        {"auth_type": "v3password", "auth": AUTH},
        NO_DOMAIN,
    ),
    "nothing": ({}, "Cloud 'prod': auth lacks auth_url."),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_credentials_that_are_not_whole(case: str) -> None:
    entry, words = REFUSED[case]
    cloud = cloud_of(**entry)
    with pytest.raises(UserError) as refused:
        compute.servers(cloud)
    assert refused.value.message == words
    assert PASSWORD not in str(refused.value)


def test_what_a_plugin_knows_is_told() -> None:
    with pytest.raises(UserError, match=r"It knows .*password.*username"):
        _ = cloud_of(auth={**AUTH, "pasword": "x"}).session


@pytest.mark.parametrize(
    ("auth_type", "auth"),
    [
        ("password", AUTH),
        ("v3password", {**AUTH, "user-domain-name": "Default"}),
        ("v3applicationcredential", {**APPLICATION, "application_credential_secret": "s"}),
        ("password", {**AUTH, "system_scope": "all"}),
        ("v3token", {"auth_url": "http://127.0.0.1:1", "token": "t"}),
        ("admin_token", {"endpoint": "http://x", "token": "t"}),
    ],
)
def test_keystoneauths_plugins_load(auth_type: str, auth: dict[str, Any]) -> None:
    assert cloud_of(auth_type=auth_type, auth=auth).session.auth is not None


@pytest.mark.parametrize("key", ["verify", "insecure"])
@pytest.mark.parametrize("value", [False, True, "false"])
def test_verification_cannot_be_turned_off(key: str, value: object) -> None:
    with pytest.raises(UserError, match="Cloud 'prod': verify cannot be turned off"):
        cloud_of(auth=AUTH, **{key: value})


def test_certificates_are_verified(tmp_path: Path) -> None:
    assert cloud_of(auth=AUTH).session.verify is True
    assert cloud_of(auth=AUTH, cacert=str(tmp_path)).session.verify == str(tmp_path)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"clouds": [{"name": "a", "auht": {}}]}, "clouds[0].auht (did you mean auth?)"),
        ({"clouds": [{"auth": AUTH}]}, "missing required field `name`"),
        ({"clouds": [{"name": "a", "auth": PASSWORD}]}, "Expected `object`, got `str`"),
        ({"clouds": [{"name": "a"}, {"name": "a"}]}, "have the same name"),
        ({"limits": {"max_parallel": 0}}, "`int` >= 1"),
        ({"limits": {"timeouts": {"request": "0s"}}}, "limits.timeouts.request"),
        ({"limits": {"timeouts": {"request": "soon"}}}, "limits.timeouts.request"),
        ({"clouds": [{"name": "a", "interface": "secret"}]}, "clouds[0].interface"),
    ],
)
def test_a_configuration_that_is_not_valid(config: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError) as refused:
        load(config)
    assert words in str(refused.value)
    assert PASSWORD not in str(refused.value)


def test_which_cloud_is_meant() -> None:
    config = load({"clouds": [{"name": "prod"}, {"name": "test"}], "default_cloud": "test"})
    assert [config.cloud(name).name for name in (None, "", "prod")] == ["test", "test", "prod"]
    with pytest.raises(NotFound, match=r"There is no cloud 'prd' in .* Did you mean prod\?"):
        config.cloud("prd")
    with pytest.raises(NotFound, match="Did you mean prod or test"):
        config.cloud("zzz")
    several = load({"clouds": [{"name": "prod"}, {"name": "test"}]})
    with pytest.raises(UserError, match=r"Several clouds are configured \(prod, test\)"):
        several.cloud(None)
    with pytest.raises(UserError, match="No cloud is configured"):
        load({}).cloud("prod")
    assert load({"clouds": [{"name": "prod"}]}).cloud(None).name == "prod"


# -- the environment, and clouds.yaml ----------------------------------------------------------


def test_the_environment_is_not_read(fake: FakeCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CLOUD", "AUTH_URL", "PASSWORD", "USERNAME", "REGION_NAME", "INTERFACE", "TOKEN"):
        monkeypatch.setenv(f"OS_{name}", "rubbish")
    monkeypatch.setenv("OS_COMPUTE_ENDPOINT_OVERRIDE", "http://127.0.0.1:1")
    cloud = fake.account()
    assert len(compute.servers(cloud)) == 1
    assert [h.name for h in connection(cloud).compute.hypervisors(details=True)] == ["cmp-1"]


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fake: FakeCloud) -> dict[str, Any]:
    """Be the one clouds.yaml of the machine: what a test puts in here is written at once."""
    from openstack.config import loader

    path = tmp_path / "clouds.yaml"
    monkeypatch.setattr(loader, "CONFIG_FILES", [str(path)])
    monkeypatch.setattr(loader, "SECURE_FILES", [str(tmp_path / "secure.yaml")])
    monkeypatch.setattr(loader, "VENDOR_FILES", [])

    class Stored(dict[str, Any]):
        def __setitem__(self, name: str, entry: Any) -> None:
            super().__setitem__(name, entry)
            path.write_text(yaml.safe_dump({"clouds": dict(self)}))

    return Stored()


def test_an_entry_of_clouds_yaml(
    fake: FakeCloud, stored: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OS_CLOUD", "rubbish")
    entry = fake.entry()
    secret = {"auth": {"password": entry["auth"].pop("password")}}
    stored["mine"] = {"auth": entry["auth"], "region_name": "one"}
    (tmp_path / "secure.yaml").write_text(yaml.safe_dump({"clouds": {"mine": secret}}))
    cloud = cloud_of(clouds_yaml="mine")
    assert len(compute.servers(cloud)) == 1
    assert cloud.region == "one"


def test_clouds_yaml_without_the_entry(stored: dict[str, Any]) -> None:
    stored["mine"] = {"auth": AUTH}
    with pytest.raises(UserError, match=r"no cloud 'yours' in clouds\.yaml. Did you mean mine"):
        compute.servers(cloud_of(clouds_yaml="yours"))


@pytest.mark.parametrize("key", [{"verify": False}, {"insecure": True}], ids=str)
def test_clouds_yaml_that_verifies_nothing(stored: dict[str, Any], key: dict[str, Any]) -> None:
    stored["mine"] = {"auth": AUTH, **key}
    with pytest.raises(UserError, match=r"clouds\.yaml turns verification off"):
        compute.servers(cloud_of(clouds_yaml="mine"))


def test_an_address_of_the_catalogue_is_replaced(fake: FakeCloud) -> None:
    fake.services["compute"] = "/gone"
    override = {"compute": f"{fake.origin}/compute/v2.1"}
    cloud = Cloud.from_config(load({"clouds": [fake.entry(endpoint_override=override)]}), None)
    assert len(compute.servers(cloud)) == 1
    assert cloud.supports("compute", "2.96")
    assert len(list(connection(cloud).compute.hypervisors(details=True))) == 1


@pytest.mark.parametrize(("service", "address"), [
    ("identity", "/identity"), ("identity", "/identity/"), ("identity", "/identity/v3"),
    ("image", "/image"), ("image", "/image/v2/"),
])  # fmt: skip
def test_a_catalogue_names_the_version_or_does_not(
    fake: FakeCloud, service: str, address: str
) -> None:
    fake.services[service] = address
    cloud = Cloud.from_config(load({"clouds": [fake.entry()]}), None)
    paths = {"identity": ["/projects", "/v3/projects"], "image": ["/images", "/v2/images"]}
    for path in paths[service]:
        assert cloud.get(service, path).startswith(b"{")


# -- what it keeps to itself -------------------------------------------------------------------


def test_no_password_in_any_text_of_anything(fake: FakeCloud) -> None:
    state_url = f"mysql+pymysql://ops:{PASSWORD}@db/ops"
    config: PackConfig = load(fake.config(state_url=state_url))
    cloud = Cloud.from_config(config, None)
    compute.servers(cloud)
    session = cloud.session
    for thing in (cloud, config, cloud.entry, [cloud.entry], session, session.auth, vars(cloud)):
        for text in (repr(thing), str(thing), f"{thing}"):
            assert PASSWORD not in text
    assert repr(cloud) == "<Cloud fake>"


def test_versions_are_asked_for_once(fake: FakeCloud) -> None:
    cloud = fake.account()
    known = [cloud.supports("compute", version) for version in ("2.1", "2.96", "2.97", "3.0")]
    assert known == [True, True, False, False]
    assert fake.count("GET /compute/v2.1$") == 1


def test_a_service_that_is_not_in_the_catalogue_has_no_versions(fake: FakeCloud) -> None:
    del fake.services["placement"]
    assert fake.account().endpoint("placement") is None
    assert not fake.account().supports("placement", "1.0")


def test_threads_that_begin_together_share_all_there_is(
    fake: FakeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud, ready, made = fake.account(), threading.Barrier(8), list[int]()
    before = sys.getswitchinterval()
    opened = Cloud._opened

    def slowly(self: Cloud) -> Any:
        made.append(1)
        return opened(self)

    def begin() -> Any:
        ready.wait()
        return cloud.session

    monkeypatch.setattr(Cloud, "_opened", slowly)
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            sessions = {id(f.result()) for f in [pool.submit(begin) for _ in range(8)]}
    finally:
        sys.setswitchinterval(before)
    assert (len(sessions), len(made)) == (1, 1)


def test_what_a_service_does_not_say_as_json(fake: FakeCloud) -> None:
    fake.fail("GET .*/servers/detail", 200, body={"servers": "none"})
    with pytest.raises(CloudError, match="/servers/detail: the answer was not understood: "):
        compute.servers(fake.account())


def test_a_service_that_keeps_one_waiting_keeps_nobody_from_the_others(fake: FakeCloud) -> None:
    fake.fail("GET /image", 429, times=10**6, headers={"Retry-After": "60"})
    cloud, waiting, go = fake.new_account(), threading.Event(), threading.Event()
    cloud.log_in()

    def wait(seconds: float) -> None:
        if seconds:
            waiting.set()
            go.wait(20)
            fake.faults.clear()

    cloud.wait = wait
    with ThreadPoolExecutor(2) as pool:
        image = pool.submit(cloud.address, "image")
        try:
            assert waiting.wait(10)
            address = pool.submit(cloud.address, "compute").result(timeout=10)
        finally:
            go.set()
        assert address.endswith("/compute/v2.1")
        assert image.result(timeout=10)

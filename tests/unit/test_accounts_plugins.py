"""Every auth plugin that keystoneauth has: its secrets are secret, its faults are sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from keystoneauth1 import loading

from accounts.cloud import Cloud
from accounts.config import load
from accounts.credentials import _UNFIT
from common.redaction import secrets_in
from support.fake_cloud import FakeCloud
from support.fake_cloud_runs import read
from workflow_api import UserError

SCHEMA = yaml.safe_load((Path(__file__).parents[2] / "config.schema.yaml").read_text())
NAMES = sorted(loading.get_available_plugin_names())


def options(name: str) -> list[Any]:
    return list(loading.get_plugin_loader(name).get_options())


def secret_options() -> set[str]:
    return {option.dest for name in NAMES for option in options(name) if option.secret}


@pytest.fixture
def fake(no_back_off: None) -> Iterator[FakeCloud]:
    with FakeCloud() as fake:
        yield fake


def test_every_secret_option_is_secret_in_the_schema() -> None:
    declared = SCHEMA["clouds"]["items"]["properties"]["auth"]["properties"]
    assert {name for name, given in declared.items() if given["secret"]} == secret_options()
    assert {"password", "token", "passcode", "client_secret", "access_token"} <= secret_options()


@pytest.mark.parametrize("option", sorted(secret_options()))
def test_every_secret_option_is_kept_out_of_texts(option: str) -> None:
    config = {"clouds": [{"name": "x", "auth": {option: "open sesame", "username": "ann"}}]}
    assert "open sesame" in set(secrets_in(config))
    assert "ann" not in set(secrets_in(config))


def auth_of(name: str, fake: FakeCloud) -> dict[str, Any]:
    """Options as somebody fills them in who knows the plugin, with secrets that are wrong."""
    given = {
        "auth_url": f"{fake.origin}/identity/v3",
        **dict.fromkeys(
            ("endpoint", "access_token_endpoint", "oauth2_endpoint"), f"{fake.origin}/x"
        ),
        "auth_methods": ["v3password", "v3totp"],
    }
    left_out = {"system_scope", "domain_id", "domain_name", "trust_id", "discovery_endpoint"}
    left_out |= {"idp_otp_key", "default_domain_id", "default_domain_name"}
    known = {option.dest for option in options(name)} - left_out
    if name == "v3multifactor":
        known |= {"username", "password", "passcode", "user_domain_id"}
    return {option: given.get(option, "wrong") for option in known}


@pytest.mark.parametrize("name", NAMES)
def test_cloud_check_with_every_plugin(
    name: str, fake: FakeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends in a row, whatever the login does, and nobody is asked anything."""
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("a person was asked"))
    entry = {"name": "x", "auth_type": name, "auth": auth_of(name, fake)}
    rows = read(Cloud.from_config(load({"clouds": [entry]}), "x"), "cloud.check").rows
    login = next(row for row in rows if row["check"] == "login")
    if name in _UNFIT:
        assert f"auth_type {name} is of no use here" in login["detail"]
    elif login["result"] == "WARN":
        assert login["detail"] == f"auth_type {name} logs in nowhere and has no catalogue"
    else:
        assert login["result"] == "BAD"
        assert re.match("Cloud x: (the credentials are not accepted|logging in: )", login["detail"])


@pytest.mark.parametrize("name", NAMES)
def test_every_plugin_without_options(name: str, fake: FakeCloud) -> None:
    cloud = Cloud.from_config(load({"clouds": [{"name": "x", "auth_type": name}]}), "x")
    rows = read(cloud, "cloud.check").rows
    login = next(row for row in rows if row["check"] == "login")
    assert login["result"] in ("BAD", "WARN")
    assert "bug" not in login["detail"]


@pytest.mark.parametrize(
    ("auth_type", "auth", "words"),
    [
        ("v3passwort", {}, "Did you mean v3password"),
        ("", {}, "auth lacks auth_url"),
        ("V3Password", {}, "there is no auth_type 'V3Password'. Did you mean v3password"),
        ("\x1b[31mpassword", {}, "there is no auth_type"),
        ("password", {"auth_url": ["x"], "password": {"a": 1}}, "have to be texts: password"),
        ("v3multifactor", {"auth_url": "x"}, "auth lacks auth_methods"),
        ("v3multifactor", {"auth_url": "x", "auth_methods": ["nope"]}, "no auth_type 'nope'"),
        ("v3oidcpassword", {"idp_otp_key": "k"}, "idp_otp_key is of no use here"),
        ("password", {"auth_url": "x", "user-name": "ann"}, "user_name (did you mean username"),
        ("password", {"auth_url": True}, "have to be texts: auth_url"),
    ],
)
def test_what_is_said_of_odd_logins(auth_type: str, auth: dict[str, Any], words: str) -> None:
    cloud = Cloud.from_config(
        load({"clouds": [{"name": "x", "auth_type": auth_type, "auth": auth}]}), "x"
    )
    with pytest.raises(UserError) as refused:
        _ = cloud.session
    assert words in str(refused.value)


def test_names_that_yaml_reads_as_numbers(fake: FakeCloud) -> None:
    entry = fake.entry()
    entry["auth"]["username"] = 1234
    Cloud.from_config(load({"clouds": [entry]}), None).log_in()
    assert (
        fake.asked("auth/tokens")[0].body["auth"]["identity"]["password"]["user"]["name"] == "1234"
    )


def test_a_login_at_an_identity_provider_is_not_taken_for_a_change(fake: FakeCloud) -> None:
    entry = {
        "name": "x",
        "auth_type": "v3oidcaccesstoken",
        "auth": {
            "auth_url": f"{fake.origin}/identity/v3",
            "identity_provider": "idp",
            "protocol": "openid",
            "access_token": "t",
        },
    }
    with pytest.raises(Exception, match="404: No route for POST"):
        Cloud.from_config(load({"clouds": [entry]}), "x").log_in()
    assert fake.count("POST .*/identity_providers/idp/protocols/openid/auth") == 1

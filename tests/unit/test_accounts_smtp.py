"""SMTP accounts as the configuration names them."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.config import PackConfig, load
from accounts.smtp import SmtpAccount
from common.errors import NotFound, UserError
from common.redaction import Redactor
from workflow_api.step import is_account

SECRET = "correct horse battery"


def entry(name: str = "relay", **more: Any) -> dict[str, Any]:
    return {"name": name, "host": "mail.example.org", "sender": "cloud@example.org", **more}


def config_of(*entries: dict[str, Any], **more: Any) -> PackConfig:
    return load({"smtp_accounts": list(entries), **more})


def test_a_parameter_can_be_one() -> None:
    assert is_account(SmtpAccount)


@pytest.mark.parametrize(("given", "default", "found"), [("b", None, "b"), (None, "a", "a")])
def test_which_account_is_meant(given: str | None, default: str | None, found: str) -> None:
    config = config_of(entry("a"), entry("b"), default_smtp_account=default)
    assert SmtpAccount.from_config(config, given).name == found


def test_the_only_one_needs_no_default() -> None:
    assert SmtpAccount.from_config(config_of(entry("a")), None).name == "a"


@pytest.mark.parametrize(
    ("config", "given", "says"),
    [
        (config_of(), None, "No SMTP account is configured. Add one to smtp_accounts"),
        (config_of(entry("a"), entry("b")), None, "none is the default. Give smtp=<name>, or set"),
        (config_of(entry("mail")), "mial", "There is no SMTP account 'mial' .* mean mail?"),
    ],
)
def test_accounts_that_are_none(config: PackConfig, given: str | None, says: str) -> None:
    with pytest.raises(UserError, match=says):
        SmtpAccount.from_config(config, given)
    with pytest.raises(NotFound):
        SmtpAccount.from_config(config_of(entry("mail")), "other")


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"user": "ops", "password": None}, "has no password. A key of the datastore"),
        ({"password": SECRET}, "a password but no user"),
        ({"user": "ops", "password": SECRET, "security": "none"}, "in clear"),
    ],
)
def test_entries_that_cannot_be_right(more: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says) as error:
        SmtpAccount.from_config(config_of(entry(**more)), None)
    assert SECRET not in str(error.value)


@pytest.mark.parametrize(
    ("more", "port"),
    [
        ({}, 587),
        ({"security": "starttls"}, 587),
        ({"security": "tls"}, 465),
        ({"security": "none"}, 25),
        ({"security": "tls", "port": 2465}, 2465),
    ],
)
def test_port_follows_security(more: dict[str, Any], port: int) -> None:
    assert SmtpAccount.from_config(config_of(entry(**more)), None).port == port


def test_no_secret_is_shown() -> None:
    raw = {"smtp_accounts": [entry(user="ops", password=SECRET)]}
    config = load(raw)
    account = SmtpAccount.from_config(config, None)
    for thing in (account, account.entry, config, [account.entry]):
        assert SECRET not in repr(thing)
    assert SECRET not in Redactor(raw).text(f"it said {SECRET}")


@pytest.mark.parametrize("lacks", [None, "", "  "])
@pytest.mark.parametrize("key", ["host", "sender"])
def test_an_account_without_a_host_or_sender(key: str, lacks: str | None) -> None:
    with pytest.raises(UserError) as refused:
        config_of(entry(), entry("other", **{key: lacks}))
    assert f"not valid at smtp_accounts[1].{key}: " in refused.value.message
    assert refused.value.advice


@pytest.mark.parametrize("key", ["host", "sender"])
def test_an_account_in_which_a_host_or_sender_is_not_written(key: str) -> None:
    whole = entry()
    del whole[key]
    with pytest.raises(UserError, match=f"missing required field `{key}`"):
        config_of(whole)


@pytest.mark.parametrize("host", ["smtp://mail.example.org", "mail:587", "a b", "u@mail", "[::1]"])
def test_a_host_that_is_more_than_a_host(host: str) -> None:
    with pytest.raises(UserError, match="without a scheme, and without a port") as refused:
        config_of(entry(host=host))
    assert host not in str(refused.value)


@pytest.mark.parametrize("host", ["mail", "mail.example.org", "127.0.0.1", "::1", "fe80::1:2"])
def test_a_host_that_is_one(host: str) -> None:
    assert SmtpAccount.from_config(config_of(entry(host=host)), None).entry.host == host

"""What an account that may not see everything is told: a refusal, or that something is missing."""

from __future__ import annotations

from typing import Any

import pytest
from openstack.connection import Connection

from accounts.cloud import Cloud
from accounts.config import load
from common.errors import CloudError
from devcloud.settings import Settings
from query_api.execution.query import Query, query
from query_api.resources import names

MEMBER, PROJECT = "bruno", "shop"
# What has to be known before anything can be listed.
KNOWN = {"server_action": ("server_id", "equal_to")}


@pytest.fixture
def cloud(cloud_config: dict[str, Any]) -> Cloud:
    """The cloud as an administrator asks it."""
    return Cloud.from_config(load(cloud_config), None)


@pytest.fixture
def member(cloud_config: dict[str, Any], devcloud: Settings) -> Cloud:
    """The same cloud as a member of one project sees it."""
    (entry,) = cloud_config["clouds"]
    who = {"username": MEMBER, "password": devcloud.passwords["users"], "project_name": PROJECT}
    theirs = {**entry, "auth": {**entry["auth"], **who}}
    return Cloud.from_config(load({**cloud_config, "clouds": [theirs]}), None)


@pytest.fixture(scope="module")
def server(sdk: Connection) -> str:
    """The id of a server."""
    return next(iter(sdk.compute.servers(all_projects=True, details=False))).id  # type: ignore[no-any-return]


def question(name: str, server: str) -> Query:
    asked = query(name)
    return asked.where(*KNOWN[name], server) if name in KNOWN else asked


@pytest.mark.parametrize("name", names())
def test_a_member_is_told_that_it_does_not_see_all(name: str, member: Cloud, server: str) -> None:
    try:
        answer = question(name, server).run([member])
    except CloudError as error:
        refused = error
    else:
        assert not answer.complete
        assert all(what and why for what, why in answer.reasons)
        return
    if name == "server_action":  # of another project's server: there is no such server
        assert refused.status == 404
    else:
        assert refused.status == 403
        assert "The account has no right to do this" in refused.advice


@pytest.mark.parametrize("name", names())
def test_an_administrator_sees_all(name: str, cloud: Cloud, server: str) -> None:
    answer = question(name, server).run([cloud])
    assert answer.reasons == []


def test_a_member_is_told_of_what_it_may_not_join(member: Cloud) -> None:
    answer = query("volume").select("id", "name", "user.name").run([member])
    assert answer.rows
    assert set(answer.column("user.name")) == {None}
    reasons = dict(answer.reasons)
    assert "no right to see all" in reasons["volumes of devcloud"]
    assert "403" in reasons["user of volumes"]

"""Queries through a cloud that hurts: a right answer, an error that says why, or one that says
what is missing. Never a short one without a word."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import msgspec
import pytest
import requests
from openstack.connection import Connection

from accounts.cloud import Cloud
from accounts.config import load
from common.errors import CloudError, RunbookError, UserError
from query_api.execution.query import Query, Stage, query
from query_api.resources import resource
from query_api.wire import paging
from support.cloud_proxied import behind, endpoints
from support.cloud_servers import Servers
from support.proxy import CloudProxy, Cut, CutHalf, Delay, Hold, Kind, Match, Slow, Status
from support.proxy_faults import Answer as Answered
from support.proxy_faults import Point, Visit

DETAILS, LISTING = Match("compute", "GET", r"/servers/detail\?"), Match(
    "compute", "GET", "/servers"
)
USERS = Match("identity", "GET", r"/users\?")


@pytest.fixture(scope="module")
def proxy(sdk: Connection) -> Iterator[CloudProxy]:
    with CloudProxy(endpoints(sdk)) as proxy:
        yield proxy


@pytest.fixture(autouse=True)
def unhurt(proxy: CloudProxy) -> Iterator[None]:
    proxy.clear()
    yield
    proxy.clear_faults()


@pytest.fixture
def servers(sdk: Connection) -> Servers:
    return Servers(sdk)


def account(config: Mapping[str, Any], **limits: Any) -> Cloud:
    return Cloud.from_config(load({**config, "limits": {**config["limits"], **limits}}), None)


@pytest.fixture
def cloud(proxy: CloudProxy, cloud_config: dict[str, Any]) -> Cloud:
    """The cloud behind the proxy, as an administrator asks it."""
    return account(behind(proxy, cloud_config))


def in_pages(of: str, rows: int) -> Query:
    """Return a query that reads a resource in pages of so many rows."""
    found = resource(of)
    listings = tuple(msgspec.structs.replace(one, page=rows) for one in found.listings)
    return Query((Stage(msgspec.structs.replace(found, listings=listings)),))


# -- refusals, cuts and delays -----------------------------------------------------------------


@pytest.mark.parametrize("walk", [False, True], ids=["in turn", "side by side"])
@pytest.mark.parametrize(
    "kinds",
    [
        [Status(429, retry_after=1)] * 2,
        [Status(429), Status(503), Status(503)],
        [Status(500), Status(502), Status(504)],
        [Cut(before=True), Cut(after=True), CutHalf()],
        [Delay(0.5), Slow(0.5), Delay(0.5, "answer")],
        [Status(429, retry_after=1), Status(503), CutHalf()],
    ],
    ids=["429 and when", "429 and 503", "5xx", "cuts", "slow", "all sorts"],
)
def test_what_passes(
    kinds: list[Kind],
    walk: bool,
    cloud: Cloud,
    proxy: CloudProxy,
    servers: Servers,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(paging, "_SLOW", -1.0 if walk else 1e9)
    hit = [proxy.fault(LISTING, kind, skip=2 * n) for n, kind in enumerate(kinds)]
    answer = in_pages("server", 2).run([cloud])
    servers.assert_whole(answer)
    assert all(fault.hits for fault in hit)


def test_a_storm_over_many_threads(
    cloud: Cloud, proxy: CloudProxy, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that serves few at a time refuses the others over and over again."""
    monkeypatch.setattr(paging, "_SLOW", -1.0)
    storm = proxy.fault(LISTING, Status(429, retry_after=1), times=12, skip=1)
    began = time.monotonic()
    answer = in_pages("server", 1).run([cloud])
    servers.assert_whole(answer)
    assert len(storm.hits) == 12
    assert time.monotonic() - began < 60


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (Status(503), "503"),
        (Status(500), "its log has the request id"),
        (CutHalf(), "no connection|broken"),
        (Status(403), "has no right to do this"),
        (Status(404), "404"),
        (Status(401), "Its token was refused"),
        (Status(200, body=b'{"servers": [{"id": "a"'), "was not understood"),
        (Status(200, body="<html>Log in</html>"), "was not understood"),
        (Status(200, body={"servers": [{"name": "who"}]}), "without its id"),
        (Status(200, body={"servers": 7}), "was not understood"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_does_not_pass(kind: Kind, said: str, cloud: Cloud, proxy: CloudProxy) -> None:
    proxy.fault(DETAILS, kind, times=None, skip=2)
    with pytest.raises(CloudError, match=said) as told:
        in_pages("server", 2).run([cloud])
    assert told.value.advice or told.value.status == 404


def test_no_answer_in_time(proxy: CloudProxy, cloud_config: dict[str, Any]) -> None:
    cloud = account(behind(proxy, cloud_config), timeouts={"request": "1s"})
    proxy.fault(DETAILS, Delay(30), times=None, skip=1)
    with pytest.raises(CloudError, match="no answer within 1s") as told:
        in_pages("server", 2).run([cloud])
    assert "limits.timeouts.request" in told.value.advice


def test_an_answer_in_time_at_last(
    proxy: CloudProxy, cloud_config: dict[str, Any], servers: Servers
) -> None:
    cloud = account(behind(proxy, cloud_config), timeouts={"request": "2s"})
    late = proxy.fault(DETAILS, Delay(30), times=2, skip=1)
    servers.assert_whole(in_pages("server", 2).run([cloud]))
    assert len(late.hits) == 2


def test_a_name_of_ten_megabytes(cloud: Cloud, proxy: CloudProxy) -> None:
    name = "x" * 10_000_000
    row = {"id": "a", "name": name, "OS-EXT-SRV-ATTR:host": "h", "status": "ACTIVE"}
    proxy.fault(DETAILS, Status(200, body={"servers": [row]}))
    answer = query("server").select("id", "name", "status").run([cloud])
    assert answer.rows == [("a", name, "ACTIVE")]
    assert len(answer.table().render()) < 1_000_000


# -- tokens and catalogues ---------------------------------------------------------------------


def _revoke(cloud: Cloud, proxy: CloudProxy) -> None:
    token = cloud.session.get_token()
    url = f"{proxy.url('identity')}/v3/auth/tokens"
    headers = {"X-Auth-Token": token, "X-Subject-Token": token}
    assert requests.delete(url, headers=headers, timeout=60).status_code == 204


def test_a_token_that_is_revoked_while_it_is_used(
    cloud: Cloud, proxy: CloudProxy, servers: Servers
) -> None:
    """Where the answer of whoever checked it is cached, that is found out later, or not at all."""
    held = proxy.fault(DETAILS, Hold("request"), skip=1)
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(in_pages("server", 2).select("id", "user.name").run, [cloud])
        held.wait_reached(30)
        _revoke(cloud, proxy)
        held.release()
        answer = reading.result()
    servers.assert_whole(answer)
    assert all(answer.column("user.name"))
    assert len(proxy.logins()) <= 2


@pytest.mark.parametrize("match", [LISTING, USERS], ids=["listing", "join"])
def test_a_token_that_is_refused_once(
    match: Match, cloud: Cloud, proxy: CloudProxy, servers: Servers
) -> None:
    refused = proxy.fault(match, Status(401), skip=0 if match is USERS else 2)
    answer = in_pages("server", 2).select("id", "user.name").run([cloud])
    servers.assert_whole(answer)
    assert all(answer.column("user.name"))
    assert (len(refused.hits), len(proxy.logins())) == (1, 2)


@pytest.mark.parametrize("kind", [Status(401), Status(503), CutHalf()], ids=["401", "503", "cut"])
def test_no_login(kind: Kind, cloud: Cloud, proxy: CloudProxy) -> None:
    proxy.fault(Match("identity", "POST", "/auth/tokens"), kind, times=None)
    with pytest.raises((CloudError, UserError)) as told:
        query("server").run([cloud])
    assert told.value.advice
    assert len(proxy.logins()) <= 4


@dataclass(frozen=True)
class Without:
    """A Keystone whose catalogue lacks a service."""

    service: str
    point: ClassVar[Point] = "answer"

    def act(self, visit: Visit, answer: Answered | None) -> Answered | None:
        assert answer is not None
        body = json.loads(answer.body)
        body["token"]["catalog"] = [
            entry for entry in body["token"]["catalog"] if entry["type"] != self.service
        ]
        return replace(answer, body=json.dumps(body).encode())


def test_a_service_that_is_not_in_the_catalogue(
    cloud: Cloud, proxy: CloudProxy, servers: Servers
) -> None:
    proxy.fault(Match("identity", "POST", "/auth/tokens"), Without("image"), times=None)
    with pytest.raises(CloudError, match="its catalogue has no such service") as told:
        query("image").run([cloud])
    assert "region_name and interface" in told.value.advice
    answer = query("server").select("id", "image.name").run([cloud])
    servers.assert_in(answer)
    ((what, why),) = answer.reasons
    assert (what, "its catalogue has no such service" in why) == ("image of servers", True)


# -- joins and clouds --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind", [Status(503), Status(403), Cut(before=True), CutHalf(), Status(200, body="<html>")]
)
def test_a_join_that_is_missing(
    kind: Kind, cloud: Cloud, proxy: CloudProxy, servers: Servers
) -> None:
    proxy.fault(USERS, kind, times=None)
    answer = query("server").select("id", "user.name").run([cloud])
    servers.assert_in(answer)
    assert set(answer.column("user.name")) == {None}
    ((what, why),) = answer.reasons
    assert (what, "Cloud devcloud: asking identity for /users" in why) == ("user of servers", True)


def test_what_nobody_can_know(cloud: Cloud, proxy: CloudProxy, servers: Servers) -> None:
    proxy.fault(Match("compute", "GET", "/os-services"), Status(503), times=None)
    answer = query("server").select("id").run([cloud])
    servers.assert_in(answer)
    ((_, why),) = answer.reasons
    assert why.startswith("whether these are all is not known: ")


def test_a_cell_that_does_not_answer(cloud: Cloud, proxy: CloudProxy) -> None:
    down = {"services": [{"host": "cmp-9", "binary": "nova-compute", "status": "UNKNOWN"}]}
    proxy.fault(Match("compute", "GET", "/os-services"), Status(200, body=down))
    ((_, why),) = query("server").where("status", "equal_to", "ACTIVE").run([cloud]).reasons
    assert why.endswith("(a cell) does not answer: what is on cmp-9 is missing")


@pytest.mark.parametrize("what", ["unreachable", "credentials", "503"])
def test_one_cloud_of_two_is_down(
    what: str, cloud: Cloud, proxy: CloudProxy, cloud_config: dict[str, Any], servers: Servers
) -> None:
    (entry,) = cloud_config["clouds"]
    auth = dict(entry["auth"])
    if what == "unreachable":
        with socket.create_server(("127.0.0.1", 0)) as free:
            auth["auth_url"] = f"http://127.0.0.1:{free.getsockname()[1]}/v3"
    elif what == "credentials":
        auth["password"] = "wrong"
    else:
        proxy.fault(DETAILS, Status(503), times=None)
    other = {**entry, "name": "other", "auth": auth}
    up = account(cloud_config) if what == "503" else cloud
    down = (
        cloud
        if what == "503"
        else account({**cloud_config, "clouds": [other], "default_cloud": "other"})
    )
    answer = query("server").select("id").run([down, up])
    servers.assert_in(answer)
    assert [said for said, _ in answer.reasons] == [f"cloud {down.name}"]
    with pytest.raises(RunbookError) as told:
        query("server").run([down])
    assert told.value.advice

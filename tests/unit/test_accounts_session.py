"""The session: patient with reads, strict with changes, traced, logged in once."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import tenacity

from accounts import repeating
from accounts.cloud import Cloud
from common import tracing
from common.errors import LeaseLost
from openstack_api import compute as change
from query_api.lookups import compute
from support.fake_cloud import PASSWORD, FakeCloud
from support.fake_cloud_estate import Hypervisor, Server
from support.fake_cloud_http import Answer, Fault, Request
from support.fake_cloud_runs import tracing_as
from workflow_api import CloudError, UnknownOutcome, UserError

SERVERS, SERVICE = "GET /compute/v2.1/servers/detail", "PUT .*/os-services/"


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let no retry wait, and tell how long it would have."""
    waits: list[float] = []

    def retrying(**how: Any) -> tenacity.Retrying:
        return tenacity.Retrying(**{**how, "sleep": waits.append})

    monkeypatch.setattr(repeating, "Retrying", retrying)
    return waits


@pytest.fixture
def fake() -> Iterator[FakeCloud]:
    with FakeCloud([Hypervisor("cmp-1")], [Server("a")]) as fake:
        yield fake


def disable(cloud: Cloud, fake: FakeCloud) -> None:
    change.disable_service(cloud, fake.hypervisors[0].service, "why")


# -- reads -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [*({"status": s} for s in (429, 500, 502, 503, 504)), {"cut": True}, {"half": True}],
    ids=str,
)
def test_a_read_is_repeated(fault: dict[str, Any], fake: FakeCloud, slept: list[float]) -> None:
    cloud = fake.account()
    fake.fail(SERVERS, **fault, times=3)
    assert [server.name for server in compute.servers(cloud)] == ["a"]
    assert fake.count(SERVERS) == 4
    assert slept == sorted(slept), "longer each time"
    assert 0.2 <= slept[0] <= 0.4
    fake.fail(SERVERS, **fault, times=math.inf)
    with pytest.raises(CloudError):
        compute.servers(cloud)
    assert fake.count(SERVERS) == (16 if fault.get("status") == 429 else 8)


@pytest.mark.parametrize("status", [400, 403, 404, 409, 501])
def test_an_answer_that_is_one_is_taken(status: int, fake: FakeCloud, slept: list[float]) -> None:
    fake.fail(SERVERS, status)
    with pytest.raises(CloudError) as refused:
        compute.servers(fake.account())
    assert (refused.value.status, fake.count(SERVERS), slept) == (status, 1, [])


@pytest.mark.parametrize(
    ("said", "waits"),
    [
        ("7", 7),
        ("0", 0),
        ("3600", 60),
        ("inf", 60),
        ("nan", 0),
        ("-3", 0),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("", None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after(
    status: int, said: str, waits: float | None, fake: FakeCloud, slept: list[float]
) -> None:
    fake.fail(SERVERS, status, headers={"Retry-After": said})
    compute.servers(fake.account())
    (slept_for,) = slept
    assert slept_for == waits if waits is not None else 0.2 <= slept_for <= 0.4


@pytest.mark.long
def test_reads_side_by_side_are_told_to_wait(fake: FakeCloud, slept: list[float]) -> None:
    """One of them can be refused more often than a lonely one is; and they do not keep step."""
    cloud = fake.account()
    fake.fail(SERVERS, 429, times=11, headers={"Retry-After": "2"})
    with ThreadPoolExecutor(8) as pool:
        reads = [pool.submit(compute.servers, cloud) for _ in range(8)]
        assert {len(read.result()) for read in reads} == {1}
    assert len(slept) == 11
    assert all(2 <= waited <= 2.5 for waited in slept)
    slept.clear()
    fake.fail(SERVERS, 503, times=11, headers={"Retry-After": "2"})
    compute.servers(cloud)
    assert len(set(slept)) == 11, "apart from each other, all but the first"


# -- changes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [*({"status": status} for status in (500, 502, 503, 504)), {"cut": True}, {"half": True}],
    ids=str,
)
def test_a_change_is_sent_once(fault: dict[str, Any], fake: FakeCloud, slept: list[float]) -> None:
    fake.fail(SERVICE, **fault, times=math.inf)
    with tracing_as(changes=True) as trace, pytest.raises(UnknownOutcome):
        disable(fake.account(), fake)
    assert (fake.count(SERVICE), trace.sent, slept) == (1, 1, [])


def test_a_change_is_repeated_when_it_was_promised_that_nothing_was_done(
    fake: FakeCloud, slept: list[float]
) -> None:
    fenced: list[int] = []
    trace = tracing.Trace("id", fence=lambda: fenced.append(fake.count(SERVICE)))
    fake.fail(SERVICE, 429, headers={"Retry-After": "5"}, times=2)
    with tracing.traced(trace):
        disable(fake.account(), fake)
    assert (fake.hypervisors[0].status, slept) == ("disabled", [5.0, 5.0])
    assert sorted(set(fenced)) == [0, 1, 2], "the lease is looked at before each"
    assert trace.sent == 3


def test_too_many_is_said_in_the_end(fake: FakeCloud, slept: list[float]) -> None:
    fake.fail(SERVICE, 429, times=math.inf)
    with tracing_as(changes=True), pytest.raises(CloudError) as refused:
        disable(fake.account(), fake)
    assert (refused.value.status, fake.count(SERVICE)) == (429, 4)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_no_change_outside_a_step(method: str, fake: FakeCloud) -> None:
    cloud = fake.account()
    cloud.session.get_token()
    before = fake.count()

    def send() -> None:
        cloud.session.request("/servers/x", method, endpoint_filter={"service_type": "compute"})

    with pytest.raises(RuntimeError, match=f"{method} /servers/x outside a plan's step"):
        send()
    with tracing_as(changes=False), pytest.raises(RuntimeError, match="in a look-up or check"):
        send()
    assert fake.count() == before


def test_a_lost_lease_sends_nothing(fake: FakeCloud) -> None:
    def lost() -> None:
        raise LeaseLost("run")

    trace = tracing.Trace("id", fence=lost)
    with tracing.traced(trace), pytest.raises(LeaseLost):
        disable(fake.account(), fake)
    assert (fake.changes, trace.sent, fake.hypervisors[0].status) == ([], 0, "enabled")


# -- traces ------------------------------------------------------------------------------------


def test_every_request_of_an_attempt_carries_its_id(fake: FakeCloud) -> None:
    with tracing_as(changes=True) as trace:
        disable(fake.account(), fake)
        compute.servers(fake.account())
    assert fake.count() >= 5
    assert {r.headers["x-openstack-request-id"] for r in fake.requests} == {f"req-{trace.id}"}
    number = next(n for n, r in enumerate(fake.requests, 1) if r.method == "PUT")
    assert trace.request_ids == [f"req-{number}"], "the id that the cloud gave the change"


def test_outside_an_attempt_there_is_no_id(fake: FakeCloud) -> None:
    compute.servers(fake.account())
    assert not any("x-openstack-request-id" in request.headers for request in fake.requests)


# -- logins ------------------------------------------------------------------------------------

LOGIN = "POST /identity/v3/auth/tokens"


def test_one_login_for_many_threads(fake: FakeCloud) -> None:
    cloud, ready = fake.account(), threading.Barrier(8)

    def ask() -> int:
        ready.wait()
        return len(compute.servers(cloud)) + len(compute.hypervisors(cloud))

    with ThreadPoolExecutor(8) as pool:
        assert {future.result() for future in [pool.submit(ask) for _ in range(8)]} == {2}
    assert fake.count(LOGIN) == 1
    with tracing_as(changes=True):
        disable(cloud, fake)
    assert fake.count(LOGIN) == 1, "the other lane has no login of its own"


def test_two_clouds_log_in_each(fake: FakeCloud) -> None:
    for cloud in (fake.new_account(), fake.new_account()):
        compute.servers(cloud)
    assert fake.count(LOGIN) == 2


def test_a_token_that_was_revoked_is_renewed(fake: FakeCloud) -> None:
    cloud = fake.account()
    fake.fail(SERVERS, 401)
    assert len(compute.servers(cloud)) == 1
    assert fake.count(LOGIN) == 2


class Revoking(FakeCloud):
    """A cloud that can refuse tokens it has given."""

    revoked: frozenset[str] = frozenset()

    def obey(self, request: Request) -> tuple[Answer | None, Fault | None]:
        if request.headers.get("x-auth-token") in self.revoked:
            return Answer({"error": {"message": "Unauthorized.", "code": 401}}, 401), None
        return super().obey(request)


def test_one_login_when_many_find_their_token_revoked() -> None:
    with Revoking([Hypervisor("cmp-1")], [Server("a")]) as fake:
        cloud, ready = fake.account(), threading.Barrier(8)
        compute.servers(cloud)
        fake.revoked = frozenset({"token-1"})

        def ask() -> int:
            ready.wait()
            return len(compute.servers(cloud))

        with ThreadPoolExecutor(8) as pool:
            assert {read.result() for read in [pool.submit(ask) for _ in range(8)]} == {1}
        assert fake.count(LOGIN) == 2


@pytest.mark.parametrize("fault", [{"status": 503}, {"cut": True}], ids=str)
def test_a_failed_login_is_not_repeated_by_each_who_needs_it(
    fault: dict[str, Any], fake: FakeCloud, slept: list[float]
) -> None:
    fake.fail(LOGIN, **fault, times=math.inf)
    with pytest.raises(CloudError):
        compute.servers(fake.account())
    assert fake.count(LOGIN) == repeating._TRIES
    with tracing_as(changes=True), pytest.raises((CloudError, UnknownOutcome)):
        disable(fake.account(), fake)
    assert fake.count(LOGIN) == 2 * repeating._TRIES
    assert fake.count(SERVICE) == 0


def test_a_login_that_fails_within_a_request_is_not_repeated_with_it(
    fake: FakeCloud, slept: list[float]
) -> None:
    cloud = fake.account()
    compute.servers(cloud)
    fake.fail(SERVERS, 401)
    fake.fail(LOGIN, 503, times=math.inf)
    before = fake.count(LOGIN)
    with pytest.raises(CloudError):
        compute.servers(cloud)
    assert fake.count(LOGIN) - before == repeating._TRIES


def test_wrong_credentials_are_tried_once(fake: FakeCloud) -> None:
    cloud = fake.account()
    cloud.entry.auth["password"] = "wrong"
    with pytest.raises(UserError) as refused:
        compute.servers(cloud)
    assert fake.count(LOGIN) == 1
    assert str(refused.value) == (
        "Cloud fake: the credentials are not accepted (401). They are wrong, were changed, or "
        "have expired: check auth of this cloud."
    )


def test_no_secret_in_any_log(fake: FakeCloud, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with tracing_as(changes=True):
        disable(fake.account(), fake)
    tokens = {r.headers["x-auth-token"] for r in fake.requests if "x-auth-token" in r.headers}
    assert tokens == {"token-1"}
    assert PASSWORD not in caplog.text
    assert "token-1" not in caplog.text

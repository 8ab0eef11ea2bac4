"""Where bytes leave and come back: the fence, the bounds, and no way to another address."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from accounts import repeating
from accounts.cloud import Cloud
from accounts.config import load
from accounts.failures import Redirected
from accounts.session import TracedSession
from common import tracing
from common.errors import LeaseLost
from openstack_api import compute as change
from openstack_api.sdk import changing
from query_api.lookups import compute
from support.certificates import Authority
from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Hypervisor, Server
from support.fake_cloud_http import Request
from support.fake_cloud_runs import tracing_as
from support.raw_http import Call, RawServer, answer
from workflow_api import CloudError, UnknownOutcome

SERVERS, SERVICE = "GET /compute/v2.1/servers/detail", "PUT .*/os-services/"
LOGIN = "POST /identity/v3/auth/tokens"


@pytest.fixture
def fake() -> Iterator[FakeCloud]:
    with FakeCloud([Hypervisor("cmp-1")], [Server("a")]) as fake:
        yield fake


@pytest.fixture(autouse=True)
def _brief_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeating, "_backoff", lambda state: 0.01)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


def disable(cloud: Cloud, fake: FakeCloud) -> None:
    change.disable_service(cloud, fake.hypervisors[0].service, "why")


class Fence:
    """A lease that is lost when ``lose`` was called."""

    def __init__(self) -> None:
        self.lost, self.asked = False, 0

    def __call__(self) -> None:
        self.asked += 1
        if self.lost:
            raise LeaseLost("run")

    def lose(self) -> None:
        self.lost = True


def traced(fence: Fence) -> Any:
    return tracing.traced(tracing.Trace("id", fence=fence))


# -- the fence ---------------------------------------------------------------------------------


def test_a_slow_login_after_a_401_sends_nothing_after_the_lease(fake: FakeCloud) -> None:
    """The first PUT is refused with 401; while the login takes its time the lease goes."""
    cloud, fence = fake.account(), Fence()
    with traced(fence) as trace:
        with changing(cloud, "warming up") as sdk:
            sdk.compute.get_endpoint()
        fake.fail(SERVICE, 401)

        def slow(request: Request) -> None:
            if request.line == LOGIN:
                fence.lose()

        fake.hooks.append(slow)
        with pytest.raises(LeaseLost):
            disable(cloud, fake)
    assert (fake.count(SERVICE), trace.sent) == (1, 1), "only the one that was refused"
    assert fake.hypervisors[0].status == "enabled"


def test_a_clock_that_is_set_back_delays_no_change(
    fake: FakeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """keystoneauth's semaphore would sleep until the wall clock is where it was."""
    cloud = fake.account()
    with tracing_as(changes=True):
        with changing(cloud, "warming up") as sdk:
            sdk.compute.get_endpoint()
        set_back = time.time() - 3600
        from keystoneauth1 import _fair_semaphore

        class Clock:
            sleep = staticmethod(time.sleep)

            @staticmethod
            def time() -> float:
                return set_back

        monkeypatch.setattr(_fair_semaphore, "time", Clock)
        began = time.monotonic()
        disable(cloud, fake)
    assert time.monotonic() - began < 5
    assert fake.hypervisors[0].status == "disabled"


def _put(cloud_at: str, *, cacert: str | None = None, seconds: float = 10) -> Any:
    session = TracedSession(seconds=seconds, most=10**6, verify=cacert or True)
    return session.put(f"{cloud_at}/thing", json={"change": "x" * 500}, authenticated=None)


@pytest.mark.long
@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_the_fence_is_asked_after_the_connection_is_made(
    secure: bool, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lease that ends while TCP and TLS are set up ends before the first byte of the change."""
    certificate = authority.issue() if secure else None
    fence = Fence()
    with RawServer(lambda call: call.say(answer()), certificate=certificate) as server:
        server.handshake_after = 0.5 if secure else 0
        threading.Timer(0.2, fence.lose).start()
        if not secure:
            from urllib3.util import connection

            connect = connection.create_connection

            def slowly(*args: Any, **how: Any) -> Any:
                time.sleep(0.5)
                return connect(*args, **how)

            monkeypatch.setattr(connection, "create_connection", slowly)
        with traced(fence) as trace, pytest.raises(LeaseLost):
            _put(server.origin, cacert=str(authority.file))
    assert server.calls == []
    assert (trace.sent, fence.asked) == (0, 1)


def test_a_process_that_stood_still_between_head_and_body_does_not_complete_the_change(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fence, came = Fence(), []

    def script(call: Call) -> None:
        came.append(call.request)

    from accounts import transport

    send = transport._Connection.send

    def slowly(connection: Any, data: Any) -> None:
        send(connection, data)
        fence.lose()  # after the head

    monkeypatch.setattr(transport._Connection, "send", slowly)
    with RawServer(script) as server:
        with traced(fence), pytest.raises(LeaseLost):
            _put(server.origin)
        time.sleep(0.1)
    assert len(came) == 1
    assert b"PUT /thing" in came[0]
    assert not came[0].endswith(b"}"), "no body, so no service acts on it"


def test_a_change_that_never_left_is_known_not_to_have_happened(fake: FakeCloud) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        gone = f"http://127.0.0.1:{probe.getsockname()[1]}"
    cloud = fake.account()
    with (
        tracing_as(changes=True) as trace,
        pytest.raises(CloudError, match=f"{gone}: connection refused"),
        changing(cloud, "changing"),
    ):
        cloud.session.put(f"{gone}/x", json={})
    assert trace.sent == 0


def test_a_change_whose_answer_broke_off_may_have_happened(fake: FakeCloud) -> None:
    cloud = fake.account()
    with (
        RawServer(lambda call: call.sock.close()) as server,
        tracing_as(changes=True) as trace,
        pytest.raises(UnknownOutcome, match=r"hung up without an answer\. It had been sent, so"),
        changing(cloud, "changing"),
    ):
        cloud.session.put(f"{server.origin}/x", json={})
    assert trace.sent == 1


# -- redirects ---------------------------------------------------------------------------------


def cloud_at(url: str, **limits: Any) -> Cloud:
    auth = {
        "auth_url": url,
        "username": "u",
        "password": "correct horse",
        "project_name": "p",
        "user_domain_id": "default",
        "project_domain_id": "default",
    }
    return Cloud.from_config(
        load({"clouds": [{"name": "x", "auth": auth}], "limits": limits}), None
    )


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_login_is_redirected_nowhere(status: int) -> None:
    with RawServer(lambda call: call.say(answer())) as thief:

        def script(call: Call) -> None:
            if call.line.startswith("GET"):
                call.say(answer(status="404 Not Found"))
            else:
                call.say(answer(status=f"{status} Go", Location=f"{thief.origin}/v3/auth/tokens"))

        with RawServer(script) as server:
            with pytest.raises(CloudError) as told:
                compute.servers(cloud_at(f"{server.origin}/v3"))
            assert str(told.value) == (
                f"Cloud x: logging in: {server.origin}/v3/auth/tokens "
                f"answered with a redirect ({status}) to {thief.origin}/v3/auth/tokens, which was "
                "not followed: what is sent to a service goes to no other address. The address in "
                f"auth_url or the catalogue should begin with {thief.origin} instead of "
                f"{server.origin}: correct it, or set endpoint_override, if the service "
                "is meant to be there."
            )
    assert thief.calls == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_question_carries_its_token_to_no_other_origin(status: int, fake: FakeCloud) -> None:
    with RawServer(lambda call: call.say(answer(b'{"servers": []}'))) as thief:
        fake.fail("servers/detail", status, headers={"Location": f"{thief.origin}/v2.1/x"})
        with pytest.raises(CloudError, match="which was not followed") as told:
            compute.servers(fake.account())
    assert thief.calls == []
    assert told.value.status is None


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_change_is_redirected_not_even_at_home(status: int, fake: FakeCloud) -> None:
    fake.fail(SERVICE, status, headers={"Location": f"{fake.origin}/compute/v2.1/elsewhere"})
    with tracing_as(changes=True), pytest.raises(CloudError, match="which was not followed"):
        disable(fake.account(), fake)
    assert fake.count("elsewhere") == 0


def test_nor_is_a_change_without_a_body(fake: FakeCloud) -> None:
    cloud = fake.account()
    home = f"{fake.origin}/compute/v2.1"
    fake.fail("DELETE .*/servers/a", 307, headers={"Location": f"{home}/servers/b"})
    with tracing_as(changes=True), pytest.raises(Redirected):
        cloud.session.delete(f"{home}/servers/a")
    assert fake.count("servers/b") == 0


def test_a_question_is_redirected_at_home(fake: FakeCloud) -> None:
    fake.fail("servers/detail", 302, headers={"Location": "/compute/v2.1/servers/detail?limit=9"})
    assert len(compute.servers(fake.account())) == 1
    assert fake.asked("servers/detail")[-1].query == {"limit": "9"}


def test_redirects_in_a_circle(fake: FakeCloud) -> None:
    fake.fail("servers/detail", 302, times=99, headers={"Location": "/compute/v2.1/servers/detail"})
    with pytest.raises(CloudError, match=r"redirect \(302\), and so on in a circle") as told:
        compute.servers(fake.account())
    assert fake.count("servers/detail") == 6
    assert "Check the address" in told.value.advice


@pytest.mark.parametrize("where", ["", "http://[::1", "http://:99999999/", "file:///etc/passwd"])
def test_redirects_to_nowhere(where: str, fake: FakeCloud) -> None:
    fake.fail("servers/detail", 302, headers={"Location": where})
    with pytest.raises(CloudError, match=r"answered with a redirect \(302\)"):
        compute.servers(fake.account())


def test_no_credentials_of_netrc_or_of_an_address(
    fake: FakeCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login thief password stolen\n")
    monkeypatch.setenv("NETRC", str(netrc))
    compute.servers(fake.account())
    assert fake.requests
    assert not any("authorization" in request.headers for request in fake.requests)

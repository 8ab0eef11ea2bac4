"""The cloud proxy, in front of two tiny services."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from support.proxy import (
    LOGIN_BODY,
    CloudProxy,
    Cut,
    CutHalf,
    Delay,
    Hold,
    Kind,
    Match,
    Slow,
    Status,
)

#: Patience of these tests, in seconds: never used up unless something is broken.
PATIENCE = 5.0

LOGIN = {"auth": {"identity": {"password": {"user": {"password": "s3cret"}}}}}


class Service(ThreadingHTTPServer):
    """A service that tells what it was asked, and links to itself and to its siblings."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.links: list[str] = []
        #: "METHOD PATH" of everything this service has done.
        self.done: list[str] = []
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    """Answers by the last part of the path; anything else gets a JSON document."""

    server: Service
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def answer(self) -> None:
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.done.append(f"{self.command} {self.path}")
        document = {
            "links": self.server.links,
            "longer": f"{self.server.origin}0/",
            "sent": sent.decode(),
            "headers": {name.lower(): value for name, value in self.headers.items()},
        }
        image = self.path.endswith("/file")
        body = b"\x00" + self.server.origin.encode() if image else json.dumps(document).encode()
        gone = self.path.endswith("/gone")
        self.send_response(204 if gone else 201 if self.command == "POST" else 200)
        self.send_header(
            "Content-Type", "application/octet-stream" if image else "application/json"
        )
        self.send_header("Location", f"{self.server.origin}/v2.1/servers/1")
        self.send_header("x-openstack-request-id", "req-answer")
        if not gone:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if not gone and self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer


class Reply(NamedTuple):
    """What a client got."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Cloud(NamedTuple):
    """The services, and the proxy in front of them."""

    identity: Service
    compute: Service
    proxy: CloudProxy

    def ask(
        self,
        method: str = "GET",
        path: str = "/v2.1/servers",
        body: Any = None,
        service: str = "compute",
        **headers: str,
    ) -> Reply:
        """Send one request through the proxy, on a connection of its own."""
        connection = self.connect(service)
        try:
            return converse(connection, method, path, body, **headers)
        finally:
            connection.close()

    def connect(self, service: str = "compute") -> http.client.HTTPConnection:
        place = urlsplit(self.proxy.url(service))
        assert place.hostname
        return http.client.HTTPConnection(place.hostname, place.port, timeout=PATIENCE)


def converse(
    connection: http.client.HTTPConnection, method: str, path: str, body: Any = None, **headers: str
) -> Reply:
    """Send one request on ``connection``; header names have underscores for hyphens."""
    if isinstance(body, dict):
        body = json.dumps(body)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, named)
    response = connection.getresponse()
    return Reply(response.status, response.headers, response.read())


def eventually(condition: Callable[[], object]) -> None:
    """Wait until ``condition`` holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.005)


@pytest.fixture(scope="module")
def services() -> Iterator[tuple[Service, Service]]:
    identity, compute = Service(), Service()
    identity.links = compute.links = [f"{identity.origin}/v3", f"{compute.origin}/v2.1"]
    yield identity, compute
    for service in (identity, compute):
        service.shutdown()
        service.server_close()


@pytest.fixture
def cloud(services: tuple[Service, Service], capfd: pytest.CaptureFixture[str]) -> Iterator[Cloud]:
    """A cloud behind a proxy, which must neither print nor linger."""
    identity, compute = services
    identity.done.clear()
    compute.done.clear()
    endpoints = {"identity": identity.origin, "compute": f"{compute.origin}/v2.1/"}
    with CloudProxy(endpoints) as proxy:
        yield Cloud(identity, compute, proxy)
        stopping = time.monotonic()
    assert time.monotonic() - stopping < 1
    assert capfd.readouterr() == ("", "")


class TestForwarding:
    def test_every_origin_in_a_document_becomes_that_of_the_proxy(self, cloud: Cloud) -> None:
        links = cloud.ask(service="identity", path="/v3").json()["links"]

        assert links == [cloud.proxy.url("identity") + "/v3", cloud.proxy.url("compute")]

    def test_a_longer_port_is_another_origin(self, cloud: Cloud) -> None:
        assert cloud.ask().json()["longer"] == f"{cloud.compute.origin}0/"

    def test_the_location_is_rewritten(self, cloud: Cloud) -> None:
        assert cloud.ask().headers["Location"] == cloud.proxy.url("compute") + "/servers/1"

    def test_what_is_not_text_is_left_alone(self, cloud: Cloud) -> None:
        assert cloud.ask(path="/v2/file").body == b"\x00" + cloud.compute.origin.encode()

    def test_host_goes_up_and_accept_encoding_does_not(self, cloud: Cloud) -> None:
        headers = cloud.ask(Accept_Encoding="gzip", X_Auth_Token="t0ken").json()["headers"]

        assert headers["host"] == urlsplit(cloud.proxy.url("compute")).netloc
        assert headers["x-auth-token"] == "t0ken"
        assert "accept-encoding" not in headers

    def test_a_chunked_upload_arrives_whole(self, cloud: Cloud) -> None:
        chunks = iter([b"one ", b"two ", b"three"])

        assert cloud.ask("PUT", "/v2/data", chunks).json()["sent"] == "one two three"
        assert cloud.proxy.requests[0].body == b"one two three"

    def test_head_and_no_content_leave_the_connection_in_step(self, cloud: Cloud) -> None:
        connection = cloud.connect()

        answers = [
            converse(connection, method, path)
            for method, path in [("HEAD", "/a"), ("DELETE", "/gone"), ("POST", "/b"), ("GET", "/c")]
        ]

        assert [answer.status for answer in answers] == [200, 204, 201, 200]
        assert int(answers[0].headers["Content-Length"]) > 0
        assert answers[0].body == answers[1].body == b""
        connection.close()

    def test_a_service_that_is_down_is_a_502(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as unused:
            origin = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with CloudProxy({"image": origin}) as proxy:
            connection = http.client.HTTPConnection(urlsplit(proxy.url("image")).netloc)
            assert converse(connection, "GET", "/").status == 502
            connection.close()
        (request,) = proxy.requests
        assert (request.status, request.upstream_status) == (502, None)
        assert "ConnectionRefusedError" in (request.failure or "")

    @pytest.mark.parametrize(
        "endpoints",
        [
            {},
            {"image": "https://127.0.0.1:1"},
            {"image": "http://127.0.0.1"},
            {"image": "http://127.0.0.1:1/image", "compute": "http://127.0.0.1:1/compute"},
        ],
    )
    def test_endpoints_that_cannot_be_told_apart_are_refused(
        self, endpoints: dict[str, str]
    ) -> None:
        with pytest.raises(ValueError, match=r"http://HOST:PORT|origin of its own"):
            CloudProxy(endpoints)

    @pytest.mark.long
    def test_sixteen_clients_at_once(self, cloud: Cloud) -> None:
        def client(number: int) -> list[int]:
            connection = cloud.connect()
            paths = [f"/v2.1/{number}/{turn}" for turn in range(10)]
            statuses = [converse(connection, "GET", path).status for path in paths]
            connection.close()
            return statuses

        started = time.monotonic()
        with ThreadPoolExecutor(16) as pool:
            statuses = list(pool.map(client, range(16)))

        assert statuses == [[200] * 10] * 16
        assert len({request.path for request in cloud.proxy.requests}) == 160
        assert 160 / (time.monotonic() - started) > 100


class TestRecords:
    def test_a_request_is_recorded_with_its_answer(self, cloud: Cloud) -> None:
        before = time.monotonic()
        cloud.ask("POST", "/v2.1/servers?a=b", {"x": 1}, X_OpenStack_Request_ID="req-global")

        (request,) = cloud.proxy.requests
        assert (request.service, request.method) == ("compute", "POST")
        assert request.path == "/v2.1/servers?a=b"
        assert request.json() == {"x": 1}
        assert request.global_request_id == "req-global"
        assert request.request_id == "req-answer"
        assert (request.status, request.upstream_status) == (201, 201)
        assert (request.fault, request.failure) == (None, None)
        assert request.ended
        assert before <= request.started <= request.ended <= time.monotonic()

    def test_no_secret_is_kept(self, cloud: Cloud) -> None:
        echo = cloud.ask("POST", "/v3/auth/tokens", LOGIN, "identity", X_Auth_Token="t0ken")

        (request,) = cloud.proxy.logins()
        assert "s3cret" in echo.json()["sent"]
        assert request.body == LOGIN_BODY
        assert "x-auth-token" not in request.headers
        assert "s3cret" not in str(vars(request))
        assert "t0ken" not in str(vars(request))

    def test_changes_are_neither_reads_nor_logins(self, cloud: Cloud) -> None:
        cloud.ask("POST", "/v3/auth/tokens?nocatalog", LOGIN, "identity")
        cloud.ask("DELETE", "/v3/auth/tokens", service="identity")
        cloud.ask("GET")
        cloud.ask("HEAD")
        cloud.ask("PUT")
        cloud.ask("POST", "/v2.1/servers")

        assert [request.method for request in cloud.proxy.changes()] == ["DELETE", "PUT", "POST"]
        assert len(cloud.proxy.logins()) == 1

    def test_counting_and_forgetting(self, cloud: Cloud) -> None:
        cloud.ask(path="/v3", service="identity")
        cloud.ask(path="/v2.1/servers/1")
        cloud.ask("POST", "/v2.1/servers", {"name": "web"})

        assert cloud.proxy.count() == 3
        assert cloud.proxy.count("compute") == 2
        assert cloud.proxy.count(method="post") == 1
        assert cloud.proxy.count(path=r"/servers/\d+$") == 1
        assert cloud.proxy.find(Match(body='"web"')) == cloud.proxy.changes()
        cloud.proxy.clear()
        assert cloud.proxy.requests == []

    def test_a_huge_body_is_forwarded_but_not_kept(self, cloud: Cloud) -> None:
        huge = b"x" * (1024 * 1024 + 1)

        assert len(cloud.ask("PUT", "/v2/data", huge).json()["sent"]) == len(huge)
        assert cloud.proxy.requests[0].body == b"<body of 1048577 bytes: not kept>"

    def test_a_misspelt_service_is_refused(self, cloud: Cloud) -> None:
        with pytest.raises(ValueError, match="no service 'compote'"):
            cloud.proxy.fault(Match("compote"), Status(500))
        with pytest.raises(ValueError, match="no service 'compote'"):
            cloud.proxy.count("compote")
        with pytest.raises(LookupError):
            cloud.proxy.url("compote")


class TestMatching:
    def statuses(self, cloud: Cloud, turns: int) -> list[int]:
        return [cloud.ask().status for _ in range(turns)]

    def test_a_fault_hits_once_unless_told_otherwise(self, cloud: Cloud) -> None:
        fault = cloud.proxy.fault(Match(), Status(503))

        assert self.statuses(cloud, 3) == [503, 200, 200]
        assert fault.hits == cloud.proxy.requests[:1]
        assert [request.fault for request in cloud.proxy.requests] == [fault, None, None]

    def test_skip_and_times(self, cloud: Cloud) -> None:
        cloud.proxy.fault(Match(), Status(503), times=2, skip=1)

        assert self.statuses(cloud, 5) == [200, 503, 503, 200, 200]

    def test_for_ever_until_removed(self, cloud: Cloud) -> None:
        fault = cloud.proxy.fault(Match(), Status(503), times=None)
        assert self.statuses(cloud, 4) == [503] * 4

        fault.remove()
        assert self.statuses(cloud, 1) == [200]

    def test_faults_are_scripted_by_position(self, cloud: Cloud) -> None:
        cloud.proxy.fault(Match(), Status(503), skip=1)
        cloud.proxy.fault(Match(), Status(429), skip=2)
        cloud.proxy.fault(Match(), Status(500), skip=0)

        assert self.statuses(cloud, 4) == [500, 503, 429, 200]

    def test_the_first_fault_due_takes_the_request(self, cloud: Cloud) -> None:
        cloud.proxy.fault(Match(), Status(503))
        cloud.proxy.fault(Match(), Status(429), times=2)

        assert self.statuses(cloud, 4) == [503, 429, 429, 200]

    @pytest.mark.parametrize(
        ("match", "hit"),
        [
            (Match("compute", "POST", r"/servers/[^/]+/action$", "os-migrateLive"), True),
            (Match(method="post"), True),
            (Match(service="identity"), False),
            (Match(method="PUT"), False),
            (Match(path="/servers$"), False),
            (Match(body="os-stop"), False),
        ],
    )
    def test_what_matches(self, cloud: Cloud, match: Match, hit: bool) -> None:
        cloud.proxy.fault(match, Status(418))

        reply = cloud.ask("POST", "/v2.1/servers/1/action", {"os-migrateLive": {}})

        assert (reply.status == 418) is hit

    def test_a_login_is_matched_by_its_real_body(self, cloud: Cloud) -> None:
        cloud.proxy.fault(Match(body="s3cret"), Status(401))

        assert cloud.ask("POST", "/v3/auth/tokens", LOGIN, "identity").status == 401

    def test_a_bad_expression_fails_at_once(self) -> None:
        with pytest.raises(Exception, match="unterminated"):
            Match(path="[")


class TestFaults:
    def test_status_in_place_of_the_service(self, cloud: Cloud) -> None:
        cloud.proxy.fault(Match(), Status(429, retry_after=1))

        reply = cloud.ask("POST")

        assert (reply.status, reply.headers["Retry-After"]) == (429, "1")
        assert reply.json()["error"]["code"] == 429
        assert cloud.compute.done == []
        assert cloud.proxy.requests[0].upstream_status is None

    def test_status_after_the_service_did_it(self, cloud: Cloud) -> None:
        cloud.proxy.fault(Match(), Status(504, body="gateway", after=True))

        reply = cloud.ask("POST")

        assert (reply.status, reply.body) == (504, b"gateway")
        assert cloud.compute.done == ["POST /v2.1/servers"]
        (request,) = cloud.proxy.requests
        assert (request.status, request.upstream_status) == (504, 201)
        assert request.request_id == "req-answer"

    def test_status_may_carry_any_document(self, cloud: Cloud) -> None:
        cloud.proxy.fault(Match(), Status(499, body={"conflict": 1}))

        assert cloud.ask().json() == {"conflict": 1}

    @pytest.mark.parametrize("kind", [Delay(0.1), Delay(0.1, point="answer"), Slow(0.1)])
    def test_waiting(self, cloud: Cloud, kind: Kind) -> None:
        cloud.proxy.fault(Match(), kind)

        reply = cloud.ask()

        assert reply.json()
        (request,) = cloud.proxy.requests
        assert request.ended
        assert 0.1 <= request.ended - request.started < 1

    def test_slow_sends_the_head_at_once(self, cloud: Cloud) -> None:
        fault = cloud.proxy.fault(Match(), Slow(PATIENCE))
        connection = cloud.connect()
        connection.request("GET", "/v2.1/servers")
        response = connection.getresponse()

        assert cloud.proxy.requests[0].ended is None
        fault.release()
        assert json.loads(response.read())
        connection.close()

    @pytest.mark.parametrize(
        ("kind", "done", "upstream"),
        [(Cut(before=True), 0, None), (Cut(after=True), 1, 201)],
    )
    def test_cut(self, cloud: Cloud, kind: Cut, done: int, upstream: int | None) -> None:
        cloud.proxy.fault(Match(), kind)

        with pytest.raises(http.client.RemoteDisconnected):
            cloud.ask("POST")

        assert len(cloud.compute.done) == done
        (request,) = cloud.proxy.requests
        assert (request.status, request.upstream_status) == (None, upstream)
        assert request.ended

    @pytest.mark.parametrize("sides", [{}, {"before": True, "after": True}])
    def test_cut_wants_one_side(self, sides: dict[str, bool]) -> None:
        with pytest.raises(ValueError, match="Cut takes one"):
            Cut(**sides)

    def test_cut_half(self, cloud: Cloud) -> None:
        cloud.proxy.fault(Match(), CutHalf())

        with pytest.raises(http.client.IncompleteRead) as caught:
            cloud.ask("POST")

        assert caught.value.expected is not None
        assert abs(len(caught.value.partial) - caught.value.expected) <= 1
        assert cloud.compute.done == ["POST /v2.1/servers"]

    def test_cut_half_of_nothing_is_no_answer(self, cloud: Cloud) -> None:
        cloud.proxy.fault(Match(), CutHalf())

        with pytest.raises(http.client.RemoteDisconnected):
            cloud.ask("DELETE", "/v2.1/gone")

    def test_hold_knows_two_points(self) -> None:
        with pytest.raises(ValueError, match="'middle'"):
            Hold("middle")  # type: ignore[arg-type]


class TestHold:
    @pytest.mark.parametrize(("point", "done"), [("request", 0), ("answer", 1)])
    def test_hold_and_release(self, cloud: Cloud, point: Any, done: int) -> None:
        hold = cloud.proxy.fault(Match(method="POST"), Hold(point))
        with ThreadPoolExecutor(1) as pool:
            reply = pool.submit(cloud.ask, "POST")

            request = hold.wait_reached(PATIENCE)
            assert request is cloud.proxy.requests[0]
            assert len(cloud.compute.done) == done
            assert cloud.ask().status == 200  # others pass
            assert not reply.done()

            hold.release()
            assert reply.result(PATIENCE).status == 201
        assert request.status == 201

    def test_nothing_reached(self, cloud: Cloud) -> None:
        hold = cloud.proxy.fault(Match(), Hold("request"))

        with pytest.raises(TimeoutError, match="nothing reached"):
            hold.wait_reached(0.01)

    def test_each_hit_is_held_anew(self, cloud: Cloud) -> None:
        hold = cloud.proxy.fault(Match(), Hold("request"), times=2)
        with ThreadPoolExecutor(1) as pool:
            for path in ("/first", "/second"):
                reply = pool.submit(cloud.ask, path=path)
                assert hold.wait_reached(PATIENCE).path == path
                hold.release()
                assert reply.result(PATIENCE).status == 200

    @pytest.mark.parametrize("one", [True, False])
    def test_removing_lets_go(self, cloud: Cloud, one: bool) -> None:
        hold = cloud.proxy.fault(Match(), Hold("request"), times=None)
        with ThreadPoolExecutor(1) as pool:
            reply = pool.submit(cloud.ask)
            hold.wait_reached(PATIENCE)
            (hold.remove if one else cloud.proxy.clear_faults)()
            assert reply.result(PATIENCE).status == 200
        assert cloud.ask().status == 200

    @pytest.mark.parametrize("reset", [True, False])
    @pytest.mark.parametrize(("point", "done"), [("request", 0), ("answer", 1)])
    def test_the_client_goes_away(self, cloud: Cloud, point: Any, done: int, reset: bool) -> None:
        hold = cloud.proxy.fault(Match(), Hold(point))
        connection = cloud.connect()
        connection.request("POST", "/v2.1/servers")
        request = hold.wait_reached(PATIENCE)

        if reset:
            linger = struct.pack("ii", 1, 0)
            connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        connection.close()

        eventually(lambda: request.ended)
        assert request.status is None
        assert request.failure == "the client went away while held"
        hold.release()
        assert len(cloud.compute.done) == done

    def test_the_client_is_killed(self, cloud: Cloud) -> None:
        hold = cloud.proxy.fault(Match(), Hold("answer"))
        program = "import sys, urllib.request as r; r.urlopen(sys.argv[1], data=b'{}')"
        url = cloud.proxy.url("compute") + "/servers"
        client = subprocess.Popen([sys.executable, "-S", "-c", program, url])
        request = hold.wait_reached(PATIENCE)

        client.send_signal(signal.SIGKILL)
        client.wait(PATIENCE)

        eventually(lambda: request.ended)
        assert (request.status, request.upstream_status) == (None, 201)

    def test_a_delayed_request_outlives_its_client(self, cloud: Cloud) -> None:
        delay = cloud.proxy.fault(Match(), Delay(PATIENCE))
        connection = cloud.connect()
        connection.request("POST", "/v2.1/servers")
        delay.wait_reached(PATIENCE)
        connection.close()

        delay.release()

        eventually(lambda: cloud.compute.done == ["POST /v2.1/servers"])

    def test_an_upload_broken_off_never_arrives(self, cloud: Cloud) -> None:
        place = urlsplit(cloud.proxy.url("compute"))
        heads = ["Content-Length: 9\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"]
        for head in heads:
            with socket.create_connection((place.hostname or "", place.port or 0)) as client:
                client.sendall(f"PUT /v2/data HTTP/1.1\r\nHost: x\r\n{head}".encode())
                client.shutdown(socket.SHUT_WR)
                assert client.recv(1) == b""

        assert cloud.proxy.requests == []
        assert cloud.compute.done == []


class TestStop:
    def test_stop_ends_held_and_idle_connections(self, cloud: Cloud) -> None:
        idle = cloud.connect()
        assert converse(idle, "GET", "/idle").status == 200
        hold = cloud.proxy.fault(Match(), Hold("request"), times=None)
        held = cloud.connect()
        held.request("POST", "/held")
        request = hold.wait_reached(PATIENCE)

        cloud.proxy.stop()

        assert request.ended
        assert cloud.compute.done == ["GET /idle"]
        with pytest.raises(OSError, match=r"closed|reset"):
            held.getresponse()
        with pytest.raises(ConnectionRefusedError):
            cloud.ask()
        idle.close()
        held.close()

    def test_stop_does_not_wait_for_a_delay(self, cloud: Cloud) -> None:
        delay = cloud.proxy.fault(Match(), Delay(PATIENCE))
        client = cloud.connect()
        client.request("POST", "/late")
        delay.wait_reached(PATIENCE)

        started = time.monotonic()
        cloud.proxy.stop()

        assert time.monotonic() - started < 1
        assert cloud.compute.done == []
        client.close()

    def test_no_thread_is_left(self, cloud: Cloud) -> None:
        threads = threading.active_count()
        with CloudProxy({"image": cloud.compute.origin}) as proxy:
            netloc = urlsplit(proxy.url("image")).netloc
            clients = [http.client.HTTPConnection(netloc, timeout=PATIENCE) for _ in range(4)]
            for client in clients:
                converse(client, "GET", "/")
        for client in clients:
            client.close()
        eventually(lambda: threading.active_count() <= threads)

    def test_only_one_start(self, cloud: Cloud) -> None:
        with pytest.raises(RuntimeError, match="started once"):
            cloud.proxy.start()

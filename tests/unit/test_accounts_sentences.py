"""What is said of an address that is wrong, and of answers that are no login."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from accounts import repeating
from accounts.cloud import Cloud
from accounts.config import load
from engine.dispatch import dispatch
from query_api.lookups import compute
from support.certificates import Authority
from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Hypervisor, Server
from support.fake_cloud_runs import tracing_as
from support.raw_http import Call, RawServer, answer
from workflow_api import CloudError, RunbookError, UserError

PASSWORD = "correct horse"


@pytest.fixture(autouse=True)
def _brief_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeating, "_backoff", lambda state: 0.01)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def fake() -> Iterator[FakeCloud]:
    with FakeCloud([Hypervisor("cmp-1")], [Server("a")]) as fake:
        yield fake


def config(url: object, **entry: Any) -> dict[str, Any]:
    auth = {
        "auth_url": url,
        "username": "u",
        "password": PASSWORD,
        "project_name": "p",
        "user_domain_id": "default",
        "project_domain_id": "default",
    }
    return {"clouds": [{"name": "x", "auth": auth, **entry}]}


def told_of(url: object, **entry: Any) -> RunbookError:
    """Return the error that comes of asking a cloud; ``cloud.check`` must not call it a bug."""
    with pytest.raises((CloudError, UserError)) as told:
        compute.servers(Cloud.from_config(load(config(url, **entry)), None))
    kind, result = dispatch("cloud.check", {"cloud": "x"}, config(url, **entry))
    assert kind in ("failed", "refused")
    assert "Internal error" not in json.dumps(result)
    assert PASSWORD not in json.dumps(result)
    return told.value


# -- addresses ---------------------------------------------------------------------------------

ODD = {
    "keystone.example.org:5000/v3": "it does not begin with https:// or http://",
    "keystone.example.org/v3": "it does not begin with https:// or http://",
    "htps://keystone/v3": "it does not begin with https:// or http://",
    "file:///etc/passwd": "it does not begin with https:// or http://",
    "//keystone/v3": "it does not begin with https:// or http://",
    "http://": "it does not begin with https:// or http://",
    "http://:5000/v3": "it names no host",
    "http://keystone:99999/v3": "port out of range 0-65535",
    "http://keystone:five/v3": "port could not be cast to integer value as 'five'",
    "http://keystone:0/v3": "no service listens on port 0",
    "http://[::1/v3": "invalid ipv6 url",
    "http://key stone/v3": "it has white space or characters that no address may have",
    "http://keystone/v3\n": "it has white space or characters that no address may have",
    "http://keystone/\x1b[31mv3": "it has white space or characters that no address may have",
    "http://u:geheim@keystone/v3": "a user and a password have keys of their own",
    "http://keystone/v3?x=y": "it has a query or a fragment, which paths cannot be added to",
    "   ": "it is empty",
}


@pytest.mark.parametrize("url", ODD)
def test_an_address_that_is_none(url: str) -> None:
    error = told_of(url)
    assert isinstance(error, UserError)
    assert error.message.startswith("Cloud 'x': auth_url '")
    assert error.message.endswith(f" is no address of a service: {ODD[url]}.")
    assert error.advice.startswith("Write it as https://host:port/path")
    assert "geheim" not in str(error)
    assert "\x1b" not in str(error)


@pytest.mark.parametrize("status", ["401 Unauthorized", "404 Not Found"])
@pytest.mark.parametrize(
    "path", ["/v3/auth/tokens", "/identity/v3/auth/tokens", "/v2.0", "/compute/v2.1", "/v3/auth"]
)
def test_an_address_of_something_else_than_keystone(path: str, status: str) -> None:
    refusal = answer(b'{"error": {"message": "It hurts."}}', status, X_Openstack_Request_Id="req-1")
    with RawServer(lambda call: call.say(refusal)) as server:
        error = told_of(f"{server.origin}{path}")
    assert str(error) == (
        "Cloud x: logging in: Keystone's API does not answer at the configured address. "
        "Check auth_url: it usually ends in /v3."
    )
    assert len(server.calls) < 12, "a login that is asked for a login goes round"


def test_an_endpoint_override_that_is_none() -> None:
    error = told_of("http://127.0.0.1:1/v3", endpoint_override={"compute": "nova:8774"})
    assert error.message.startswith(
        "Cloud 'x': endpoint_override.compute 'nova:8774' is no address of a service: it does not"
    )


@pytest.mark.parametrize("url", ["nova:8774/v2.1", "htps://nova/v2.1", "http://no%va:1:2/v2.1"])
def test_an_address_of_the_catalogue_that_is_none(url: str, fake: FakeCloud) -> None:
    fake.services["compute"] = url
    with pytest.raises(CloudError) as told:
        compute.servers(fake.account())
    assert ": no connection: the address is none: " in told.value.message or (
        "no such service" in told.value.message
    )


def test_https_to_an_http_port(fake: FakeCloud) -> None:
    error = told_of(f"{fake.origin.replace('http:', 'https:')}/identity/v3")
    assert "what answers there does not speak TLS, but the address says https." in error.message
    assert error.advice.startswith("Use http:// in auth_url")
    assert "certificate" not in str(error)


def test_http_to_an_https_port(authority: Authority) -> None:
    with RawServer(lambda call: None, certificate=authority.issue()) as server:
        error = told_of(f"{server.origin.replace('https:', 'http:')}/v3")
    # OpenSSL answers with an alert, or just hangs up.
    assert "speaks TLS, but the address says http." in str(error) or (
        "it hung up without an answer" in error.message and "expects TLS" in error.advice
    )


@pytest.mark.parametrize(
    "page",
    [
        b"<html><h1>400 Bad Request</h1>The plain HTTP request was sent to HTTPS port</html>",
        b"Reason: You're speaking plain HTTP to an SSL-enabled server port.",
        b"Client sent an HTTP request to an HTTPS server.",
    ],
)
def test_http_to_a_proxy_that_wants_https(page: bytes) -> None:
    with RawServer(lambda call: call.say(answer(page, "400 Bad Request"))) as server:
        error = told_of(f"{server.origin}/v3")
    assert "what answers there speaks TLS, but the address says http." in error.message
    assert error.advice.startswith("Use https:// in auth_url")


def test_http_to_a_port_that_answers_with_an_alert_of_tls() -> None:
    with RawServer(
        lambda call: (call.say(b"\x15\x03\x01\x00\x02\x02\x46"), call.sock.close())[1]
    ) as s:
        error = told_of(f"{s.origin}/v3")
    assert "what answers there speaks TLS, but the address says http." in error.message
    assert error.advice.startswith("Use https:// in auth_url")


@pytest.mark.long
@pytest.mark.parametrize(
    "spoken",
    [b"SSH-2.0-OpenSSH_9.2p1 Debian\r\n", b"220 mail.example.org ESMTP\r\n", b"\xff\x00\r\n\r\n"],
)
def test_what_does_not_speak_http(spoken: bytes) -> None:
    with RawServer(lambda call: (call.say(spoken), call.sock.close())[1]) as server:
        error = told_of(f"{server.origin}/v3")
        assert error.message.endswith(
            f"no connection: {server.origin}: what answers there does not speak HTTP."
        )
    assert error.advice.startswith("Check the host and the port")


def test_one_that_hangs_up() -> None:
    with RawServer(lambda call: call.sock.close()) as server:
        error = told_of(f"{server.origin}/v3")
        assert error.message.endswith(f": {server.origin}: it hung up without an answer.")


@pytest.mark.long
def test_a_host_without_an_address() -> None:
    error = told_of("http://keystone.invalid:5000/v3")
    assert "http://keystone.invalid:5000: no address was found for its name." in error.message
    assert "Check the host's name" in error.advice


@pytest.mark.long
def test_a_proxy_that_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    with RawServer(lambda call: call.say(answer(status="403 Forbidden"))) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.origin)
        monkeypatch.setenv("https_proxy", proxy.origin)
        error = told_of("https://keystone.example.org/v3")
    assert "by way of the proxy: tunnel connection failed: 403" in error.message.lower()
    assert "HTTPS_PROXY" in error.advice


def test_a_change_through_a_proxy_that_refuses_was_not_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from accounts.session import TracedSession

    with RawServer(lambda call: call.say(answer(status="403 Forbidden"))) as proxy:
        monkeypatch.setenv("https_proxy", proxy.origin)
        session = TracedSession(seconds=5, most=10**6)
        with tracing_as(changes=True) as trace, pytest.raises(Exception, match="Tunnel"):
            session.put("https://nova.example.org/x", json={}, authenticated=None)
        assert len(proxy.calls) == 1
    assert trace.sent == 0


# -- answers that are no login -----------------------------------------------------------------


def token(**more: Any) -> dict[str, Any]:
    domain = {"id": "default", "name": "Default"}
    return {
        "methods": ["password"],
        "user": {"id": "u", "name": "u", "domain": domain},
        "expires_at": "2999-01-01T00:00:00.000000Z",
        "issued_at": "2026-01-01T00:00:00.000000Z",
        "catalog": [],
        **more,
    }


def said(body: Any, status: str = "201 Created", token: str = "t") -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return answer(data, status, **({"X_Subject_Token": token} if token else {}))


NO_LOGINS: dict[str, tuple[bytes, str]] = {
    "a page of a proxy": (
        said(b"<!DOCTYPE html><html>Log in</html>", "200 OK"),
        "it is a web page",
    ),
    "nothing": (said(b"", "200 OK"), "it is empty"),
    "null": (said(None), "Expected `object`, got `null`"),
    "a list": (said([]), "Expected `object`, got `array`"),
    "a number": (said(5), "Expected `object`, got `int`"),
    "an empty object": (said({}), "Object missing required field `token`"),
    "a token that is null": (said({"token": None}), "Expected `object`, got `null`"),
    "a token without an end": (
        said({"token": {"methods": [], "user": {}}}),
        "Object missing required field `id`",
    ),
    "no token in the head": (said({"token": token()}, token=""), "it has no X-Subject-Token"),
    "a catalogue that is none": (said({"token": token(catalog="no")}), "Expected `array`"),
    "a service without a type": (
        said({"token": token(catalog=[{"endpoints": []}])}),
        "Object missing required field `type`",
    ),
    "a role without a name": (
        said({"token": token(roles=[{"id": "r", "name": None}])}),
        "Expected `str`, got `null`",
    ),
    "a system that is a text": (
        said({"token": token(system="all")}),
        "Expected `object | null`, got `str`",
    ),
    "half of it": (said(b'{"token": {"user"'), "Input data was truncated"),
    "what is no text": (said(b"\xff\xfe\x00"), "JSON is malformed"),
    "brackets without an end": (said(b"[" * 100_000), "Expected `object`, got `array`"),
}


@pytest.mark.parametrize("case", NO_LOGINS)
def test_what_is_no_login(case: str) -> None:
    given, why = NO_LOGINS[case]

    def script(call: Call) -> None:
        call.say(given if call.line.startswith("POST") else answer(status="404 Not Found"))

    with RawServer(script) as server:
        error = told_of(f"{server.origin}/v3")
        assert error.message.startswith(
            f"Cloud x: logging in: {server.origin}/v3/auth/tokens answered, but not with a login: "
            f"{why}"
        )
        logins = [call for call in server.calls if call.startswith(b"POST")]
        assert len(logins) == 2, "once by the query, once by cloud.check"
    assert "auth_url" in error.advice


ODD_VERSIONS: dict[str, Any] = {
    "null": None,
    "a number": 5,
    "a text": "x",
    "versions that are null": {"versions": None},
    "versions that are a number": {"versions": 5},
    "a version that is null": {"version": None},
    "versions of nothing": {"versions": [None]},
    "a version without an id": {"versions": [{"links": None}]},
    "an id that is no version": {"versions": [{"id": "vfive", "links": 5}]},
    "links that are none": {"versions": [{"id": "v3.0", "status": "stable", "links": [5]}]},
}


@pytest.mark.parametrize("case", ODD_VERSIONS)
def test_versions_that_are_none(case: str) -> None:
    """What an address says of itself is read before anybody logs in."""

    def script(call: Call) -> None:
        given = json.dumps(ODD_VERSIONS[case]).encode()
        call.say(answer(given) if call.line.startswith("GET") else answer(status="404 Not Found"))

    with RawServer(script) as server:
        error = told_of(f"{server.origin}/v3")
    assert isinstance(error, CloudError)
    assert error.advice or error.status == 404


@pytest.mark.parametrize("issued", [None, "", "yesterday", "0000-00-00T00:00:00Z"])
def test_a_moment_of_issue_that_is_none_is_told_by_cloud_check(issued: Any) -> None:
    def script(call: Call) -> None:
        good = said({"token": token(issued_at=issued)})
        call.say(good if call.line.startswith("POST") else answer(status="404 Not Found"))

    with RawServer(script) as server:
        _, result = dispatch("cloud.check", {"cloud": "x"}, config(f"{server.origin}/v3"))
    (clock,) = [row for row in result["rows"] if row["check"] == "clock"]
    assert (clock["result"], clock["detail"]) == (
        "not checkable",
        "the login does not say when it was issued",
    )


def test_an_expiry_that_is_no_time() -> None:
    def script(call: Call) -> None:
        good = said({"token": token(expires_at="soon")})
        call.say(good if call.line.startswith("POST") else answer(status="404 Not Found"))

    with RawServer(script) as server:
        assert "not understood" in told_of(f"{server.origin}/v3").message

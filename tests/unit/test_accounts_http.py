"""The session of outside systems that speak HTTP: what is sent, repeated, refused and said."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from accounts import repeating
from accounts.alertmanager import Alertmanager
from accounts.config import load
from accounts.http_account import not_there
from common.errors import CloudError, LeaseLost, NotFound, RunbookError, UserError
from common.redaction import Redactor, at_work
from common.tracing import Trace, traced
from support.certificates import Authority
from support.fake_cloud_runs import tracing_as
from support.raw_http import Call, RawServer, Script, answer
from workflow_api.step import is_account

SECRET = "correct horse battery"
BASIC = b64encode(f"ops:{SECRET}".encode()).decode()
OF = "Alertmanager main: listing things"


@pytest.fixture(autouse=True)
def _brief_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeating, "_backoff", lambda state: 0.01)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


def account(url: str, name: str = "main", **entry: Any) -> Alertmanager:
    config = {"alertmanagers": [{"name": name, "url": url, **entry}], "limits": {"answer_mib": 1}}
    return Alertmanager.from_config(load(config), None)


def listed(url: str, **entry: Any) -> list[str]:
    return account(url, **entry).get("/things", list[str], "listing things")


def saying(*answers: bytes) -> Script:
    """Return a script that says one answer after the other, the last one for ever."""
    left = list(answers)

    def say(call: Call) -> None:
        call.say(left.pop(0) if len(left) > 1 else left[0])

    return say


# -- accounts ----------------------------------------------------------------------------------


def test_a_parameter_can_be_one() -> None:
    assert is_account(Alertmanager)


def test_which_one_is_meant() -> None:
    entries = [{"name": name, "url": "http://127.0.0.1"} for name in ("a", "b")]
    config = load({"alertmanagers": entries, "default_alertmanager": "b"})
    assert Alertmanager.from_config(config, None).name == "b"
    assert Alertmanager.from_config(config, "a").name == "a"
    with pytest.raises(NotFound, match="There is no Alertmanager 'c' in the configuration"):
        Alertmanager.from_config(config, "c")
    with pytest.raises(UserError, match=r"No Alertmanager is configured\. Add one to alertmanag"):
        Alertmanager.from_config(load({}), None)
    with pytest.raises(UserError, match="Give alertmanager=<name>, or set default_alertmanager"):
        Alertmanager.from_config(load({"alertmanagers": entries}), None)


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"url": "alerts:9093"}, "url 'alerts:9093' is no address of a service"),
        ({"url": "https://u:geheim@alerts"}, "have keys of their own"),
        ({"user": "u"}, "user 'u' has no password. A key of the datastore"),
        ({"password": SECRET}, "it has a password but no user"),
        ({"user": "u", "password": SECRET, "token": SECRET}, "both a user and a token"),
        ({"url": "http://alerts", "token": SECRET}, "the token would go over the network in clear"),
        ({"url": "HTTP://alerts", "user": "u", "password": SECRET}, "the password would go over"),
        ({"key": "/etc/hostname"}, "a key for a client certificate and no cert"),
        ({"cacert": "/nowhere/ca.pem"}, "no file /nowhere/ca.pem, which cacert names"),
    ],
)
def test_an_entry_that_cannot_be_right(entry: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says) as refused:
        account(**{"url": "https://alerts.example.org", **entry})
    assert SECRET not in str(refused.value)
    assert "geheim" not in str(refused.value)


@pytest.mark.parametrize("key", ["verify", "insecure"])
def test_certificates_are_always_verified(key: str) -> None:
    with pytest.raises(UserError, match="verify cannot be turned off"):
        account("https://alerts.example.org", **{key: False})


def test_it_shows_no_secret() -> None:
    raw = {"name": "main", "url": "https://alerts.example.org", "token": SECRET}
    config = load({"alertmanagers": [raw]})
    shown = f"{config!r} {config.alertmanagers!r} {Alertmanager.from_config(config, None)!r}"
    assert SECRET not in shown


# -- what is sent ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "header"),
    [
        ({}, None),
        ({"token": SECRET}, f"Bearer {SECRET}"),
        ({"user": "ops", "password": SECRET}, f"Basic {BASIC}"),
    ],
)
def test_credentials_go_with_each_request(
    authority: Authority, entry: dict[str, str], header: str | None
) -> None:
    with RawServer(saying(answer(b'["a"]')), certificate=authority.issue()) as server:
        url = f"https://localhost:{server.port}/below"
        assert listed(url, cacert=str(authority.file), **entry) == ["a"]
    head = server.calls[0].decode().split("\r\n")
    assert head[0] == "GET /below/things HTTP/1.1"
    sent = [line for line in head if line.startswith(("Authorization", "X-Auth"))]
    assert sent == ([f"Authorization: {header}"] if header else [])


def test_a_client_certificate(authority: Authority, tmp_path: Path) -> None:
    mine = authority.issue(["ops"])
    both = {"certificate": authority.issue(), "clients": authority.file}
    with RawServer(saying(answer(b'["a"]')), **both) as server:
        url = f"https://localhost:{server.port}"
        assert listed(url, cacert=str(authority.file), cert=str(mine)) == ["a"]
        with pytest.raises(CloudError, match=f"{OF}: no connection"):
            listed(url, cacert=str(authority.file))


@pytest.mark.parametrize("names", [["localhost"], ["other.example.org"]])
def test_a_certificate_that_does_not_fit(authority: Authority, names: list[str]) -> None:
    with RawServer(saying(answer(b"[]")), certificate=authority.issue(names)) as server:
        cacert = {"cacert": str(authority.file)} if names != ["localhost"] else {}
        with pytest.raises(
            CloudError, match=f"{OF}: the certificate could not be verified"
        ) as error:
            listed(f"https://localhost:{server.port}", **cacert)
    assert "name its file in cacert" in error.value.advice
    assert server.calls == []


def test_a_question_by_post_needs_no_step() -> None:
    with RawServer(saying(answer(b'["a"]'))) as server:
        found = account(server.origin).ask(
            "/things", list[str], "asking", body={"filter": "x"}, headers={"X-Override": "GET"}
        )
    assert found == ["a"]
    assert b"X-Override: GET" in server.calls[0]


# -- changes -----------------------------------------------------------------------------------


def sent(url: str) -> None:
    account(url).change("POST", "/things", type(None), "making a thing", body={"name": "x"})


def test_a_change_is_sent_by_steps_alone() -> None:
    with RawServer(saying(answer())) as server:
        with pytest.raises(RuntimeError, match="outside a plan's step"):
            sent(server.origin)
        with pytest.raises(RuntimeError, match="in a look-up or check"), tracing_as(changes=False):
            sent(server.origin)
    assert server.calls == []


def test_a_change_asks_the_lease_first() -> None:
    def lost() -> None:
        raise LeaseLost("run-1")

    with RawServer(saying(answer())) as server:
        with traced(Trace("a-try", lost)) as trace, pytest.raises(LeaseLost):
            sent(server.origin)
        assert (server.calls, trace.sent) == ([], 0)
        with tracing_as(changes=True) as trace:
            sent(server.origin)
        assert trace.sent == len(server.calls) == 1


@pytest.mark.parametrize(
    ("first", "change", "calls"),
    [
        ("503 Service Unavailable", False, 2),
        ("500 Internal Server Error", False, 2),
        ("429 Too Many Requests", False, 2),
        ("404 Not Found", False, 1),
        ("429 Too Many Requests", True, 2),
        ("503 Service Unavailable", True, 1),
        ("500 Internal Server Error", True, 1),
    ],
)
def test_what_is_repeated(first: str, change: bool, calls: int) -> None:
    with RawServer(saying(answer(b"{}", first), answer(b"[]"))) as server:
        if calls == 2:
            _either(server.origin, change)
        else:
            with pytest.raises(CloudError) as error:
                _either(server.origin, change)
            assert error.value.status == int(first[:3])
            assert not_there(error.value) == (first[:3] == "404")
    assert len(server.calls) == calls


@pytest.mark.parametrize("change", [False, True])
def test_a_lost_answer(change: bool) -> None:
    """Of a change nobody knows; a question is asked again."""

    def once(call: Call) -> None:
        if len(call.server.calls) == 1:
            call.sock.close()
            raise OSError
        call.say(answer(b"[]"))

    with RawServer(once) as server:
        if not change:
            _either(server.origin, change)
        else:
            with pytest.raises(CloudError) as error:
                _either(server.origin, change)
            assert error.value.status is None
    assert len(server.calls) == (1 if change else 2)


def _either(url: str, change: bool) -> None:
    if change:
        with tracing_as(changes=True):
            sent(url)
    else:
        listed(url)


# -- bounds ------------------------------------------------------------------------------------


@pytest.mark.long
def test_an_answer_that_drips_ends() -> None:
    with RawServer(lambda call: call.drip(answer(b"[" + b" " * 500 + b"]"), 0.05)) as server:
        begun = time.monotonic()
        with pytest.raises(CloudError, match=f"{OF}: .* not done within 0.5s. .*timeout of this"):
            listed(server.origin, timeout="0.5s")
        assert time.monotonic() - begun < 2


@pytest.mark.long
def test_silence_ends() -> None:
    def silent(call: Call) -> None:
        call.server.ended.wait(5)

    with RawServer(silent) as server, pytest.raises(CloudError, match="no answer within"):
        listed(server.origin, timeout="0.1s")


def test_a_large_answer_is_not_read() -> None:
    body = json.dumps(["x" * 1000] * 2000).encode()
    too_large = pytest.raises(CloudError, match="larger than 1 MiB, so it was not read")
    with RawServer(saying(answer(body))) as server, too_large:
        listed(server.origin)


def test_a_redirect_elsewhere_is_not_followed() -> None:
    with RawServer(saying(answer(b'["b"]'))) as other:
        moved = answer(b"", "302 Found", Location=f"{other.origin}/things")
        with RawServer(saying(moved)) as server, pytest.raises(CloudError) as error:
            listed(server.origin)
    assert "which was not followed" in error.value.message
    assert error.value.advice.startswith("Correct url of this account")
    assert other.calls == []


# -- what is said ------------------------------------------------------------------------------

JSON = {"Content_Type": "application/json"}
ELSEWHERE = (
    "See whether url leads to Alertmanager, and whether something on the way (a proxy, a login "
    "page) answers in its place."
)
PAGE = b"<html><title>Sign in</title></html>"
SAID: dict[str, tuple[bytes, str, str]] = {
    "a sentence": (
        answer(b'"silence 1 not found"', "404 Not Found", **JSON),
        f"{OF}: 404: silence 1 not found.",
        "",
    ),
    "a message": (
        answer(b'{"code": 602, "message": "matchers in body is required"}', "422 No", **JSON),
        f"{OF}: 422: matchers in body is required.",
        "",
    ),
    "Icinga's": (
        answer(b'{"error": 404, "status": "No objects found."}', "404 Not Found", **JSON),
        f"{OF}: 404: No objects found.",
        "",
    ),
    "Icinga's results": (
        answer(
            b'{"results": [{"code": 500, "errors": ["no such host", "x"], "status": "failed"}]}',
            "500 Internal Server Error",
            **JSON,
        ),
        f"{OF}: 500: failed; no such host; x.",
        "The service failed, or a proxy before it: their logs say why.",
    ),
    "a refusal": (
        answer(b"Unauthorized\n", "401 Unauthorized"),
        f"{OF}: 401: Unauthorized (HTTP 401).",
        "The credentials are not accepted: check those of this account.",
    ),
    "another service": (
        answer(PAGE, "404 Not Found"),
        f"{OF}: 404: Not Found (HTTP 404).",
        ELSEWHERE,
    ),
    "a login page": (
        answer(PAGE),
        f"{OF}: the answer was not understood: it is a web page.",
        ELSEWHERE,
    ),
    "another answer": (
        answer(b'{"a": 1}'),
        f"{OF}: the answer was not understood: Expected `array`, got `object`.",
        ELSEWHERE,
    ),
    "bytes": (
        answer(b"[\xff\xfe"),
        f"{OF}: the answer was not understood: JSON is malformed: invalid character (byte 1).",
        ELSEWHERE,
    ),
    "http to TLS": (
        answer(b"Client sent an HTTP request to an HTTPS server.\n", "400 Bad Request"),
        f"{OF}: what answers there speaks TLS, but the address says http.",
        "Use https:// in url.",
    ),
}


@pytest.mark.parametrize("which", SAID)
def test_what_is_said(which: str) -> None:
    said, message, advice = SAID[which]
    with RawServer(saying(said)) as server, pytest.raises(CloudError) as error:
        listed(server.origin)
    assert (error.value.message, error.value.advice) == (message, advice)


def test_nobody_there() -> None:
    with pytest.raises(CloudError) as error:
        listed("http://127.0.0.1:1")
    assert error.value.message == (f"{OF}: no connection: http://127.0.0.1:1: connection refused.")
    assert error.value.advice.startswith("See whether url is right and reachable from here")


@pytest.mark.parametrize(
    "echo",
    [
        lambda body: b'{"message": "bad password ' + SECRET.encode() + b'"}',
        lambda body: json.dumps({"message": body.decode().partition("Basic ")[2][:60]}).encode(),
    ],
)
def test_no_secret_is_repeated(authority: Authority, echo: Callable[[bytes], bytes]) -> None:
    raw = {"name": "main", "user": "ops", "password": SECRET, "cacert": str(authority.file)}

    def say(call: Call) -> None:
        call.say(answer(echo(call.request), "403 Forbidden", **JSON))

    with RawServer(say, certificate=authority.issue()) as server:
        config = {"alertmanagers": [{**raw, "url": f"https://localhost:{server.port}"}]}
        with at_work(Redactor(config)), pytest.raises(RunbookError) as error:
            Alertmanager.from_config(load(config), None).get("/", list[str], "listing")
    shown = str(error.value)
    assert "403" in shown
    assert "********" in shown
    assert SECRET not in shown
    assert BASIC not in shown

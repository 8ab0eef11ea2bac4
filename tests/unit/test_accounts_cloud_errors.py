"""Each way in which a cloud fails, and the sentence and advice that an operator gets for it."""

from __future__ import annotations

import json
import math
import shutil
import socket
import subprocess
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import tenacity

from accounts import repeating
from accounts.cloud import Cloud
from accounts.cloud_errors import spoken
from accounts.config import load
from query_api.lookups import compute
from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Server
from workflow_api import CloudError, NotFound, RunbookError, UserError

DOING = "Cloud fake: asking compute for /servers/detail:"
LOG = "The service failed: its log has the request id."


class Failure(NamedTuple):
    """What goes wrong, and what is said of it."""

    id: str
    breaks: Callable[[FakeCloud], Any]
    kind: type[RunbookError]
    status: int | None
    message: str
    advice: str
    entry: dict[str, Any] = {}  # noqa: RUF012 - never changed


def answers(status: int, **more: Any) -> Callable[[FakeCloud], Any]:
    return lambda fake: fake.fail("GET .*/servers/detail", status, times=math.inf, **more)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


FAILURES = [
    Failure("bad request", answers(400), CloudError, 400, f"{DOING} 400: It hurts.", ""),
    Failure("no rights", answers(403, body={"forbidden": {"message": "Policy doesn't allow it"}}),
            CloudError, 403, f"{DOING} 403: Policy doesn't allow it.",
            "The account has no right to do this: see cloud.check for what the pack needs."),
    Failure("token refused", answers(401), CloudError, 401, f"{DOING} 401: It hurts.",
            "Its token was refused: see whether the credentials were changed or have expired."),
    Failure("not found", answers(404), CloudError, 404, f"{DOING} 404: It hurts.", ""),
    Failure("too old", answers(406), CloudError, 406, f"{DOING} 406: It hurts.",
            "The service is too old for what was asked of it."),
    Failure("too much", answers(413), CloudError, 413, f"{DOING} 413: It hurts.",
            "Too much was asked at once."),
    Failure("too often", answers(429), CloudError, 429, f"{DOING} 429: It hurts.",
            "The service limits how often it may be asked: try again later, or with less in "
            "parallel."),
    Failure("the service fails", answers(500), CloudError, 500, f"{DOING} 500: It hurts.", LOG),
    Failure("a proxy answers in HTML", answers(502, body=b"<html>Bad Gateway</html>"), CloudError,
            502, f"{DOING} 502: Bad Gateway", LOG),
    Failure("an answer with escapes in it",
            answers(503, body={"error": {"message": "\x1b[31mred\x1b[0m\nalert"}}), CloudError,
            503, f"{DOING} 503: red alert.", LOG),
    Failure("the connection is cut", lambda fake: fake.fail("detail", cut=True, times=math.inf),
            CloudError, None, f"{DOING} no connection: ",
            "See whether the address in auth_url or the catalogue is right and reachable from "
            "here, and whether the service is up."),
    Failure("nobody listens", lambda fake: fake.services.update(
            compute=f"http://127.0.0.1:{free_port()}/"), CloudError, None,
            f"{DOING} no connection: http://127.0.0.1:", "See whether the address"),
    Failure("the service is not there", lambda fake: fake.services.pop("compute"), CloudError,
            None, f"{DOING} its catalogue has no such service on the public interface.",
            "Check region_name and interface; cloud.check lists what is there."),
    Failure("another region", lambda fake: None, NotFound, None,
            "There is no region 'two' in the catalogue of cloud fake.", "Did you mean one?",
            {"region_name": "two"}),
    Failure("another interface", lambda fake: None, CloudError, None,
            f"{DOING} its catalogue has no such service on the admin interface.",
            "Check region_name and interface", {"interface": "admin"}),
    Failure("the login is refused", lambda fake: fake.fail("auth/tokens", 401), UserError, None,
            "Cloud fake: the credentials are not accepted (401).",
            "They are wrong, were changed, or have expired: check auth of this cloud."),
    Failure("no rights to log in", lambda fake: fake.fail("auth/tokens", 403), CloudError, 403,
            "Cloud fake: logging in: 403: It hurts.", "The account has no right to do this"),
    Failure("Keystone fails", lambda fake: fake.fail("auth/tokens", 500, times=math.inf),
            CloudError, 500, "Cloud fake: logging in: 500: It hurts.", LOG),
    Failure("Keystone is cut off", lambda fake: fake.fail("auth/tokens", cut=True, times=math.inf),
            CloudError, None, "Cloud fake: logging in: no connection: ", "See whether"),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    def retrying(**how: Any) -> tenacity.Retrying:
        return tenacity.Retrying(**{**how, "sleep": lambda seconds: None})

    monkeypatch.setattr(repeating, "Retrying", retrying)


@pytest.mark.parametrize("case", FAILURES, ids=[case.id for case in FAILURES])
def test_what_is_said_of_a_failure(case: Failure) -> None:
    with FakeCloud([], [Server("a")]) as fake:
        case.breaks(fake)
        cloud = Cloud.from_config(load({"clouds": [fake.entry(**case.entry)]}), None)
        with pytest.raises(case.kind) as raised:
            compute.servers(cloud)
    error = raised.value
    assert type(error) is case.kind
    assert getattr(error, "status", None) == case.status
    assert error.message.startswith(case.message)
    assert error.advice.startswith(case.advice)
    assert bool(error.advice) == bool(case.advice)
    if isinstance(error, CloudError):
        assert bool(error.request_id) == (case.status is not None)
        assert error.message.endswith(f"[{error.request_id}]") or not error.request_id
    assert "\n" not in str(error)
    assert "object at 0x" not in str(error)


@pytest.mark.parametrize("path", ["/v3", "/identity", ""])
def test_nothing_answers_at_the_address(path: str) -> None:
    origin = f"http://127.0.0.1:{free_port()}"
    auth = {"auth_url": f"{origin}{path}", "username": "u", "password": "p"}
    cloud = Cloud.from_config(load({"clouds": [{"name": "x", "auth": auth}]}), None)
    with pytest.raises(CloudError) as raised:
        compute.servers(cloud)
    assert f"no connection: {origin}: connection refused." in str(raised.value)


def test_something_else_answers_at_the_address() -> None:
    with FakeCloud() as fake:
        entry = fake.entry()
        entry["auth"]["auth_url"] = f"{fake.origin}/horizon"
        cloud = Cloud.from_config(load({"clouds": [entry]}), None)
        with pytest.raises(CloudError) as raised:
            compute.servers(cloud)
    assert "Keystone's API does not answer at the configured address." in str(raised.value)
    assert "Check auth_url: it usually ends in /v3." in str(raised.value)


@pytest.mark.long
def test_no_answer_in_time() -> None:
    with FakeCloud([], [Server("a")]) as fake:
        cloud = fake.account(limits={"timeouts": {"request": "0.05s"}})
        cloud.session.get_token()
        cloud.supports("compute", "2.1")
        fake.hooks.append(lambda request: time.sleep(0.5))
        with pytest.raises(CloudError) as raised:
            compute.servers(cloud)
    assert raised.value.message == f"{DOING} no answer within 0.05s."
    assert "limits.timeouts.request says how long to wait" in raised.value.advice


# -- TLS ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate of 127.0.0.1 with its key, in one file."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl makes the certificate")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    key, made = path.with_name("key.pem"), path.with_name("certificate.pem")
    command = "req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -days 1"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(made)]
    subprocess.run([openssl, *command.split(), *subject, *files], check=True, capture_output=True)
    path.write_text(key.read_text() + made.read_text())
    return path


@pytest.fixture
def secure(certificate: Path) -> Iterator[FakeCloud]:
    with FakeCloud([], [Server("a")], certificate=certificate) as fake:
        yield fake


@pytest.mark.parametrize("path", ["/identity/v3", "/v3", ""])
def test_a_certificate_of_nobody_known(path: str, secure: FakeCloud) -> None:
    entry = secure.entry()
    entry["auth"]["auth_url"] = f"{secure.origin}{path}"
    with pytest.raises(CloudError) as raised:
        compute.servers(Cloud.from_config(load({"clouds": [entry]}), None))
    assert "the certificate could not be verified: " in raised.value.message
    assert "self-signed certificate" in raised.value.message
    assert "name its file in cacert" in raised.value.advice
    assert "\n" not in str(raised.value)
    assert secure.count() == 0


def test_a_certificate_of_the_clouds_own(secure: FakeCloud, certificate: Path) -> None:
    entry = secure.entry(cacert=str(certificate))
    cloud = Cloud.from_config(load({"clouds": [entry]}), None)
    assert len(compute.servers(cloud)) == 1


def test_a_certificate_file_that_is_not_there(secure: FakeCloud) -> None:
    entry = secure.entry(cacert="/no/such.pem")
    with pytest.raises(UserError, match=r"there is no file /no/such\.pem, which cacert names"):
        compute.servers(Cloud.from_config(load({"clouds": [entry]}), None))


# -- the words of the services -----------------------------------------------------------------

SPOKEN = {
    "nova": ({"itemNotFound": {"message": "No server.", "code": 404}}, "No server."),
    "keystone": ({"error": {"code": 404, "message": "No user", "title": "Not Found"}}, "No user."),
    "neutron": ({"NeutronError": {"type": "X", "message": "In use", "detail": ""}}, "In use."),
    "placement": ({"errors": [{"status": 404, "title": "Not Found", "detail": "None"}]}, "None."),
    "glance": ({"message": "No image<br />", "code": "404"}, "No image<br />."),
    "a title alone": ({"errors": [{"title": "Gone"}]}, "Gone."),
    "no words": ({"errors": []}, ""),
    "a number for a message": ({"message": 5}, ""),
    "a list": ([{"message": "One"}, {"message": "Two"}], "One."),
    "too many words": ({"message": "x" * 9999}, "x" * 500 + "."),
}


@pytest.mark.parametrize("service", SPOKEN)
def test_the_words_are_found_wherever_a_service_puts_them(service: str) -> None:
    body, words = SPOKEN[service]
    assert spoken(types.SimpleNamespace(content=json.dumps(body))) == words


def test_what_is_no_json_says_nothing() -> None:
    assert spoken(None) == ""
    assert spoken(types.SimpleNamespace(content=b"\xff\xfe<html>")) == ""

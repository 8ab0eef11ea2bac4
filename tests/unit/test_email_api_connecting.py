"""What keeps an account from sending: nothing goes out, and it is said what to do about it."""

from __future__ import annotations

import base64
import socket
from pathlib import Path
from typing import Any

import pytest

from common.errors import UserError
from email_api.transport import Mailer, SmtpError
from support.certificates import Authority
from support.mailing import PASSWORD, USERS, account_of, commands, never, one
from support.smtp_server import Fault, SmtpServer


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def certificate(authority: Authority) -> str:
    return str(authority.issue())


def trouble(server: SmtpServer, **more: Any) -> SmtpError:
    """Return the error of a delivery in which nothing of a message was sent."""
    with pytest.raises(SmtpError) as error:
        one(server, never, **more)
    assert server.accepted == []
    assert PASSWORD not in str(error.value)
    return error.value


@pytest.mark.parametrize("security", ["starttls", "tls"])
@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("name", "mismatch"),
        ("authority", "certificate could not be verified"),
        ("public", "certificate could not be verified"),
        ("date", "certificate has expired"),
    ],
)
def test_certificate_must_be_right(
    security: str, wrong: str, says: str, authority: Authority, tmp_path: Path
) -> None:
    issuer = Authority(tmp_path) if wrong == "authority" else authority
    names = ["other.example.org"] if wrong == "name" else ["localhost"]
    file = issuer.issue(names, expired=wrong == "date")
    with SmtpServer(security=security, certificate=str(file), users=USERS) as server:
        error = trouble(server, cacert=None if wrong == "public" else str(authority.file))
        assert says in error.message
        assert "cacert" in error.advice
        assert not error.transient
        assert not {"auth", "mail"} & set(commands(server))


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_tls_is_not_done_without(security: str, server: SmtpServer) -> None:
    error = trouble(server, security=security)
    wanted = "does not offer STARTTLS" if security == "starttls" else "TLS did not come about"
    assert wanted in error.message
    assert not error.transient
    assert not {"auth", "mail"} & set(commands(server))


def test_starttls_that_is_refused_is_not_done_without(certificate: str) -> None:
    fault = Fault("starttls", reply="454 4.7.0 not now")
    with SmtpServer(
        security="starttls", certificate=certificate, users=USERS, faults=[fault]
    ) as server:
        error = trouble(server)
        assert (error.code, error.transient) == (454, True)
        assert "454 4.7.0 not now" in error.message
        assert not {"auth", "mail"} & set(commands(server))


@pytest.mark.long
def test_tls_port_is_not_mistaken_for_another(certificate: str) -> None:
    with SmtpServer(security="tls", certificate=certificate) as server:
        error = trouble(server, security="none", timeout="0.3s")
        assert "no answer within 0.3s" in error.message
        assert "Check port and security" in error.advice


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_file_of_the_authority_must_be_right(
    content: str | None, server: SmtpServer, tmp_path: Path
) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(UserError, match=r"cacert .*ca\.pem: (there is no such|it holds no)"):
        one(server, never, security="starttls", cacert=str(file))


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("password", [PASSWORD, "wrong-horse"])
def test_login(mechanism: str, password: str, authority: Authority, certificate: str) -> None:
    with SmtpServer(
        security="tls", certificate=certificate, users=USERS, mechanisms=(mechanism,)
    ) as server:
        more = {"cacert": str(authority.file), "password": password}
        if password == PASSWORD:
            assert one(server, **more).kind == "sent"
        else:
            error = trouble(server, **more)
            assert "logging in as ops: 535" in error.message
            assert (error.code, error.transient) == (535, False)
            assert "mail" not in commands(server)


def test_login_that_is_not_offered(authority: Authority, certificate: str) -> None:
    with SmtpServer(security="tls", certificate=certificate) as server:
        server.options.mechanisms = ()
        error = trouble(server, cacert=str(authority.file), user="ops", password=PASSWORD)
        assert "does not offer to log in" in error.message


def test_server_that_repeats_secrets(authority: Authority, certificate: str) -> None:
    told = base64.b64encode(f"\0ops\0{PASSWORD}".encode()).decode()
    fault = Fault("auth", reply=f"535 5.7.8 {PASSWORD} {told} is wrong")
    with SmtpServer(security="tls", certificate=certificate, users=USERS, faults=[fault]) as server:
        error = trouble(server, cacert=str(authority.file))
        assert "535 5.7.8 ******** ******** is wrong" in error.message


def test_login_may_be_possible_later(authority: Authority, certificate: str) -> None:
    fault = Fault("auth", reply="454 4.7.0 temporary failure")
    with SmtpServer(security="tls", certificate=certificate, users=USERS, faults=[fault]) as server:
        assert trouble(server, cacert=str(authority.file)).transient


@pytest.mark.parametrize(
    ("fault", "says", "transient"),
    [
        (Fault("connect", reply="554 5.7.1 not you", close=True), "554 5.7.1 not you", False),
        (Fault("connect", reply="421 4.7.0 busy", close=True), "421 4.7.0 busy", True),
        (Fault("connect", close=True), "no connection: ", True),
        (Fault("connect", wait=2.0), "no answer within 0.3s", True),
        (Fault("ehlo", close=True), "no connection: it hung up", True),
        (Fault("ehlo", reply="421 4.3.2 busy", close=True), "connecting: 421 4.3.2 busy", True),
        (Fault("ehlo", reply="450 4.3.2 busy"), "connecting: 450 4.3.2 busy", True),
        (Fault("mail", reply="550 5.7.1 not yours"), "cloud@example.org as the sender: 550", False),
        (Fault("mail", reply="530 5.7.0 log in"), "530 5.7.0 log in. Check sender", False),
    ],
    ids=str,
)
def test_troubles_of_the_account(fault: Fault, says: str, transient: bool) -> None:
    with SmtpServer(faults=[fault]) as server:
        error = trouble(server, timeout="0.3s" if fault.wait else "5s")
        assert says in str(error)
        assert str(server.port) in str(error)
        assert error.transient is transient


def test_server_of_before_ehlo(server: SmtpServer) -> None:
    server.fault(Fault("ehlo", reply="502 5.5.1 not implemented"))
    assert one(server).kind == "sent"
    assert commands(server)[:4] == ["connected", "ehlo", "helo", "mail"]


def test_nobody_listens() -> None:
    with SmtpServer() as server:
        account = account_of(server)
    with pytest.raises(SmtpError, match="no connection: connection refused") as error:
        Mailer(account).connect()
    assert error.value.transient


@pytest.mark.parametrize(
    ("code", "transient"), [(socket.EAI_AGAIN, True), (socket.EAI_NONAME, False)]
)
def test_a_name_may_be_found_later_or_never(
    server: SmtpServer, monkeypatch: pytest.MonkeyPatch, code: int, transient: bool
) -> None:
    def not_found(*_: object, **__: object) -> None:
        raise socket.gaierror(code, "no luck")

    monkeypatch.setattr(socket, "create_connection", not_found)
    assert trouble(server).transient is transient


def test_host_that_is_none(server: SmtpServer) -> None:
    error = trouble(server, host=f"{'x' * 70}.example.org")
    assert "no address was found" in error.message

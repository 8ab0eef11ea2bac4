"""A mail server that never ends an answer, or never takes a body, is not waited for for ever."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from accounts.config import load
from accounts.smtp import SmtpAccount
from common.errors import Interrupted
from email_api.transport import Mailer, Outcome, SmtpError
from engine.stop import Stop
from support.certificates import Authority
from support.mailing import message, never
from support.smtp_server import SmtpServer

Script = Callable[[socket.socket], None]


@contextlib.contextmanager
def serving(script: Script, certificate: Path | None = None) -> Any:
    """Do with each connection what ``script`` does; yields the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)

    def serve() -> None:
        with contextlib.suppress(OSError):
            sock, _ = listener.accept()
            with contextlib.closing(sock):
                if context is not None:
                    sock = context.wrap_socket(sock, server_side=True)
                script(sock)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()


def drip(sock: socket.socket, data: bytes) -> None:
    for byte in data:
        sock.sendall(bytes([byte]))
        time.sleep(0.02)


def endless(sock: socket.socket) -> None:
    while True:
        sock.sendall(b"220-welcome\r\n" * 1000)


def greeted(then: Script) -> Script:
    """Take everything up to DATA, and then do ``then``."""

    def script(sock: socket.socket) -> None:
        sock.sendall(b"220 here\r\n")
        asked = sock.makefile("rb")
        while command := asked.readline():
            word = command[:4].upper()
            sock.sendall(b"354 go on\r\n" if word == b"DATA" else b"250 fine\r\n")
            if word == b"DATA":
                then(sock)
                return

    return script


def account(port: int, **entry: Any) -> SmtpAccount:
    server = {"name": "x", "host": "localhost", "port": port, "sender": "cloud@example.org"}
    config = {"smtp_accounts": [{**server, "security": "none", **entry}]}
    return SmtpAccount.from_config(load(config), None)


CASES: dict[str, tuple[Script, str]] = {
    "a greeting that drips": (lambda sock: drip(sock, b"220-" + b"x" * 900), "no answer within 1s"),
    "a greeting without an end": (endless, "its answer has no end"),
    "lines that drip": (lambda sock: drip(sock, b"220-x\r\n" * 500), "no answer within 1s"),
}


@pytest.mark.long
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("case", CASES)
def test_a_session_that_does_not_come_about(case: str, secure: bool, tmp_path: Path) -> None:
    script, says = CASES[case]
    authority = Authority(tmp_path)
    more = {"security": "tls", "cacert": str(authority.file)} if secure else {}
    with serving(script, authority.issue() if secure else None) as port:
        began = time.monotonic()
        with pytest.raises(SmtpError, match=says):
            Mailer(account(port, timeout="1s", **more)).connect()
        assert time.monotonic() - began < 3


@pytest.mark.long
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_a_body_that_is_not_taken(secure: bool, tmp_path: Path) -> None:
    """One byte now and then keeps a socket from timing out, but not a body."""

    def sips(sock: socket.socket) -> None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        for _ in range(500):
            sock.recv(256)
            time.sleep(0.02)

    authority = Authority(tmp_path)
    more = {"security": "tls", "cacert": str(authority.file)} if secure else {}
    with serving(greeted(sips), authority.issue() if secure else None) as port:
        mailer, began = Mailer(account(port, timeout="1s", **more)), time.monotonic()
        outcome = mailer.deliver(message(text=("x" * 70 + "\n") * 50_000), never)
        assert outcome.kind == "deferred"
        assert time.monotonic() - began < 9


@pytest.mark.long
def test_an_answer_to_the_dot_that_nobody_waits_for_leaves_it_unknown() -> None:
    """A second Ctrl-C while the server takes its ten minutes to accept a message."""
    stop = Stop(0)
    with serving(greeted(lambda sock: time.sleep(5))) as port:
        smtp = account(port)
        smtp.wait = stop.wait
        began = time.monotonic()
        threading.Timer(0.3, stop.request, ("interrupt", "Ctrl-C was pressed")).start()
        outcome = Mailer(smtp).deliver(message(), lambda: None)
    assert outcome == Outcome(kind="unknown", text="it was left before the server had answered")
    assert time.monotonic() - began < 2


@pytest.mark.long
def test_a_session_that_nobody_waits_for() -> None:
    stop = Stop(0)
    with serving(lambda sock: time.sleep(5)) as port:
        smtp = account(port)
        smtp.wait = stop.wait
        threading.Timer(0.3, stop.request, ("interrupt", "Ctrl-C was pressed")).start()
        with pytest.raises(Interrupted, match="Ctrl-C was pressed"):
            Mailer(smtp).connect()


def test_the_timeouts_of_a_session_are_what_they_were(server: SmtpServer) -> None:
    with Mailer(account(server.port, timeout="7s")) as mailer:
        mailer.connect()
        assert mailer._smtp is not None
        assert mailer._smtp.sock is not None
        assert mailer._smtp.sock.gettimeout() == 7

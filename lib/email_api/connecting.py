"""A session with a mail server: opened, verified, logged in, or an error that says why not."""

from __future__ import annotations

import base64
import re
import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from accounts.smtp import SmtpAccount
from common.errors import CloudError, RunbookError, UserError
from common.files import read_regular
from common.redaction import Redactor, excerpt
from common.text import clean, shorten
from email_api.sessions import EndlessReply, SecureSession, Session

_LONGEST = 300
# What a server can take for the name of a machine (RFC 5321, 4.1.1.1), which has a dot.
_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_CERTIFICATE = (
    "host must be the name in the server's certificate; if the server has a certificate authority "
    "of its own, name its file in cacert."
)
_OTHER_SECURITY = (
    "Check port and security: tls speaks TLS from the first byte (usually port 465), starttls "
    "begins without (587 or 25)."
)


class SmtpError(CloudError):
    """What keeps an account from sending at all; nothing of a message was accepted.

    ``transient`` says that it may go away by itself; ``code`` is the server's answer, if it was
    one.
    """

    def __init__(
        self, message: str, *, advice: str = "", code: int | None = None, transient: bool = False
    ) -> None:
        super().__init__(message, advice=advice)
        self.code, self.transient = code, transient


def opened(account: SmtpAccount) -> Session:
    """Return a session in which mail can be handed in.

    Raises SmtpError, or UserError if the file of the certificate authority is not right.
    """
    entry, timeout = account.entry, float(account.entry.timeout)
    context = None if entry.security == "none" else _context(account)
    with _explained(account):
        # Without a name smtplib would ask DNS for one, for seconds where nobody answers.
        how: dict[str, Any] = {"local_hostname": "localhost", "timeout": timeout}
        smtp: Session
        if entry.security == "tls":
            smtp = SecureSession(account.wait, entry.host, account.port, context=context, **how)
        else:
            smtp = Session(account.wait, entry.host, account.port, **how)
        try:
            assert smtp.sock is not None
            # Else the final dot would wait until the server has acknowledged the body.
            smtp.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            smtp.local_hostname = _own_name(smtp.sock)
            _greet(smtp)
            if entry.security == "starttls":
                _start_tls(smtp, account, context)
            if entry.user:
                _log_in(smtp, account)
        except BaseException:
            smtp.close()
            raise
    return smtp


def spoken(text: bytes) -> str:
    """Return what a server said as one short line that is safe to show."""
    return shorten(excerpt(text.decode(errors="replace"), 10 * _LONGEST), _LONGEST)


def refusal(
    account: SmtpAccount, doing: str, code: int, text: bytes, advice: str = ""
) -> SmtpError:
    """Return the error for an answer that concerns the account and not one message."""
    said = spoken(_without_secrets(text, account)).rstrip(". ") or "no reason was given"
    message = f"{where(account)}: {doing}: {code} {said}."
    return SmtpError(message, advice=advice, code=code, transient=400 <= code < 500)


def where(account: SmtpAccount) -> str:
    """Return how errors name the account and its server."""
    return f"SMTP account {account.name} ({account.entry.host}:{account.port})"


def _context(account: SmtpAccount) -> ssl.SSLContext:
    file = account.entry.cacert
    try:
        if file:
            read_regular(file)  # OpenSSL would read a device or a pipe for ever
        return ssl.create_default_context(cafile=file)
    except FileNotFoundError:
        why = "there is no such file"
    except ssl.SSLError:
        why = "it holds no certificate"
    except OSError as error:
        why = clean(error.strerror or error)
    raise UserError(f"{where(account)}: cacert {clean(file)}: {why}.")


def _own_name(sock: socket.socket) -> str:
    """Return how we introduce ourselves: our full name, or our address if we have none."""
    name = socket.gethostname()
    if _HOST_NAME.fullmatch(name):
        return name
    address = str(sock.getsockname()[0]).partition("%")[0]
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


def _greet(smtp: smtplib.SMTP) -> None:
    """Say EHLO, and HELO only to a server that does not know it (RFC 5321, 3.2).

    smtplib's own way says HELO also to one that is busy and has hung up by then.
    """
    code, text = smtp.ehlo()
    if 500 <= code < 600:
        code, text = smtp.helo()
    if not 200 <= code < 300:
        raise smtplib.SMTPHeloError(code, text)


def _start_tls(smtp: smtplib.SMTP, account: SmtpAccount, context: ssl.SSLContext | None) -> None:
    if not smtp.has_extn("starttls"):
        raise SmtpError(
            f"{where(account)}: it does not offer STARTTLS, so nothing was sent.",
            advice="Somebody on the way may have taken the offer out. If the server has none, see "
            "whether it offers tls on another port.",
        )
    smtp.starttls(context=context)
    _greet(smtp)


def _log_in(smtp: smtplib.SMTP, account: SmtpAccount) -> None:
    """Log in. smtplib's own way knows only ASCII passwords."""
    user, password = account.entry.user or "", account.entry.password or ""
    offered = smtp.esmtp_features.get("auth", "").upper().split()
    if "PLAIN" in offered:
        code, text = smtp.docmd("AUTH", "PLAIN " + _base64(f"\0{user}\0{password}"))
    elif "LOGIN" in offered:
        code, text = smtp.docmd("AUTH", "LOGIN")
        for answer in (user, password):
            if code == 334:
                code, text = smtp.docmd(_base64(answer))
    else:
        raise SmtpError(
            f"{where(account)}: it does not offer to log in by PLAIN or LOGIN.",
            advice="Check the port, or leave user and password out if the server needs none.",
        )
    if code != 235:
        advice = "Check user and password." if code >= 500 else "Try again later."
        raise refusal(account, f"logging in as {user}", code, text, advice)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _without_secrets(said: bytes, account: SmtpAccount) -> bytes:
    """Take out what a careless server repeats of a login, before it is cut."""
    redactor = Redactor({"password": account.entry.password or ""})
    redactor.learn(_base64(f"\0{account.entry.user}\0{account.entry.password}"))
    return redactor.text(said.decode(errors="replace")).encode()


@contextmanager
def _explained(account: SmtpAccount) -> Iterator[None]:
    try:
        yield
    except RunbookError:
        raise
    except smtplib.SMTPResponseException as error:  # its greeting, EHLO or STARTTLS
        text = error.smtp_error
        said = text if isinstance(text, bytes) else text.encode()
        raise refusal(account, "connecting", error.smtp_code, said) from None
    except (OSError, UnicodeError) as error:
        raise _no_session(account, error) from None


def _no_session(account: SmtpAccount, error: Exception) -> SmtpError:
    """Return the error for a session that did not come about, by what was met."""
    met = error.__context__ if isinstance(error, smtplib.SMTPServerDisconnected) else error
    if isinstance(met, ssl.SSLCertVerificationError):
        why = f"its certificate could not be verified: {clean(met.verify_message).rstrip('.')}"
        return SmtpError(f"{where(account)}: {why}.", advice=f"Nothing was sent: {_CERTIFICATE}")
    if isinstance(met, ssl.SSLError):
        why = f"TLS did not come about: {clean(met.reason or met)}"
        return SmtpError(f"{where(account)}: {why}.", advice=_OTHER_SECURITY)
    if isinstance(met, (socket.gaierror, UnicodeError)):
        again = isinstance(met, socket.gaierror) and met.errno == socket.EAI_AGAIN
        why = "no address was found for its name"
        return SmtpError(f"{where(account)}: {why}.", advice="Check host.", transient=again)
    if isinstance(met, TimeoutError):
        why = f"no answer within {account.entry.timeout}"
        return SmtpError(f"{where(account)}: {why}.", advice=_OTHER_SECURITY, transient=True)
    if isinstance(met, EndlessReply):
        return SmtpError(f"{where(account)}: {met}.", advice=_OTHER_SECURITY)
    why = met.strerror.lower() if isinstance(met, OSError) and met.strerror else "it hung up"
    return SmtpError(
        f"{where(account)}: no connection: {why}.",
        advice="See whether the server is up and takes connections from here.",
        transient=True,
    )

"""The way to a mail server: one verified session for many messages, and what became of each.

A message is handed in so that its fate need not be guessed. Before the final dot the server has
accepted nothing (RFC 5321, 4.1.1.4); from the dot to the server's answer nobody can know. Right
between the two the caller is asked, so that it can write down that the dot is about to go out.
"""

from __future__ import annotations

import re
import select
import smtplib
import ssl
from collections.abc import Callable
from types import TracebackType
from typing import Literal

import msgspec

from accounts.smtp import SmtpAccount
from common.errors import Interrupted
from email_api.connecting import SmtpError, opened, refusal, spoken
from email_api.messages import Envelope
from email_api.sessions import EndlessReply, Session

__all__ = ["Mailer", "Outcome", "SmtpError"]

_LINE_END = re.compile(rb"\r\n|\r|\n")
_DOT = re.compile(rb"(?m)^\.")
_GO_ON, _CLOSING, _TOO_LARGE = 354, 421, 552
_NO_UTF8 = "it takes no address with characters other than ASCII before the @ (SMTPUTF8)"
Kind = Literal["sent", "refused", "deferred", "unknown"]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one message.

    ``sent``: the server has accepted it. ``refused``: it never will. ``deferred``: it has not
    accepted it and may later. ``unknown``: nobody can say. ``code`` and ``text`` are the server's
    answer; without a code it gave none. ``refused`` has the answers about those recipients that
    did not get the message, though others did. ``unheard``: that is what it says of the sender,
    before it has heard whom the message is for.
    """

    kind: Kind
    code: int | None = None
    text: str = ""
    refused: dict[str, str] = {}
    unheard: bool = False


class _Ended(Exception):
    """A message got no further than this; without ``usable`` neither does the session."""

    def __init__(self, outcome: Outcome, *, usable: bool = True) -> None:
        super().__init__()
        self.outcome, self.usable = outcome, usable


class Mailer:
    """Hands in messages as one account, in one session for as many as the server takes.

    It connects when the first message is due, and again when it was dropped between two messages.
    It is a context manager for one thread. ``connections`` counts the sessions so far.
    """

    def __init__(self, account: SmtpAccount) -> None:
        self.account = account
        self.connections = 0
        self._smtp: Session | None = None
        self._used = 0

    def __enter__(self) -> Mailer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def connect(self) -> None:
        """Open the session if there is none; raises SmtpError, or UserError for a bad account."""
        self._session()

    def close(self) -> None:
        """End the session between two messages, politely if the server still listens."""
        smtp, self._smtp = self._smtp, None
        if smtp is not None:
            try:
                smtp.quit()
            except (OSError, Interrupted):
                smtp.close()

    def deliver(self, envelope: Envelope, before_end: Callable[[], None]) -> Outcome:
        """Hand in one message and say what became of it.

        ``before_end`` is called when all but the final dot is sent. If it raises, the connection
        is cut, nothing was accepted, and the exception goes on. Raises SmtpError for what concerns
        the account and not this message alone; nothing was accepted then either.
        """
        try:
            smtp, taken = self._begun(envelope)
            refused = _left_out(envelope, taken) | self._addressed(smtp, taken)
            self._sent_but_for_its_end(smtp, taken.data)
        except _Ended as ended:
            if not ended.usable:
                self._drop()
            return ended.outcome
        except smtplib.SMTPException as error:
            self._drop()
            return Outcome(kind="deferred", text=self._silence(error))
        except SmtpError:  # raised between two commands: the session is as good as before
            raise
        except BaseException:
            self._drop()
            raise
        try:
            before_end()
            return self._ended(smtp, refused)
        except BaseException:
            self._drop()
            raise

    def _session(self) -> Session:
        if self._smtp is None:
            self._smtp = opened(self.account)
            self._used = 0
            self.connections += 1
        return self._smtp

    def _drop(self) -> None:
        """Cut the connection: within a message any word of ours would be part of it."""
        smtp, self._smtp = self._smtp, None
        if smtp is not None:
            smtp.close()

    def _begun(self, envelope: Envelope) -> tuple[Session, Envelope]:
        """Send MAIL, in a new session if the server has had enough of the old one.

        Return the session, and the message as this server can take it.
        """
        if self._used >= self.account.entry.messages_per_connection:
            self.close()
        old = self._smtp is not None and self._used > 0
        smtp = self._session()
        self._used += 1
        taken = _fitting(smtp, envelope)
        try:
            if old and smtp.rset()[0] != 250:
                code, text = _CLOSING, b""
            else:
                code, text = self._mail(smtp, taken)
        except smtplib.SMTPServerDisconnected:
            if not old:
                raise
            code, text = _CLOSING, b""
        if old and code == _CLOSING:
            self._drop()
            return self._begun(envelope)
        if 500 <= code < 600 and code != _TOO_LARGE:
            advice = "Check sender, and whether the server wants user and password."
            raise refusal(self.account, f"{envelope.sender} as the sender", code, text, advice)
        if not 200 <= code < 300:
            raise _unsent(code, text, unheard=True)
        return smtp, taken

    def _mail(self, smtp: Session, envelope: Envelope) -> tuple[int, bytes]:
        options = f" SIZE={len(envelope.data)}" if smtp.has_extn("size") else ""
        smtp.command_encoding = "ascii"
        if envelope.needs_utf8:
            smtp.command_encoding = "utf-8"
            options += " SMTPUTF8 BODY=8BITMIME"
        return smtp.docmd("MAIL", f"FROM:<{envelope.sender}>{options}")

    def _addressed(self, smtp: Session, envelope: Envelope) -> dict[str, str]:
        """Send RCPT for everybody; return who is refused if the message can go out all the same.

        It goes out if anybody whom it is to gets it: copies alone are none of their business.
        """
        refused: dict[str, tuple[int, bytes]] = {}
        for recipient in dict.fromkeys((*envelope.to, *envelope.cc, *envelope.bcc)):
            code, text = smtp.docmd("RCPT", f"TO:<{recipient}>")
            if code == _CLOSING:
                raise _unsent(code, text)
            if not 200 <= code < 300:
                refused[recipient] = code, text
        if refused.keys() >= set(envelope.to):
            # Who may be taken later makes it worth another try.
            raise _unsent(*min(refused[one] for one in envelope.to))
        return {one: f"{code} {spoken(text)}" for one, (code, text) in refused.items()}

    def _sent_but_for_its_end(self, smtp: Session, data: bytes) -> None:
        code, text = smtp.docmd("DATA")
        if code != _GO_ON:
            raise _unsent(code, text)
        assert smtp.sock is not None
        lines = _LINE_END.sub(b"\r\n", data)
        if not lines.endswith(b"\r\n"):
            lines += b"\r\n"
        broken = False
        try:
            smtp.hand_over(_DOT.sub(b"..", lines))
        except OSError:
            broken = True
        # A server that speaks before the end wants no more of it: this is the last moment to know.
        if broken or _has_spoken(smtp):
            raise _unsent(*smtp.getreply(), usable=False)

    def _ended(self, smtp: Session, refused: dict[str, str]) -> Outcome:
        """Send the final dot and wait for the answer."""
        entry = self.account.entry
        assert smtp.sock is not None
        try:
            if _has_spoken(smtp):  # while the caller was at work: the dot would come too late
                return self._too_late(smtp)
            smtp.sock.settimeout(float(entry.accept_timeout))
            smtp.sock.sendall(b".\r\n")
            code, text = smtp.getreply()
            smtp.sock.settimeout(float(entry.timeout))
        except OSError as error:
            self._drop()
            return Outcome(kind="unknown", text=self._silence(error, entry.accept_timeout))
        except Interrupted:
            self._drop()
            return Outcome(kind="unknown", text="it was left before the server had answered")
        outcome = _outcome(code, text, refused)
        if code == _CLOSING or outcome.kind == "unknown":
            self._drop()
        return outcome

    def _too_late(self, smtp: Session) -> Outcome:
        try:
            return _unsent(*smtp.getreply()).outcome
        except smtplib.SMTPException as error:
            return Outcome(kind="deferred", text=self._silence(error))
        finally:
            self._drop()

    def _silence(self, error: Exception, within: object = None) -> str:
        """Return how a session ended without a word."""
        met = error.__context__ if isinstance(error, smtplib.SMTPServerDisconnected) else error
        if isinstance(met, TimeoutError):
            return f"no answer within {within or self.account.entry.timeout}"
        if isinstance(met, EndlessReply):
            return str(met)
        return "the connection broke"


def _outcome(code: int, text: bytes, refused: dict[str, str]) -> Outcome:
    """Return what an answer to a whole message means (RFC 5321, 4.2.1)."""
    kinds: dict[int, Kind] = {2: "sent", 4: "deferred", 5: "refused"}
    kind = kinds.get(code // 100, "unknown")
    return _outcome_of(kind, code, text, refused if kind == "sent" else {})


def _fitting(smtp: Session, envelope: Envelope) -> Envelope:
    """Return a message as the server can take it, if need be without some of its copies."""
    if not envelope.needs_utf8 or smtp.has_extn("smtputf8"):
        return envelope
    if envelope.without_utf8 is None:
        raise _Ended(Outcome(kind="refused", text=_NO_UTF8))
    return envelope.without_utf8


def _left_out(envelope: Envelope, taken: Envelope) -> dict[str, str]:
    """Return who gets no copy because the server cannot take their address, and why."""
    kept = {*taken.cc, *taken.bcc}
    return {one: _NO_UTF8 for one in (*envelope.cc, *envelope.bcc) if one not in kept}


def _unsent(code: int, text: bytes, *, usable: bool = True, unheard: bool = False) -> _Ended:
    """Return how a message ends whose final dot was not sent: it is never "sent"."""
    kind: Kind = "refused" if 500 <= code < 600 else "deferred"
    outcome = msgspec.structs.replace(_outcome_of(kind, code, text), unheard=unheard)
    return _Ended(outcome, usable=usable and code != _CLOSING)


def _outcome_of(
    kind: Kind, code: int, text: bytes, refused: dict[str, str] | None = None
) -> Outcome:
    if code < 0:  # smtplib's word for an answer that begins without a number
        return Outcome(kind=kind, text="the answer was not one of SMTP")
    return Outcome(kind=kind, code=code, text=spoken(text), refused=refused or {})


def _has_spoken(smtp: Session) -> bool:
    """Whether the server has said something, or hung up, without having been asked."""
    assert smtp.sock is not None
    if isinstance(smtp.sock, ssl.SSLSocket) and smtp.sock.pending():
        return True
    waiting = select.poll()  # unlike select() it takes any number of open files
    waiting.register(smtp.sock, select.POLLIN)
    return bool(waiting.poll(0))

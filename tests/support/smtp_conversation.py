"""One connection to the SMTP server for tests: aiosmtpd, with faults in its way."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult
from aiosmtpd.smtp import Envelope as Received
from aiosmtpd.smtp import Session as Client

from .smtp_faults import Book, Fault, Mail, Options

logging.getLogger("mail.log").setLevel(logging.ERROR)


class Conversation(SMTP):
    """One connection, whose commands are met by the faults first."""

    def __init__(self, options: Options, book: Book, context: ssl.SSLContext | None) -> None:
        self.options, self.book = options, book
        self.number, self.messages = 0, 0
        super().__init__(
            self,
            data_size_limit=options.size,
            enable_SMTPUTF8=options.smtputf8,
            hostname="mail.test",
            tls_context=context if options.security == "starttls" else None,
            require_starttls=options.security == "starttls",
            auth_required=bool(options.users),
            auth_exclude_mechanism=[
                name for name in ("PLAIN", "LOGIN") if name not in options.mechanisms
            ],
            authenticator=self._knows,
        )
        # aiosmtpd knows of TLS only if it began it; here it may have been there from the start.
        self._auth_require_tls = options.security == "starttls"
        for name, method in self._smtp_methods.items():
            self._smtp_methods[name] = partial(self._command, name.lower(), method)

    async def _handle_client(self) -> None:
        self.book.note("connected")
        self.number = self.book.many("connected")
        if not await self._stumbled("connect"):
            await super()._handle_client()

    async def _command(self, name: str, method: Callable[..., Any], argument: str | None) -> None:
        self.book.note(name, argument=None if name == "auth" else argument)
        if name == "mail":
            self.messages += 1
            if 0 < self.options.per_connection < self.messages:
                await self._say("421 4.7.0 too many messages for one connection", close=True)
                return
        recipients = self.envelope.rcpt_tos if self.envelope else []
        about = [argument or ""] if name in ("mail", "rcpt") else recipients or [""]
        if await self._stumbled(name, about):
            return
        if name == "data" and (fault := self._fault("body", about)):
            await self._say("354 go on")
            await self._reader.read(1000)
            await self._act(fault)
            return
        await method(argument)

    async def handle_DATA(self, server: SMTP, client: Client, received: Received) -> str:
        """Take a message, as aiosmtpd asks for it: return what the client is told."""
        assert isinstance(received.content, bytes)
        if fault := self._fault("end", received.rcpt_tos):
            await asyncio.sleep(fault.wait)
            if fault.reply or fault.close:
                return await self._end(fault)
        head = received.content.partition(b"\r\n\r\n")[0].decode(errors="replace")
        (message_id,) = (
            line.partition(":")[2].strip()
            for line in head.split("\r\n")
            if line.lower().startswith("message-id:")
        )
        sender = received.mail_from or ""
        for recipient in received.rcpt_tos:
            mail = Mail(message_id, recipient, sender, self.number, received.content)
            self.book.accept(mail)
        if fault := self._fault("accepted", received.rcpt_tos):
            await asyncio.sleep(fault.wait)
            if fault.reply or fault.close:
                return await self._end(fault)
        return "250 2.0.0 accepted"

    async def hang_up(self, reply: str) -> None:
        """End the connection now, if it is still there."""
        if self.transport is not None and not self.transport.is_closing():
            if reply:
                await self._say(reply, close=True)
            else:
                self._cut(at_once=True)

    async def _end(self, fault: Fault) -> str:
        if fault.close:
            if fault.reply:
                await self._say(fault.reply)
            self._cut(at_once=not fault.reply)
        return fault.reply or "421 gone"

    def _knows(self, server: SMTP, client: Client, received: Any, how: str, given: Any) -> Any:
        password = self.options.users.get(given.login.decode())
        good = password is not None and given.password.decode() == password
        self.book.note("login", user=given.login.decode(), good=good)
        return AuthResult(success=good, handled=False)

    def _fault(self, at: str, about: Sequence[str] = ("",)) -> Fault | None:
        return next((one for one in self.options.faults if one.strikes(at, about)), None)

    async def _stumbled(self, at: str, about: Sequence[str] = ("",)) -> bool:
        fault = self._fault(at, about)
        return fault is not None and await self._act(fault)

    async def _act(self, fault: Fault) -> bool:
        await asyncio.sleep(fault.wait)
        if not fault.reply and not fault.close:
            return False
        if fault.reply:
            await self._say(fault.reply)
        if fault.close:
            self._cut(at_once=not fault.reply)
        return True

    async def _say(self, reply: str, *, close: bool = False) -> None:
        self._writer.write(reply.encode() + b"\r\n")
        await self._writer.drain()
        if close:
            self._cut(at_once=False)

    def _cut(self, *, at_once: bool) -> None:
        transport: Any = self.transport
        transport.abort() if at_once else transport.close()

"""A real SMTP server for tests, which counts what it has accepted and can be told to misbehave.

In this process, in a thread::

    with SmtpServer(faults=[Fault("rcpt", reply="451 4.7.1 later", times=1)]) as server:
        ...
        assert [mail.recipient for mail in server.accepted] == ["ann@example.org"]

In a process of its own, which lives on when the client is killed (its clients find the port in
``port``, and anybody reads the same counts while it runs)::

    with SmtpProcess(folder, Options(security="starttls")) as server:
        ...
        assert Counter((mail.message_id, mail.recipient) for mail in server.accepted)
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .smtp_conversation import Conversation
from .smtp_faults import Book, Fault, Mail, Options

__all__ = ["Fault", "Mail", "Options", "SmtpProcess", "SmtpServer", "account"]

_PATH = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "lib")]


class SmtpServer:
    """A server in a thread of this process: a context manager, to be used once."""

    def __init__(
        self, options: Options | None = None, *, file: Path | None = None, **given: Any
    ) -> None:
        self.options = options or Options(**given)
        self.book = Book(file)
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(lambda loop, context: None)  # refused handshakes
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: asyncio.AbstractServer | None = None
        self._conversations: list[Conversation] = []

    @property
    def accepted(self) -> list[Mail]:
        """What was accepted, in order, an entry for each recipient."""
        return list(self.book.accepted)

    @property
    def connections(self) -> int:
        """How many connections there were."""
        return self.book.many("connected")

    def fault(self, *faults: Fault) -> None:
        """Misbehave so from now on, and in no other way."""
        self.options.faults[:] = faults

    def hang_up(self, reply: str = "") -> None:
        """Cut every connection, after a word if one is given."""
        for conversation in self._conversations:
            asyncio.run_coroutine_threadsafe(conversation.hang_up(reply), self._loop).result(10)

    def account(self, **more: Any) -> dict[str, Any]:
        """Return an entry of ``smtp_accounts`` for this server, as its first user."""
        return account(self.options, self.port, **more)

    def __enter__(self) -> SmtpServer:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(self, *error: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _start(self) -> None:
        options, context = self.options, None
        if options.security != "none":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(options.certificate)
        self._server = await self._loop.create_server(
            lambda: self._conversation(context),
            "127.0.0.1",
            options.port,
            ssl=context if options.security == "tls" else None,
        )
        self.port = self._server.sockets[0].getsockname()[1]

    def _conversation(self, context: ssl.SSLContext | None) -> Conversation:
        self._conversations.append(Conversation(self.options, self.book, context))
        return self._conversations[-1]

    async def _stop(self) -> None:
        assert self._server
        self._server.close()
        others = asyncio.all_tasks(self._loop) - {asyncio.current_task(self._loop)}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


class SmtpProcess:
    """A server in a process and session of its own; what it did is read from its file."""

    def __init__(self, folder: Path, options: Options | None = None) -> None:
        self.folder, self.options = folder, options or Options()
        self.file = folder / "events.jsonl"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> SmtpProcess:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "options.json").write_text(json.dumps(asdict(self.options)))
        environ = {**os.environ, "PYTHONPATH": os.pathsep.join(_PATH)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "support.smtp_server", str(self.folder), str(os.getpid())],
            env=environ,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        give_up = time.monotonic() + 20
        while not (self.folder / "port").exists():
            if self._process.poll() is not None or time.monotonic() > give_up:
                raise RuntimeError("the SMTP server did not start")
            time.sleep(0.02)
        return self

    def __exit__(self, *error: object) -> None:
        assert self._process
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(10)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int((self.folder / "port").read_text())

    @property
    def accepted(self) -> list[Mail]:
        """What was accepted until now, in order, an entry for each recipient."""
        return [
            Mail(entry["message_id"], entry["recipient"], entry["sender"], entry["connection"])
            for entry in self.events()
            if entry["event"] == "accepted"
        ]

    @property
    def connections(self) -> int:
        """How many connections there were."""
        return sum(entry["event"] == "connected" for entry in self.events())

    def events(self) -> Iterator[dict[str, Any]]:
        """Yield what happened, in order."""
        if self.file.exists():
            for line in self.file.read_text().splitlines(keepends=True):
                if line.endswith("\n"):  # else it is being written
                    yield json.loads(line)

    def account(self, **more: Any) -> dict[str, Any]:
        """Return an entry of ``smtp_accounts`` for this server, as its first user."""
        return account(self.options, self.port, **more)


def account(options: Options, port: int, **more: Any) -> dict[str, Any]:
    """Return an entry of ``smtp_accounts``; the test adds ``cacert``."""
    user, password = next(iter(options.users.items()), (None, None))
    entry = {
        "name": "test",
        "host": "localhost",
        "port": port,
        "security": options.security,
        "user": user,
        "password": password,
        "sender": "Test Cloud <cloud@example.org>",
        "timeout": "5s",
        "accept_timeout": "5s",
    }
    return {**entry, **more}


def _serve(folder: Path, parent: int) -> None:
    """Serve until told to stop, or until the test that wanted it is gone."""
    given = json.loads((folder / "options.json").read_text())
    given["faults"] = [Fault(**fault) for fault in given["faults"]]
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
    with SmtpServer(Options(**given), file=folder / "events.jsonl") as server:
        new = folder / "port.new"
        new.write_text(str(server.port))
        new.rename(folder / "port")
        while not stop.wait(0.5) and os.getppid() == parent:
            pass


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), int(sys.argv[2]))

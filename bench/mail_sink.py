"""A mail server on loopback that takes everything, in a process of its own, over TLS.

It counts sessions and keeps what it has accepted, in memory while it runs; when its stdin is
closed it writes both into its folder, for whoever wants to look or to send the same again.

    python bench/mail_sink.py FOLDER CERTIFICATE    (prints its port)
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from own_process import in_a_process

_MOST = 2**26


class MailSink:
    """The running server, as the benchmark sees it; ``taken`` is known when it has ended."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port

    @property
    def sessions(self) -> int:
        """How many connections said at least EHLO."""
        return int(self._known()["sessions"])

    @property
    def recipients(self) -> list[str]:
        """To whom messages were accepted, in order."""
        found: list[str] = self._known()["recipients"]
        return found

    @property
    def messages(self) -> list[bytes]:
        """The messages, in the same order, as they went over the wire: dots doubled."""
        whole, sizes = (self.folder / "messages").read_bytes(), self._known()["sizes"]
        found, at = [], 0
        for size in sizes:
            found.append(whole[at : at + size])
            at += size
        return found

    def _known(self) -> Any:
        return json.loads((self.folder / "known.json").read_text())


@contextmanager
def mail_sink(folder: Path, certificate: Path) -> Iterator[MailSink]:
    """Run the server in a process of its own while the block runs."""
    folder.mkdir(parents=True, exist_ok=True)
    with in_a_process(__file__, str(folder), str(certificate)) as port:
        yield MailSink(folder, int(port))


class _Book:
    def __init__(self) -> None:
        self.sessions = 0
        self.accepted: list[tuple[str, bytes]] = []


async def _talk(book: _Book, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    to: list[str] = []
    writer.write(b"220 sink\r\n")
    while line := await reader.readline():
        word = line[:4].upper().strip()
        if word == b"EHLO":
            book.sessions += 1
            writer.write(b"250-sink\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 PIPELINING\r\n")
        elif word == b"DATA":
            writer.write(b"354 go on\r\n")
            message = await reader.readuntil(b"\r\n.\r\n")
            book.accepted += [(recipient, message) for recipient in to]
            writer.write(b"250 taken\r\n")
        elif word == b"QUIT":
            writer.write(b"221 bye\r\n")
            break
        else:
            if word == b"MAIL":
                to = []
            elif word == b"RCPT":
                to.append(line.partition(b"<")[2].partition(b">")[0].decode())
            writer.write(b"250 fine\r\n")
    await writer.drain()
    writer.close()


async def _serve(folder: Path, certificate: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    book = _Book()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _talk(book, reader, writer)

    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context, limit=_MOST)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    (folder / "messages").write_bytes(b"".join(message for _, message in book.accepted))
    known = {
        "sessions": book.sessions,
        "recipients": [recipient for recipient, _ in book.accepted],
        "sizes": [len(message) for _, message in book.accepted],
    }
    (folder / "known.json").write_text(json.dumps(known))


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), sys.argv[2]))

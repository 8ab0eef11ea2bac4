"""The parts of bench/mail.py that are measured in a process of their own, CPU and wall in seconds.

python bench/mail_ways.py send FOLDER PORT AUTHORITY    what a sink wrote into a folder, again
python bench/mail_ways.py render NUMBER                 so many messages, of ten servers each
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

_ROWS = 10


def send(folder: str, port: str, authority: str) -> None:
    """Hand in the same bytes in one session over TLS, with nothing around it."""
    import smtplib
    import socket
    import ssl

    from mail_sink import MailSink

    sink = MailSink(Path(folder), 0)
    context = ssl.create_default_context(cafile=authority)
    with smtplib.SMTP_SSL("localhost", int(port), context=context) as smtp:
        # Else it waits for the end of each message to be acknowledged, and wall time says nothing.
        smtp.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        smtp.ehlo()
        for recipient, message in zip(sink.recipients, sink.messages, strict=True):
            smtp.mail("cloud@example.org")
            smtp.rcpt(recipient)
            smtp.docmd("DATA")
            smtp.send(message)
            code, said = smtp.getreply()
            if code != 250:
                raise SystemExit(f"{code} {said!r}")


def render(number: str) -> None:
    """Write messages from their variables to the bytes that go out; each is another one."""
    from accounts.config import load
    from accounts.smtp import SmtpAccount
    from campaigns.composition import Writer

    account = {"name": "bench", "host": "localhost", "sender": "Cloud <cloud@example.org>"}
    smtp = SmtpAccount.from_config(load({"smtp_accounts": [account]}), None)
    writer = Writer(smtp, "shutoff_servers", "bench", {"common": {"older_than": "30 days"}})
    for place in range(int(number)):
        content: dict[str, Any] = {"recipient": f"user{place}", "servers": _servers(place)}
        writer.prepare(f"user{place}@example.org", content)


def _servers(place: int) -> list[dict[str, Any]]:
    return [
        {
            "name": f"web-{place:04}-{row:02}",
            "id": f"00000000-0000-4000-8000-{place:06}{row:06}",
            "project": f"project-{place % 200}",
            "since": f"2026-0{row % 9 + 1}-11T03:04:05Z",
        }
        for row in range(_ROWS)
    ]


WAYS: dict[str, Callable[..., None]] = {"send": send, "render": render}

if __name__ == "__main__":
    _way, *_arguments = sys.argv[1:]
    _began = time.monotonic()
    WAYS[_way](*_arguments)
    print(json.dumps({"cpu": time.process_time(), "wall": time.monotonic() - _began}))

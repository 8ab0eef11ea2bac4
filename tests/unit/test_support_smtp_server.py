"""The SMTP server for tests in a process of its own: its counts outlive any client."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from email_api.transport import Mailer
from support.certificates import Authority
from support.mailing import USERS, account_of, message, nothing
from support.smtp_server import Fault, Options, SmtpProcess

TESTS = Path(__file__).parents[1]
#: A client that dies by its own hand before the end of its second message, or after it.
CLIENT = """
import json, os, signal, sys
from accounts.config import load
from accounts.smtp import SmtpAccount
from email_api.transport import Mailer
from support.mailing import message
def die():
    os.kill(os.getpid(), signal.SIGKILL)
entry, before = json.loads(sys.argv[1]), sys.argv[2] == "before"
with Mailer(SmtpAccount.from_config(load({"smtp_accounts": [entry]}), None)) as mailer:
    mailer.deliver(message("ann@example.org"), lambda: None)
    mailer.deliver(message("bob@example.org"), die if before else lambda: None)
    die()
"""


@pytest.mark.long
@pytest.mark.parametrize("when", ["before", "after"])
def test_counts_outlive_a_client_that_is_killed(when: str, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate = str(authority.issue())
    options = Options(
        security="starttls",
        certificate=certificate,
        users=USERS,
        faults=[Fault("rcpt", wait=0.01)],
    )
    with SmtpProcess(tmp_path / "server", options) as server:
        entry = server.account(cacert=str(authority.file))
        environ = {**os.environ, "PYTHONPATH": f"{TESTS}:{TESTS.parent / 'lib'}"}
        client = subprocess.run(
            [sys.executable, "-c", CLIENT, json.dumps(entry), when], env=environ, timeout=60
        )
        assert client.returncode == -signal.SIGKILL
        got = [(mail.message_id, mail.recipient) for mail in server.accepted]
        ann, bob = message("ann@example.org"), message("bob@example.org")
        expected = [(ann.message_id, "ann@example.org"), (bob.message_id, "bob@example.org")]
        assert got == expected[: 1 if when == "before" else 2]
        # It takes the next one as if nothing had happened.
        with Mailer(account_of(server, cacert=str(authority.file))) as mailer:
            assert mailer.deliver(bob, nothing).kind == "sent"
        assert server.accepted[-1].recipient == "bob@example.org"
        assert server.connections == 2

"""What tests of mail share; a file that needs another server or house has its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.sample_mail import MailHouse, mail_house
from support.smtp_server import SmtpServer


@pytest.fixture
def server() -> Iterator[SmtpServer]:
    """A mail server without TLS that does all it is told."""
    with SmtpServer() as made:
        yield made


@pytest.fixture
def house(server: SmtpServer) -> Iterator[MailHouse]:
    """A state store and a configuration with that mail server as its account."""
    with mail_house(server) as made:
        yield made

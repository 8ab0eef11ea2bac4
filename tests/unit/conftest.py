"""What tests of mail share, and tests of steps; a file that needs another one has its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.fake_cloud_runs import Clock, FakeAttempt
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


@pytest.fixture
def clock() -> Clock:
    """A clock that moves only when a step waits."""
    return Clock()


@pytest.fixture
def attempt(clock: Clock) -> FakeAttempt:
    """What a step sees of the engine, by that clock."""
    return FakeAttempt(wait=clock.wait)

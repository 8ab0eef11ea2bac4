"""Zones to sit in, and the moments just before their clocks are changed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

ZONES = ["Europe/Berlin", "America/St_Johns", "Pacific/Chatham"]
#: Instants just before the clocks of each zone are put forward and back, in 2026, in UTC.
CHANGES = [
    ("Europe/Berlin", "2026-03-29T00:30"),
    ("Europe/Berlin", "2026-10-25T00:30"),
    ("America/St_Johns", "2026-03-08T05:00"),
    ("America/St_Johns", "2026-11-01T04:00"),
    ("Pacific/Chatham", "2026-09-26T13:30"),
    ("Pacific/Chatham", "2026-04-04T13:30"),
]


@contextmanager
def sitting_in(zone: str) -> Iterator[None]:
    """Sit in a zone, as a process does by TZ."""
    with mock.patch.dict(os.environ, TZ=zone):
        time.tzset()
        yield
    time.tzset()

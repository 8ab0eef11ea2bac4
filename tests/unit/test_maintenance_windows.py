"""Windows of maintenance: when they are open, in their zone, also where its clocks are changed."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from maintenance.windows import Window
from workflow_api import UserError

UTC = timezone.utc


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("window", "now", "opens"),
    [
        ("22:00-06:00", "2026-12-01 23:00", "2026-12-01 23:00"),
        ("22:00-06:00", "2026-12-01 05:59", "2026-12-01 05:59"),
        ("22:00-06:00", "2026-12-01 06:00", "2026-12-01 22:00"),
        ("Mon-Fri 22:00-06:00", "2026-12-05 03:00", "2026-12-05 03:00"),
        ("Mon-Fri 22:00-06:00", "2026-12-05 07:00", "2026-12-07 22:00"),
        ("sat,sun 08:00-18:00", "2026-12-01 12:00", "2026-12-05 08:00"),
        ("Fri-Mon 08:00-18:00", "2026-12-01 12:00", "2026-12-04 08:00"),
        ("Sun 08:00-18:00", "2026-12-06 18:00", "2026-12-13 08:00"),
        ("09:00-10:00 Asia/Tokyo", "2026-12-01 00:30", "2026-12-01 00:30"),
        ("01:00-05:00 Europe/Berlin", "2026-07-01 00:00", "2026-07-01 00:00"),
        ("01:00-05:00 Europe/Berlin", "2026-07-01 04:00", "2026-07-01 23:00"),
        ("00:00-24:00", "2026-12-01 12:00", "2026-12-01 12:00"),
    ],
)
def test_when_it_opens(window: str, now: str, opens: str) -> None:
    assert Window.parse(window).opens_at(at(now)) == at(opens)


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-28", 7), ("2026-10-24", 9), ("2026-06-01", 8)]
)
def test_a_night_of_changed_clocks_has_another_length(day: str, hours: int) -> None:
    window = Window.parse("22:00-06:00 Europe/Berlin")
    opens = window.opens_at(at(f"{day} 12:00"))
    closes = window.closes_at(opens)
    assert closes is not None
    assert closes - opens == timedelta(hours=hours)
    assert window.closes_at(closes) is None


@pytest.mark.parametrize(
    "text", ["", "22-06", "25:00-26:00", "22:60-23:00", "someday 10:00-11:00", "10:00-11:00 Mars/X"]
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(UserError, match="is no window: write it like"):
        Window.parse(text)

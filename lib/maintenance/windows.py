"""Windows in which a site lets hosts be worked on, as `Mon-Fri 22:00-06:00 Europe/Berlin`."""

from __future__ import annotations

import datetime
import re
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from workflow_api import UserError, clean

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FORM = re.compile(
    r"\s*(?:(?P<days>[a-z,\s-]+?)\s+)?(?P<h1>\d\d?):(?P<m1>\d\d)\s*-\s*(?P<h2>\d\d?):(?P<m2>\d\d)"
    r"(?:\s+(?P<zone>\S+))?\s*",
    re.IGNORECASE,
)
_HOW = "write it like Mon-Fri 22:00-06:00 Europe/Berlin; without a zone it is UTC"
_UTC = datetime.timezone.utc
_A_DAY = datetime.timedelta(days=1)
# A window of some weekday opens at the latest on the same day of the next week.
_AHEAD = 8


class Window(msgspec.Struct, frozen=True):
    """On which days it opens (Monday is 0), when it opens and closes, and in which zone.

    One that closes before it opens goes on until the next day.
    """

    days: frozenset[int]
    opens: datetime.time
    closes: datetime.time
    zone: str = "UTC"

    @classmethod
    def parse(cls, text: str) -> Window:
        """Read a window; raises UserError with the form that is understood."""
        found = _FORM.fullmatch(text)
        try:
            if found is None:
                raise ValueError
            opens = datetime.time(int(found["h1"]), int(found["m1"]))
            closes = datetime.time(int(found["h2"]) % 24, int(found["m2"]))
            days = _days(found["days"] or "mon-sun")
            zone = found["zone"] or "UTC"
            ZoneInfo(zone)
        except (ValueError, ZoneInfoNotFoundError, OSError):
            raise UserError(f"{clean(text)!r:.80} is no window: {_HOW}.") from None
        return cls(days, opens, closes, zone)

    def closes_at(self, now: datetime.datetime) -> datetime.datetime | None:
        """Return when the window closes that is open now, in UTC; None if none is."""
        for opens, closes in self._around(now):
            if opens <= now < closes:
                return closes
        return None

    def opens_at(self, now: datetime.datetime) -> datetime.datetime:
        """Return when a window opens next, in UTC; now if one is open."""
        if self.closes_at(now) is not None:
            return now
        return min(opens for opens, _ in self._around(now) if opens > now)

    def _around(self, now: datetime.datetime) -> list[tuple[datetime.datetime, datetime.datetime]]:
        """Return the windows of the days around a moment, in UTC, where each has its own length."""
        zone = ZoneInfo(self.zone)
        today, found = now.astimezone(zone).date(), []
        for ahead in range(-1, _AHEAD + 1):
            day = today + ahead * _A_DAY
            if day.weekday() not in self.days:
                continue
            last = day if self.closes > self.opens else day + _A_DAY
            opens = datetime.datetime.combine(day, self.opens, zone).astimezone(_UTC)
            closes = datetime.datetime.combine(last, self.closes, zone).astimezone(_UTC)
            found.append((opens, closes))
        return found


def _days(text: str) -> frozenset[int]:
    """Return the days of ``mon-fri, sun``; raises ValueError."""
    found: set[int] = set()
    for part in re.split(r"[,\s]+", text.strip().lower()):
        first, _, last = part.partition("-")
        begin, end = _DAYS.index(first[:3]), _DAYS.index((last or first)[:3])
        length = (end - begin) % 7
        found |= {(begin + offset) % 7 for offset in range(length + 1)}
    return frozenset(found)

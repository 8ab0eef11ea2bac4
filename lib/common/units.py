"""Sizes, lengths of time and moments as a person reads them; programs get them as they are."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable
from typing import Any

from common.duration import humanize

_SIZES = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
# An ISO time; without a zone it is in UTC, as all of OpenStack's are.
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)(?:\.\d+)?(?:Z|([+-]\d\d):?(\d\d))?", re.ASCII
)
_AGES = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


def size(number: float, power: int) -> str:
    """Return a size in the unit that suits it, to three digits: ``8 GiB``, ``1.25 TiB``.

    ``number`` is in units of 1024 to the ``power`` bytes: 0 for bytes, 2 for MiB, 3 for GiB.
    """
    rest = abs(number)
    while rest >= 1024 and power + 1 < len(_SIZES):
        rest, power = rest / 1024, power + 1
    while 0 < rest < 1 and power:
        rest, power = rest * 1024, power - 1
    shown = _digits(rest)
    if shown == "1024" and power + 1 < len(_SIZES):  # only after it was rounded
        shown, power = "1", power + 1
    return f"{'-' * (number < 0)}{shown} {_SIZES[power]}"


def _digits(number: float) -> str:
    if number % 1 == 0:
        return f"{number:.0f}"
    text = f"{number:.{2 if number < 10 else 1 if number < 100 else 0}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def length(seconds: float) -> str:
    """Return a length of time in at most two units, ``2d4h``; it may be negative."""
    return "-" * (seconds < 0) + humanize(abs(seconds))


def age(then: datetime.datetime, now: datetime.datetime) -> str:
    """Return how long ago ``then`` was, in whole units: ``34d``, ``5h``; or ``in 2d``."""
    past = now - then
    left = abs(past)
    seconds = left.days * 86400 + left.seconds
    for unit, many in _AGES:
        if seconds >= many:
            return f"{'in ' * (then > now)}{seconds // many}{unit}"
    return "0s"


def moment(text: str, now: datetime.datetime) -> str | None:
    """Return an ISO time in UTC with its age, ``2026-10-18 03:04 (34d)``; None if it is none.

    ``now`` is in UTC, without a zone.
    """
    try:
        if len(text) == 20 and text[10] == "T" and text[19] == "Z":  # nearly all are like this
            then = datetime.datetime.fromisoformat(text[:19])
            return f"{text[:10]} {text[11:16]} ({age(then, now)})"
        if not (found := _TIME.fullmatch(text)):
            return None
        day, clock, hours, minutes = found.groups()
        then = datetime.datetime.fromisoformat(f"{day}T{clock}")
        if hours:
            east = int(hours) * 60 + int(hours[0] + minutes)
            then -= datetime.timedelta(minutes=east)
        # strftime's year has no leading zeros on every system.
        return f"{then.isoformat(' ')[:16]} ({age(then, now)})"
    except (ValueError, OverflowError):  # the 31st of June; the year 0
        return None


def _number(show: Callable[[float], str]) -> Callable[[Any], str | None]:
    def shown(value: Any) -> str | None:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None
        try:
            return show(value) if math.isfinite(value) else None
        except OverflowError:  # an integer that no float holds
            return None

    return shown


def humaniser(unit: str, now: datetime.datetime | None) -> Callable[[Any], str | None]:
    """Return what shows a value in ``unit``, or answers None for what is no such value.

    ``unit`` is ``MiB``, ``GiB``, ``bytes``, ``seconds`` or ``time``. ``now``, with its zone, is
    what ages are counted from; None means that it is now.
    """
    if unit != "time":
        return _number(_NUMBERS[unit])
    since = (now or datetime.datetime.now(datetime.timezone.utc)).astimezone(datetime.timezone.utc)
    since = since.replace(tzinfo=None)
    return lambda value: moment(value, since) if isinstance(value, str) else None


_NUMBERS: dict[str, Callable[[float], str]] = {
    "bytes": lambda number: size(number, 0),
    "MiB": lambda number: size(number, 2),
    "GiB": lambda number: size(number, 3),
    "seconds": length,
}

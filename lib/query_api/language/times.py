"""Times of all services in one form: UTC texts that sort as the instants do.

Nova and Glance say ``2026-01-02T03:04:05Z``, Cinder ``2026-01-02T03:04:05.000000`` without a zone
(it means UTC), Keystone has microseconds and a zone. Here each is ``2026-01-02T03:04:05Z``, with
a fraction only if it is not zero. Without the last letter such texts compare as the instants do,
so nothing has to be parsed to compare them.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta, timezone

from common.duration import Duration

_PLAIN = len("2026-01-02T03:04:05Z")
_DAY = len("2026-01-02")


def normal(text: str) -> str:
    """Return a service's or an operator's ISO 8601 time in our form.

    A time without a zone is UTC, a date is its midnight. Raises ValueError if it is no time.

    >>> normal("2026-01-02T03:04:05.120000"), normal("2026-01-02T12:04:05+09:00")
    ('2026-01-02T03:04:05.12Z', '2026-01-02T03:04:05Z')
    """
    # Python 3.10 reads neither a Z nor fractions of other lengths than 3 and 6.
    whole = text.strip().replace(" ", "T", 1)
    if whole[-1:] in ("Z", "z"):
        whole = whole[:-1] + "+00:00"
    head, dot, rest = whole.partition(".")
    if dot:
        digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
        whole = f"{head}.{digits[:6]:0<6}{rest[len(digits):]}"
    if len(whole) > _DAY + 1 and whole.isascii() and whole[10] != "T":
        raise ValueError(f"{text!r} is not a time like 2026-01-02T03:04:05Z")
    try:
        read = datetime.fromisoformat(whole)
        return _written(read if read.tzinfo else read.replace(tzinfo=timezone.utc))
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is not a time like 2026-01-02T03:04:05Z") from None


def column(values: Iterable[str | None]) -> list[str | None]:
    """Return a column of times in our form; a missing one, and an empty one, stays missing."""
    return [
        (
            value
            if value is None or (len(value) == _PLAIN and value[-1] == "Z" and value[_DAY] == "T")
            else normal(value) if value else None
        )
        for value in values
    ]


def cutoff(given: object, now: datetime) -> str:
    """Return the moment that ``older_than`` and ``younger_than`` mean, ready to be compared.

    ``given`` is an absolute time, or a duration before ``now``. Raises ValueError.
    """
    if isinstance(given, date):
        return sortable(normal(given.isoformat()))
    if not isinstance(given, str):
        raise ValueError(f"{given!r} is neither a duration like 30d nor a time")
    if len(given) >= _DAY and given[4:5] == "-":
        return sortable(normal(given))
    try:
        seconds = float(Duration.parse(given))
    except ValueError:
        raise ValueError(
            f"{given!r} is neither a duration like 30d or 1h30m nor a time like 2026-01-02"
        ) from None
    try:
        return sortable(_written(now - timedelta(seconds=seconds)))
    except OverflowError:
        raise ValueError(f"{given!r} ago there was no calendar") from None


def sortable(time: str) -> str:
    """Return a sort key for a normalised time."""
    return time[:-1]


def _written(moment: datetime) -> str:
    utc = moment.astimezone(timezone.utc)
    fraction = f"{utc.microsecond:06}".rstrip("0")
    return (
        f"{utc:%Y-%m-%dT%H:%M:%S}".rjust(_PLAIN - 1, "0")
        + (f".{fraction}" if fraction else "")
        + "Z"
    )

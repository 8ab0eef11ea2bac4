"""Durations and ends as people write them: ``90m``, ``1.5d``, ``PT90M``, a time with its zone."""

from __future__ import annotations

import datetime
import re

_SECONDS = {"w": 604800.0, "d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])", re.IGNORECASE | re.ASCII)
_WHOLE = re.compile(rf"\s*(?:{_PART.pattern}\s*)+", re.IGNORECASE | re.ASCII)
# ISO 8601, with a point or a comma. A day has 24 hours; months and years have no fixed length.
_NUMBER = r"(\d+(?:[.,]\d+)?)"
_ISO = re.compile(
    rf"\s*P(?=[\dT])(?:{_NUMBER}W)?(?:{_NUMBER}D)?"
    rf"(?:T(?=\d)(?:{_NUMBER}H)?(?:{_NUMBER}M)?(?:{_NUMBER}S)?)?\s*",
    re.IGNORECASE | re.ASCII,
)
_CALENDAR = re.compile(r"\s*P[^T]*[YM]", re.IGNORECASE | re.ASCII)
# Ten thousand weeks: whoever asks for more has mistyped.
_LONGEST = 10_000 * _SECONDS["w"]
# A day, a time, and behind them where it is that time: Z, an offset, or the name of a zone.
# Fractions of a second, which web pages write, are left out.
_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)(?:\.\d+)?\s*(.*)", re.IGNORECASE | re.ASCII
)
_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)?", re.ASCII)


class Duration(float):
    """A length of time in seconds, made from ``"1h30m"`` and shown again in that form.

    >>> Duration.parse("90m"), Duration.parse("PT1.5H")
    (Duration('1h30m'), Duration('1h30m'))
    """

    @classmethod
    def parse(cls, text: str | int | float) -> Duration:
        """Read a duration; a bare number is refused, because its unit would be a guess.

        Raises ValueError with the forms that are understood.
        """
        if isinstance(text, Duration):
            return text
        seconds = _seconds(text) if isinstance(text, str) else None
        if seconds is None:
            if isinstance(text, str) and _CALENDAR.match(text):
                raise ValueError(
                    f"{text!r:.80} has months or years, which are not always as long: use days"
                )
            raise ValueError(
                f"{text!r:.80} is not a duration: write it like 90s, 90m, 1h30m, 1.5d or PT90M"
            )
        if seconds > _LONGEST:
            raise ValueError(f"{text!r:.80} is longer than ten thousand weeks")
        return cls(seconds)

    def __str__(self) -> str:
        """Return it exactly: what is stored in this form is read back as the same length."""
        parts, left = [], float(self)
        for unit in "wdhm":
            many, left = divmod(left, _SECONDS[unit])
            if many:
                parts.append(f"{many:.0f}{unit}")
        if left or not parts:
            parts.append(f"{round(left, 6):f}".rstrip("0").rstrip(".") + "s")
        return "".join(parts)

    def __repr__(self) -> str:
        return f"Duration({str(self)!r})"


def _seconds(text: str) -> float | None:
    if _WHOLE.fullmatch(text):
        return sum(float(number) * _SECONDS[unit.lower()] for number, unit in _PART.findall(text))
    if found := _ISO.fullmatch(text):
        parts = zip(found.groups(), _SECONDS.values(), strict=True)
        return sum(float(number.replace(",", ".")) * many for number, many in parts if number)
    return None


class End(str):
    """When something ends: after a duration, or at a moment. It is a text that can be stored.

    >>> End.parse("PT90M"), End.parse("2026-03-29 03:30 Europe/Berlin")
    ('1h30m', '2026-03-29T01:30:00Z')
    """

    @classmethod
    def parse(cls, text: str) -> End:
        """Read a duration as :class:`Duration` does, or a day and a time with its zone.

        The zone is ``Z``, an offset as ``+01:00``, or a name as ``Europe/Berlin``. Raises
        ValueError with the forms that are understood, also for a time that a zone has twice or
        never, when its clocks are changed.
        """
        if isinstance(text, str) and (found := _MOMENT.fullmatch(text.strip())):
            return cls(f"{_moment(*found.groups()):%Y-%m-%dT%H:%M:%SZ}".rjust(20, "0"))
        try:
            length = Duration.parse(text)
        except ValueError as error:
            raise ValueError(
                f"{error}; or as a time with its zone, like 2026-03-29T06:00+02:00"
            ) from None
        if length <= 0:
            raise ValueError("it must be longer than nothing")
        return cls(str(length))

    @property
    def length(self) -> Duration | None:
        """The duration; None if it ends at a moment."""
        return None if self[4:5] == "-" else Duration.parse(self)

    def after(self, begin: datetime.datetime) -> datetime.datetime:
        """Return the end, in UTC, of what begins at ``begin``, which has its zone.

        Raises OverflowError where there is no calendar any more.
        """
        if (length := self.length) is None:
            return datetime.datetime.fromisoformat(f"{self[:19]}+00:00")
        # In UTC, where no hour is left out or comes twice.
        return begin.astimezone(datetime.timezone.utc) + datetime.timedelta(seconds=length)

    @property
    def sentence(self) -> str:
        """The end in a sentence: ``for 1h30m``, ``until 2026-03-29 01:30 UTC``."""
        if (length := self.length) is None:
            return f"until {self[:10]} {self[11:16]}{self[16:19].removesuffix(':00')} UTC"
        return f"for {length}"


def _moment(day: str, clock: str, zone: str) -> datetime.datetime:
    """Return a moment in UTC; raises ValueError."""
    written = f"{day} {clock}"
    if not zone:
        raise ValueError(
            f"{written} has no zone: write {day}T{clock}Z for UTC, {day}T{clock}+02:00, or "
            f"{written} Europe/Berlin"
        )
    try:
        local = datetime.datetime.fromisoformat(written)
    except ValueError:
        raise ValueError(f"{written} is in no calendar") from None
    utc = datetime.timezone.utc
    try:
        if zone.upper() in ("Z", "UTC"):
            return local.replace(tzinfo=utc)
        if offset := _OFFSET.fullmatch(zone):
            sign, hours, minutes = offset.groups()
            east = datetime.timedelta(hours=int(hours), minutes=int(minutes or 0))
            fixed = datetime.timezone(east if sign == "+" else -east)
            return local.replace(tzinfo=fixed).astimezone(utc)
        return _in_zone(local, zone).astimezone(utc)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{written} {zone:.80}: {error}") from None


def _in_zone(local: datetime.datetime, name: str) -> datetime.datetime:
    """Return a time in a zone of a name; raises ValueError where it is none, or two."""
    import zoneinfo

    try:
        zone = zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("this machine knows no such zone") from None
    first, second = (local.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if first.utcoffset() == second.utcoffset():
        return first
    utc = datetime.timezone.utc
    if first.astimezone(utc).astimezone(zone).replace(tzinfo=None) != local:
        raise ValueError("the clocks there are put forward past this time")
    raise ValueError(
        f"the clocks there show this time twice: write {first.isoformat()} or {second.isoformat()}"
    )


def humanize(seconds: float) -> str:
    """Return a length of time in at most two units: ``3.4s``, ``12m30s``, ``2d4h``."""
    if seconds < 59.95:
        return f"{seconds:.1f}".removesuffix(".0") + "s"
    whole, parts = round(seconds), []
    for unit, size in _SECONDS.items():
        many, whole = divmod(whole, int(size))
        if many:
            parts.append(f"{many}{unit}")
    return "".join(parts[:2])


def decoded(kind: type, value: str) -> Duration | End:
    """Read a value of a type that msgspec does not know: a Duration or an End."""
    if kind is Duration:
        return Duration.parse(value)
    if kind is End:
        return End.parse(value)
    # What msgspec's documentation asks of such a hook for a type that is not its own.
    raise NotImplementedError(kind)

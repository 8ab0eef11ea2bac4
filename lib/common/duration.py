"""Durations as operators write them: ``90s``, ``90m``, ``1h30m``, ``1.5d``, ``2w``."""

from __future__ import annotations

import re

_SECONDS = {"w": 604800.0, "d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])", re.IGNORECASE)
_WHOLE = re.compile(rf"\s*(?:{_PART.pattern}\s*)+", re.IGNORECASE)
# Ten thousand weeks: whoever asks for more has mistyped.
_LONGEST = 10_000 * _SECONDS["w"]


class Duration(float):
    """A length of time in seconds, made from ``"1h30m"`` and shown again in that form.

    >>> Duration.parse("90m")
    Duration('1h30m')
    """

    @classmethod
    def parse(cls, text: str | int | float) -> Duration:
        """Read a duration; a bare number is refused, because its unit would be a guess.

        Raises ValueError with the forms that are understood.
        """
        if isinstance(text, Duration):
            return text
        if not isinstance(text, str) or not _WHOLE.fullmatch(text):
            raise ValueError(
                f"{text!r:.80} is not a duration: write it like 90s, 90m, 1h30m or 1.5d"
            )
        parts = _PART.findall(text)
        seconds = sum(float(number) * _SECONDS[unit.lower()] for number, unit in parts)
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


def decoded(kind: type, value: str) -> Duration:
    """Read a value of a type that msgspec does not know; its only one here is Duration."""
    if kind is Duration:
        return Duration.parse(value)
    # What msgspec's documentation asks of such a hook for a type that is not its own.
    raise NotImplementedError(kind)

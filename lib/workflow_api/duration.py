"""Durations as operators write them: ``90s``, ``90m``, ``1h30m``, ``1.5d``, ``2w``."""

from __future__ import annotations

import re

_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])", re.IGNORECASE)
_WHOLE = re.compile(rf"\s*(?:{_PART.pattern}\s*)+", re.IGNORECASE)


class Duration(float):
    """A length of time in seconds, made from ``"1h30m"`` and shown again in that form."""

    @classmethod
    def parse(cls, text: str | int | float) -> Duration:
        """Read a duration; a bare number is refused, because its unit would be a guess.

        Raises ValueError with the forms that are understood.
        """
        if isinstance(text, str) and _WHOLE.fullmatch(text):
            parts = _PART.findall(text)
            return cls(sum(float(number) * _SECONDS[unit.lower()] for number, unit in parts))
        raise ValueError(f"{text!r} is not a duration: write it like 90s, 90m, 1h30m or 1.5d")

    def __str__(self) -> str:
        return humanize(float(self))

    def __repr__(self) -> str:
        return f"Duration({str(self)!r})"


def humanize(seconds: float) -> str:
    """Return a length of time in at most two units: ``3.4s``, ``12m30s``, ``2d4h``."""
    if seconds < 60:
        return f"{seconds:.1f}".rstrip("0").rstrip(".") + "s"
    whole, parts = round(seconds), []
    for unit in ("w", "d", "h", "m", "s"):
        size = int(_SECONDS[unit])
        if whole >= size:
            parts.append(f"{whole // size}{unit}")
            whole %= size
    return "".join(parts[:2])

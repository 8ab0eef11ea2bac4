"""Reasons that people give for what they do, and others read later."""

from __future__ import annotations

from common.errors import UserError
from common.text import clean

_LONGEST = 255  # Nova's column, and ours


def checked_reason(reason: str) -> str:
    """Return a reason as it is kept; raises UserError if it is empty or too long."""
    text = clean(reason).strip()
    if not 1 <= len(text) <= _LONGEST:
        raise UserError(f"reason must have 1 to {_LONGEST} characters, not {len(text)}.")
    return text


def shortened_reason(reason: str) -> str:
    """Return a reason that nobody has typed, cut to the length that is kept."""
    text = clean(reason).strip()
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."

"""State tables: which state a thing is in, by signs; of any signs exactly one row holds."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

#: Each state with the signs that it is told by; a sign that is not named may be anything.
Table = tuple[tuple[str, Mapping[str, str]], ...]


def rows_for(table: Table, signs: msgspec.Struct) -> list[str]:
    """Return the states of all rows of a table that hold: it is one."""
    return [
        state
        for state, wanted in table
        if all(getattr(signs, sign) in words.split() for sign, words in wanted.items())
    ]


def state_of(table: Table, signs: msgspec.Struct) -> str:
    """Return the state that signs tell of."""
    (state,) = rows_for(table, signs)
    return state

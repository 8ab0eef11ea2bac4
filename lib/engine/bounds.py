"""The bounds of parameters, as their types say them: what is refused in words before it is read."""

from __future__ import annotations

import re
import types
from collections.abc import Iterator
from typing import Annotated, Any, Union, get_args, get_origin

from msgspec import Meta

from common.text import clean, count


def bare(kind: Any) -> Any:
    """Return a type without what it is annotated with, and without None beside it.

    >>> bare(Annotated[int, Meta(ge=1)] | None)
    <class 'int'>
    """
    if get_origin(kind) is Annotated:
        return bare(get_args(kind)[0])
    return bare(given[0]) if (given := _beside_none(kind)) else kind


def out_of_bounds(kind: Any, value: Any) -> str:
    """Return what is wrong with a value by the bounds of its type; nothing if it keeps them.

    A value of another type has no bounds to keep: that it is one is told when it is read.

    >>> out_of_bounds(Annotated[int, Meta(ge=1, le=9)] | None, 10)
    'is from 1 to 9, not 10'
    >>> out_of_bounds(Annotated[int, Meta(ge=1)], 1)
    ''
    """
    for meta in _metas(kind):
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            said = _of_number(meta, value)
        elif isinstance(value, (str, list)):
            said = _of_length(meta, value)
        else:
            said = ""
        if said:
            return said
    return ""


def _of_number(meta: Meta, value: float) -> str:
    if (meta.ge is None or value >= meta.ge) and (meta.le is None or value <= meta.le):
        return ""
    if meta.le is None:
        return f"is at least {meta.ge}, not {value}"
    if meta.ge is None:
        return f"is at most {meta.le}, not {value}"
    return f"is from {meta.ge} to {meta.le}, not {value}"


def _of_length(meta: Meta, value: str | list[Any]) -> str:
    what = ("letter", "letters") if isinstance(value, str) else ("entry", "entries")
    if meta.min_length is not None and len(value) < meta.min_length:
        return f"has at least {count(meta.min_length, *what)}, not {len(value)}"
    if meta.max_length is not None and len(value) > meta.max_length:
        return f"has at most {count(meta.max_length, *what)}, not {len(value)}"
    if meta.pattern is not None and isinstance(value, str) and not re.search(meta.pattern, value):
        return f"is of the form {meta.pattern}, and {clean(value)!r:.80} is not"
    return ""


def _metas(kind: Any) -> Iterator[Meta]:
    if get_origin(kind) is Annotated:
        inner, *notes = get_args(kind)
        yield from (note for note in notes if isinstance(note, Meta))
        yield from _metas(inner)
    elif given := _beside_none(kind):
        yield from _metas(given[0])


def _beside_none(kind: Any) -> list[Any]:
    """Return the type beside which None is allowed, alone in a list; nothing for any other."""
    if get_origin(kind) not in (Union, types.UnionType):
        return []
    given = [one for one in get_args(kind) if one is not types.NoneType]
    return given if len(given) == 1 else []

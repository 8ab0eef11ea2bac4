"""References to what earlier steps will return, and data in the form in which it is stored."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from common.duration import Duration
from common.text import clean

RESULT = "$result"
# Data from a cloud that looks like a reference is stored under this, and is never taken for one.
LITERAL = "$literal"


class Ref:
    """A place in what an earlier step will return, as ``network["id"]``.

    While planning there is no value yet: it can only be handed to a later step.
    """

    def __init__(self, key: str, path: tuple[str | int, ...] = ()) -> None:
        self._key, self._path = key, path

    def __getitem__(self, name: str | int) -> Ref:
        return Ref(self._key, (*self._path, name))

    @property
    def key(self) -> str:
        """The key of the step whose result is meant."""
        return self._key

    @property
    def shown(self) -> str:
        """What stands in a plan's sentence in place of the value to come."""
        return f"<{'.'.join((self._key, *map(str, self._path)))}>"

    def as_data(self) -> dict[str, Any]:
        """Return the stored form of the reference."""
        return {RESULT: [self._key, *self._path]}

    def _no_value_yet(self, *_: object) -> NoReturn:
        raise TypeError(
            f"{self.shown} is known only when the plan runs: "
            "hand it to a later step instead of using it while planning"
        )

    __str__ = __format__ = __bool__ = __eq__ = __ne__ = __lt__ = __gt__ = _no_value_yet
    __le__ = __ge__ = __len__ = __iter__ = __int__ = __float__ = __hash__ = _no_value_yet
    __index__ = __contains__ = __add__ = __radd__ = _no_value_yet

    def __repr__(self) -> str:
        return f"Ref({self.shown})"


def as_plain(value: Any) -> Any:
    """Return ``value`` as plain JSON data of the very types that reading it back gives.

    Raises TypeError for anything that could not be stored and read back as it is. A Duration
    becomes its seconds.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    if isinstance(value, Mapping):
        return {_name(key): as_plain(inner) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        return [as_plain(inner) for inner in value]
    raise TypeError(f"a step's data is plain JSON, not {type(value).__name__}: {value!r:.80}")


def as_stored(value: Any) -> Any:
    """Return a planned step's data as plain JSON with references in their stored form."""
    if isinstance(value, Ref):
        return value.as_data()
    if isinstance(value, Mapping):
        data = {_name(key): as_stored(inner) for key, inner in value.items()}
        return {LITERAL: data} if set(data) in ({RESULT}, {LITERAL}) else data
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes, bytearray)):
        return [as_stored(inner) for inner in value]
    return as_plain(value)


def as_parameter(value: Any) -> Any:
    """Return a workflow's argument as an action's parameter, which is what is stored of it.

    Durations are written as operators write them, accounts by the configuration's name.
    """
    if isinstance(value, Duration):
        return str(value)
    if getattr(type(value), "account_kind", None) is not None:
        return value.name
    if isinstance(value, Ref):
        return value
    if isinstance(value, Mapping):
        return {_name(key): as_parameter(inner) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes, bytearray)):
        return [as_parameter(inner) for inner in value]
    return as_plain(value)


def resolve(value: Any, results: Mapping[str, Any]) -> Any:
    """Return stored data with each reference replaced by what its step returned.

    ``results`` maps step keys to results; raises KeyError for a step or name that is not there.
    """
    if isinstance(value, Mapping):
        if set(value) == {RESULT}:
            key, *path = value[RESULT]
            found = results[key]
            for name in path:
                found = found[name]
            return found
        if set(value) == {LITERAL}:
            value = value[LITERAL]
        return {key: resolve(inner, results) for key, inner in value.items()}
    if isinstance(value, list):
        return [resolve(inner, results) for inner in value]
    return value


def references(stored: Any) -> list[str]:
    """Return the keys of the steps whose results stored data refers to."""
    if isinstance(stored, Mapping):
        if set(stored) == {RESULT}:
            return [stored[RESULT][0]]
        inner = stored[LITERAL].values() if set(stored) == {LITERAL} else stored.values()
        return [key for part in inner for key in references(part)]
    if isinstance(stored, list):
        return [key for part in stored for key in references(part)]
    return []


def shown(value: Any) -> str:
    """Return a parameter for a sentence: cleaned, a reference by the path it stands for."""
    return value.shown if isinstance(value, Ref) else clean(value)


def _name(key: Any) -> str:
    if not isinstance(key, str):
        raise TypeError(f"the names in a step's data are strings, not {type(key).__name__}")
    return str.__str__(key)

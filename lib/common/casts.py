"""From the words of a command line to values, by the rules of ``st2 run``."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

_Caster = Callable[[str, Mapping[str, Any]], Any]
_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}


def cast(text: str, schema: Mapping[str, Any]) -> Any:
    """Return ``text`` as the value that ``schema`` (one parameter's) asks for.

    Raises ValueError whose message completes the sentence "<parameter> ...".
    """
    caster: _Caster = _CASTS.get(str(schema.get("type") or "string"), _string)
    return caster(text, schema)


def _string(text: str, schema: Mapping[str, Any]) -> str:
    return text


def _boolean(text: str, schema: Mapping[str, Any]) -> bool:
    try:
        return _BOOLEANS[text.strip().lower()]
    except KeyError:
        raise ValueError("is true or false") from None


def _integer(text: str, schema: Mapping[str, Any]) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError("must be a whole number") from None


def _number(text: str, schema: Mapping[str, Any]) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError("must be a number")
    return value


def _array(text: str, schema: Mapping[str, Any]) -> list[Any]:
    """A JSON list, or words between commas; one lone number is a list of one."""
    if not text.strip():
        return []
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if isinstance(value, list):
        return value
    items = schema.get("items")
    kind = items.get("type") if isinstance(items, dict) else None
    if kind is None and isinstance(value, int) and not isinstance(value, bool):
        return [value]
    if kind not in ("boolean", "integer", "number"):
        return [word.strip() for word in text.split(",")]
    try:
        return [cast(word.strip(), {"type": kind}) for word in text.split(",")]
    except ValueError as error:
        raise ValueError(f"is a list of which every item {error}") from None


def _object(text: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON object, or ``key=value`` pairs between commas."""
    if not text.strip():
        return {}
    if text.lstrip().startswith("{"):
        try:
            value: dict[str, Any] = json.loads(text)
        except ValueError as error:
            raise ValueError(f"is not valid JSON ({error})") from None
        return value
    pairs = [pair.partition("=") for pair in text.split(",")]
    if not all(equals and key.strip() for key, equals, _ in pairs):
        raise ValueError("is an object: write it as key=value,key=value or as JSON")
    return {key.strip(): value for key, _, value in pairs}


_CASTS: Mapping[str, _Caster] = {
    "string": _string,
    "boolean": _boolean,
    "integer": _integer,
    "number": _number,
    "array": _array,
    "object": _object,
}

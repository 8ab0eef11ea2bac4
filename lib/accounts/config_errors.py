"""What is wrong with a configuration, said by its keys; a value is never shown."""

from __future__ import annotations

import re
from ast import literal_eval
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from accounts.services import misspelt
from accounts.texts import WORDS
from common.errors import UserError
from common.text import clean

_PLACE = re.compile(r" - at (?:`key` in )?`\$\.?(.*)`$")
_PATTERN = re.compile(r"Expected `str` matching regex (.+)$")
_EXAMPLE = "Compare it with openstack_ops.yaml.example; docs/CONFIGURATION.md has every key."
_EMPTY = (
    "A key of the datastore that does not exist is read as nothing: see st2 key list --scope "
    "system."
)


def told(
    error: msgspec.ValidationError, raw: Mapping[str, Any], kind: type[msgspec.Struct]
) -> UserError:
    """Return what to say of a configuration that is not valid: all its unknown keys, if any."""
    unknown = list(_unknown(raw, msgspec.inspect.type_info(kind), ""))
    if unknown:
        return UserError(
            f"The pack's configuration has keys that are not known: {'; '.join(unknown)}.",
            advice=_EXAMPLE,
        )
    message = str(error)
    place = _PLACE.search(message)
    what = message[: place.start()] if place else message
    where = f" at {place[1]}" if place and place[1] else ""
    if found := _PATTERN.search(what):
        what = WORDS[literal_eval(found[1])]
    empty = "`null`" in message or WORDS[r"\S"] in what
    return UserError(
        f"The pack's configuration is not valid{where}: {clean(what)}.",
        advice=_EMPTY if empty else _EXAMPLE,
    )


def _unknown(value: Any, kind: Any, where: str) -> Iterator[str]:
    """Yield the keys that no type of the configuration has, each with its place and near names."""
    for inner in getattr(kind, "types", (kind,)):
        if isinstance(inner, msgspec.inspect.StructType) and isinstance(value, Mapping):
            fields = {field.encode_name: field.type for field in inner.fields}
            for key, below in value.items():
                place = f"{where}.{key}" if where else str(key)
                if key in fields:
                    yield from _unknown(below, fields[key], place)
                else:
                    near = misspelt([clean(key)], fields)
                    yield f"{clean(where)}.{near}" if where else near
        elif isinstance(inner, msgspec.inspect.DictType) and isinstance(value, Mapping):
            for name, below in value.items():
                yield from _unknown(below, inner.value_type, f"{where}.{name}")
        elif isinstance(inner, msgspec.inspect.ListType) and isinstance(value, list):
            for number, below in enumerate(value):
                yield from _unknown(below, inner.item_type, f"{where}[{number}]")

"""The schema of a trigger's payload, from the struct that it is made of."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from observers.events import Payload
from observers.observer import Observer

Given = dict[str, Any]
_KINDS = {str: "string", int: "integer", float: "number", bool: "boolean"}


def payload_schema(of: Observer) -> Given:
    """Return the schema of an observer's payload, as StackStorm wants it.

    It marks each required property itself, and knows ``null`` as one of several types.
    """
    schema = struct_schema(Payload)
    given = schema["properties"]
    given["state"] |= {"enum": list(of.states)}
    given["before"] |= {"enum": [*of.states, None]}
    about = given["facts"]["description"]
    given["facts"] = {**struct_schema(of.facts), "type": ["object", "null"], "description": about}
    return schema


def struct_schema(struct: type[msgspec.Struct]) -> Given:
    """Return the schema of a struct whose fields all have a description."""
    hints = get_type_hints(struct, include_extras=True)
    properties = {}
    for field in msgspec.structs.fields(struct):
        kind, *more = get_args(hints[field.name]) if _is_annotated(hints[field.name]) else (Any,)
        (description,) = (one.description for one in more if isinstance(one, msgspec.Meta))
        given = {"description": description, **_kind(kind)}
        if field.required:
            given["required"] = True
        properties[field.encode_name] = given
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _is_annotated(hint: Any) -> bool:
    return get_origin(hint) is Annotated


def _kind(kind: Any) -> Given:
    """Return the schema of a type. Raises TypeError for one that payloads do not have."""
    if kind is Any:
        return {}
    if kind in _KINDS:
        return {"type": _KINDS[kind]}
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return {"type": "string", "enum": list(arguments)}
    if origin in (Union, types.UnionType):
        (one,) = (argument for argument in arguments if argument is not type(None))
        inner = _kind(one)
        more = {"enum": [*inner["enum"], None]} if "enum" in inner else {}
        return {**inner, "type": [inner["type"], "null"], **more}
    if origin in (list, tuple):
        return {"type": "array", "items": _kind(arguments[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": _kind(arguments[1])}
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return struct_schema(kind)
    raise TypeError(f"no payload has a {kind}")


def keys(schema: Given, above: str = "") -> Iterator[tuple[str, Given]]:
    """Yield each key of a payload by its full name, as a rule writes it behind ``trigger.``."""
    for name, given in schema["properties"].items():
        yield f"{above}{name}", given
        if "properties" in given:
            yield from keys(given, f"{above}{name}.")

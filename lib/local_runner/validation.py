"""Checking values against an action's parameters with JSON schema, and saying what is wrong.

StackStorm's dialect is draft 4 with the ``required: true`` of draft 3.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from common.text import clean, near, shorten
from local_runner.actions import Parameter


def with_defaults(value: Any, schema: Mapping[str, Any]) -> Any:
    """Return ``value`` with the defaults of nested properties filled in."""
    items, properties = schema.get("items"), schema.get("properties")
    if isinstance(value, list) and isinstance(items, Mapping):
        return [with_defaults(inner, items) for inner in value]
    if not isinstance(value, dict) or not isinstance(properties, Mapping):
        return value
    filled = dict(value)
    for name, inner in properties.items():
        found = filled.get(name)
        found = inner.get("default") if found is None else found
        if found is not None:
            filled[name] = with_defaults(found, inner)
    return filled


def invalid(known: Mapping[str, Parameter], values: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each value that does not fit its parameter.

    A value of None stands for a parameter that was not given.
    """
    given = {name: value for name, value in values.items() if value is not None}
    schema = {
        "type": "object",
        "properties": {name: _without_required(known[name].schema) for name in given},
    }
    return list(_sentences(_errors(schema, given), known))


def _without_required(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != "required"}


def _errors(schema: Mapping[str, Any], instance: Mapping[str, Any]) -> Iterable[Any]:
    from jsonschema import Draft3Validator, Draft4Validator, validators

    dialect = validators.extend(
        Draft4Validator,
        {"properties": Draft3Validator.VALIDATORS["properties"], "required": lambda *_: ()},
    )
    return sorted(
        dialect(schema).iter_errors(instance), key=lambda error: list(map(str, error.path))
    )


def _sentences(errors: Iterable[Any], known: Mapping[str, Parameter]) -> Iterator[str]:
    for error in errors:
        name, *inside = error.absolute_path
        where = name + "".join(
            f"[{step}]" if isinstance(step, int) else f".{clean(step)}" for step in inside
        )
        secret = known[name].secret
        if error.validator == "required":  # draft 3 names the property in its message only
            yield f"{where.rpartition('.')[0] or where}: {clean(error.message)}"
            continue
        shown = "" if secret else f", not {shorten(clean(repr(error.instance)), 60)}"
        yield f"{where} {_reason(error, secret)}{shown}"


def _reason(error: Any, secret: bool) -> str:
    """Return what completes the sentence "<parameter> ..., not <value>"."""
    limit = error.validator_value
    match error.validator:
        case "enum":
            found = near(str(error.instance), map(str, limit)) if not secret else []
            meant = f" (did you mean {' or '.join(found)}?)" if found else ""
            return f"is one of {', '.join(map(str, limit))}{meant}"
        case "type":
            return f"must be {' or '.join(_kinds(limit))}"
        case "minimum":
            return f"must be at least {limit}"
        case "maximum":
            return f"must be at most {limit}"
        case "minItems":
            return f"needs at least {limit} item{'s' * (limit != 1)}"
        case "maxItems":
            return f"takes at most {limit} item{'s' * (limit != 1)}"
        case "pattern":
            return f"must match {limit}"
        case rule:
            return f"breaks its rule {rule}: {limit}"


def _kinds(limit: Any) -> list[str]:
    kinds = [limit] if isinstance(limit, str) else list(limit)
    names = {"integer": "a whole number", "number": "a number", "boolean": "true or false"}
    return [names.get(kind, f"{'an' if kind[0] in 'ao' else 'a'} {kind}") for kind in kinds]

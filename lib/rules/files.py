"""Rule files: what one says, and what of it StackStorm would not register."""

from __future__ import annotations

from ast import literal_eval
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml

from common.errors import UserError
from common.text import clean
from rules.operators import OPERATORS, SEARCH
from rules.templates import NONE, is_expression, rendered_value

FOLDER = Path(__file__).resolve().parents[2] / "rules"


class Trigger(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a rule waits for: a trigger type, and the parameters of its own trigger of that type."""

    type: str
    parameters: dict[str, Any] = {}


class Call(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a rule calls: the action's full name, and its parameters, which may be expressions."""

    ref: str
    parameters: dict[str, Any] = {}


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rule as its file has it."""

    name: str
    pack: str
    description: str
    trigger: Trigger
    action: Call
    enabled: bool = False
    criteria: dict[str, dict[str, Any]] = {}


def read_rule(path: Path) -> Rule:
    """Read a rule; raises UserError that says what is wrong with it, as StackStorm would."""
    try:
        with path.open(encoding="utf-8") as file:
            rule = msgspec.convert(yaml.safe_load(file), Rule)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise UserError(f"{path} cannot be read: {clean(error)}.") from None
    if wrong := unregistrable(rule.criteria):
        raise UserError(f"{path}: {wrong}.")
    return rule


def rules_in(folder: Path = FOLDER) -> list[Rule]:
    """Return every rule of a folder, by name. Raises UserError as :func:`read_rule`."""
    rules = (read_rule(path) for path in folder.glob("*.yaml"))
    return sorted(rules, key=lambda rule: rule.name)


def unregistrable(criteria: Mapping[str, Mapping[str, Any]]) -> str:
    """Return why StackStorm would not register these criteria, "" if it would."""
    for key, criterion in criteria.items():
        operator = criterion.get("type")
        if operator is None:
            return f"{key} has no operator: it needs a type"
        if operator not in OPERATORS and operator != SEARCH:
            return f"{key}: there is no operator {operator!r}"
        if criterion.get("pattern") is None:
            return f"{key} has no pattern, which each operator needs, whether it looks at it or not"
    return ""


def parameters(rule: Rule, payload: Any, types: Mapping[str, str]) -> dict[str, Any]:
    """Return the parameters that a rule gives its action for a trigger.

    ``types`` are the JSON types of the action's parameters. Raises UserError for an expression
    that cannot be rendered, a value that is not of its type, and for one that is an expression
    itself: StackStorm renders parameters once more before the action has them.
    """
    made = {}
    for name, given in rule.action.parameters.items():
        value = rendered_value(given, {"trigger": payload})
        try:
            made[name] = _CASTS.get(types.get(name, ""), _plain)(value)
        except (TypeError, ValueError, SyntaxError) as error:
            raise UserError(f"{rule.name}: {name}: {clean(error)}.") from None
        if is_expression(made[name]):
            raise UserError(f"{rule.name}: {name} would be an expression: {clean(made[name])}.")
    return made


def _plain(value: Any) -> Any:
    return None if value == NONE else value


def _string(value: Any) -> Any:
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return _plain(value)


def _literal(value: Any) -> Any:
    """Return what a text says as JSON, or else as Python."""
    value = _plain(value)
    if not isinstance(value, str):
        return value
    try:
        return msgspec.json.decode(value)
    except msgspec.DecodeError:
        return literal_eval(value)


def _boolean(value: Any) -> Any:
    value = _plain(value)
    return literal_eval(value.capitalize()) if isinstance(value, str) else value


def _number(kind: type[int] | type[float]) -> Any:
    # A number that is None is none for StackStorm either.
    return lambda value: None if value is None else kind(_plain(value))


_CASTS: dict[str, Any] = {
    "array": _literal,
    "object": _literal,
    "boolean": _boolean,
    "integer": _number(int),
    "number": _number(float),
    "string": _string,
}

"""Whether a rule's criteria fit the payload of a trigger, as StackStorm's rule engine decides."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from common.errors import UserError
from rules.operators import CONDITIONS, OPERATORS, SEARCH
from rules.templates import rendered_pattern

_STEP = re.compile(
    r"""\.?(?P<word>[A-Za-z_@][\w@-]*)|\.?'(?P<single>[^']*)'|\.?"(?P<double>[^"]*)"
    |\[(?P<index>\d+)\]|\['(?P<in_single>[^']*)'\]|\["(?P<in_double>[^"]*)"\]""",
    re.VERBOSE,
)


def mismatch(criteria: Mapping[str, Any], payload: Any) -> str | None:
    """Return why a trigger does not fit, None if it does.

    The criteria are looked at one after the other, until one does not fit. Raises UserError for
    an operator, or a form of a key, that is not known here.
    """
    if criteria and not payload:
        return "the payload is empty"
    known = {"trigger": payload}
    return next((key for key, one in criteria.items() if not _fits(key, one, known)), None)


def _fits(key: str, criterion: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    if "type" not in criterion:
        return False
    named = str(criterion["type"])
    try:
        pattern = rendered_pattern(criterion.get("pattern"), known)
    except UserError:
        return False
    value = found(key, known)
    if named.lower() != SEARCH and named.lower() not in OPERATORS:
        raise UserError(f"{key}: there is no operator {named!r}.")
    try:
        if named == SEARCH:
            return _searched(value, pattern, criterion.get("condition"))
        # Of a search in other letters StackStorm asks what only the others can tell.
        return named.lower() != SEARCH and OPERATORS[named.lower()](value, pattern)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, re.error):
        return False  # it cannot be compared


def _searched(value: Any, criteria: Mapping[str, Any], condition: Any) -> bool:
    """Return whether the items of a list fit, each as ``item``; a mapping is one item."""
    of_items, of_criteria = CONDITIONS[condition]
    items = [value] if isinstance(value, dict) else value
    return of_items(
        [
            of_criteria([_fits(key, one, {"item": item}) for key, one in criteria.items()])
            for item in items
        ]
    )


def found(key: str, known: Mapping[str, Any]) -> Any:
    """Return the value at a key, None if there is none or the value is null.

    What follows ``#`` only tells two criteria about one key apart. A key is a path of names and
    numbers; raises UserError for what else JSONPath has, whose meaning is not known here.
    """
    value: Any = known
    for step in path_of(key):
        fits = isinstance(value, list if isinstance(step, int) else dict)
        try:
            value = value[step] if fits else None
        except LookupError:
            return None
        if value is None:
            return None
    return value


def path_of(key: str) -> list[str | int]:
    """Return the steps of a criterion's key. See :func:`found`."""
    text, at, path = key.split("#", 1)[0], 0, list[str | int]()
    while at < len(text):
        match = _STEP.match(text, at)
        if match is None:
            raise UserError(f"{key}: only a path as trigger.facts.host is understood here.")
        (kind, step), *_ = [(k, v) for k, v in match.groupdict().items() if v is not None]
        path.append(int(step) if kind == "index" else step)
        at = match.end()
    return path

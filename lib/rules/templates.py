"""Expressions of rules: Jinja in its sandbox, with what of StackStorm's filters can be had here.

Nothing but the trigger is known: neither the datastore nor a pack's configuration. What names
something else is an error, as an undefined name is one for StackStorm.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError
from jinja2.sandbox import SandboxedEnvironment

from common.errors import UserError
from common.text import clean

#: What stands for None in a text, until the text is cast to the type of its parameter.
NONE = "<none of rules.templates>"
_MARKS = ("{{", "{%")
# Only a lone name keeps its type within a list or mapping, and it has no spaces around it.
_WHOLE = re.compile(r'"\{\{([\w-]+)\}\}"', re.ASCII)
# From the first braces of a line to its last.
_EXPRESSION = re.compile(r"\{\{(.*)\}\}")


@cache
def _environment() -> SandboxedEnvironment:
    made = SandboxedEnvironment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters["to_complex"] = json.dumps
    made.filters["to_json_string"] = json.dumps
    made.filters["from_json_string"] = json.loads
    made.filters["use_none"] = lambda value: NONE if value is None else value
    return made


def is_expression(value: Any) -> bool:
    """Whether StackStorm would take a value for an expression."""
    text = value if isinstance(value, str) else str(value)
    return any(mark in text for mark in _MARKS)


def rendered_text(text: str, known: Mapping[str, Any]) -> str:
    """Return what becomes of a text. Raises UserError for what cannot be rendered here."""
    try:
        return _environment().from_string(text).render(known)
    except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise UserError(f"{clean(text)} cannot be rendered: {clean(error)}") from None


def rendered_pattern(pattern: Any, known: Mapping[str, Any]) -> Any:
    """Return a criterion's pattern; an expression in it gives a value with its type."""
    if not isinstance(pattern, str):
        return pattern
    if _EXPRESSION.search(pattern):
        typed = _EXPRESSION.sub(r"{{\1 | to_complex}}", pattern)
        try:
            return json.loads(rendered_text(typed, known))
        except ValueError:
            pass  # more than one value: it is a text
    return rendered_text(pattern, known)


def rendered_value(value: Any, known: Mapping[str, Any]) -> Any:
    """Return an action's parameter; only what holds an expression is looked at."""
    if not is_expression(value):
        return value
    if isinstance(value, str):
        try:
            _environment().parse(value)
        except TemplateSyntaxError:
            return value
        return rendered_text(value, known)
    text = rendered_text(_WHOLE.sub(r"{{\1 | to_complex}}", json.dumps(value)), known)
    try:
        return json.loads(text)
    except ValueError as error:
        raise UserError(f"{clean(value)} is no JSON once it is rendered: {error}.") from None

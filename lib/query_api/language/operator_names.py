"""The operators by name: how many values each takes, and what else it is called in a text."""

from __future__ import annotations

# How many values an operator takes: none, one, or as many as are given, but at least one.
ARITY: dict[str, str] = {
    "equal_to": "one",
    "not_equal_to": "one",
    "any_in": "many",
    "not_any_in": "many",
    "greater_than": "one",
    "less_than": "one",
    "greater_or_equal": "one",
    "less_or_equal": "one",
    "older_than": "one",
    "younger_than": "one",
    "matches_regex": "one",
    "not_matches_regex": "one",
    "contains": "one",
    "starts_with": "one",
    "glob": "one",
    "is_null": "none",
    "not_null": "none",
    "in_cidr": "one",
    "has_key": "one",
    "has_tag": "one",
}

# The operator to suggest to whoever gives several values to one that takes one.
FOR_MANY: dict[str, str] = {"equal_to": "any_in", "not_equal_to": "not_any_in"}

# `not` before the name of an operator whose own name has a `not_` form is that form.
ALIASES: dict[str, str] = {
    "=": "equal_to",
    "==": "equal_to",
    "!=": "not_equal_to",
    "<>": "not_equal_to",
    "<": "less_than",
    "<=": "less_or_equal",
    ">": "greater_than",
    ">=": "greater_or_equal",
    "~": "matches_regex",
    "!~": "not_matches_regex",
    "in": "any_in",
    "not in": "not_any_in",
    "is null": "is_null",
    "is not null": "not_null",
}

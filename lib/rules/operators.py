"""What each operator of a criterion means, as StackStorm's rule engine has it.

An operator that cannot compare what it is given raises whatever Python raises; for the rule engine
that is no match. ``pattern`` of None matches nothing, except where an operator does not look at it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timezone
from fnmatch import fnmatch
from typing import Any

Operator = Callable[[Any, Any], bool]


def _compared(operator: Operator) -> Operator:
    """Return the operator for texts, however they are encoded, and for a pattern that is there."""

    def compare(value: Any, pattern: Any) -> bool:
        return pattern is not None and operator(_text(value), _text(pattern))

    return compare


def _without_case(operator: Operator) -> Operator:
    """Return the operator for texts of either case; what is no text cannot be compared."""
    return _compared(lambda value, pattern: operator(value.lower(), pattern.lower()))


def _text(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value


def _age(value: Any) -> float:
    moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
    aware = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    return (datetime.now(timezone.utc) - aware).total_seconds()


def _equal(value: Any, pattern: Any) -> bool:
    return bool(value == pattern)


def _holds(value: Any, pattern: Any) -> bool:
    return pattern in value


def _begins(value: Any, pattern: Any) -> bool:
    return bool(value.startswith(pattern))


def _ends(value: Any, pattern: Any) -> bool:
    return bool(value.endswith(pattern))


def _less(value: Any, pattern: Any) -> bool:
    return pattern is not None and bool(value < pattern)


def _more(value: Any, pattern: Any) -> bool:
    return pattern is not None and bool(value > pattern)


def _differs(value: Any, pattern: Any) -> bool:
    # The one that compares with a pattern that is not there.
    return bool(_text(value) != _text(pattern))


def _lacks(value: Any, pattern: Any) -> bool:
    return pattern not in value


_MEANINGS: dict[str, Operator] = {
    "equals eq": _compared(_equal),
    "nequals neq": _differs,
    "iequals ieq": _without_case(_equal),
    "contains": _compared(_holds),
    "icontains": _without_case(_holds),
    "ncontains": _compared(_lacks),
    "incontains": _without_case(_lacks),
    "startswith": _compared(_begins),
    "istartswith": _without_case(_begins),
    "endswith": _compared(_ends),
    "iendswith": _without_case(_ends),
    "lessthan lt": _less,
    "greaterthan gt": _more,
    "matchwildcard": _compared(fnmatch),
    "matchregex": _compared(lambda value, pattern: bool(re.match(pattern, value, re.DOTALL))),
    "regex": _compared(lambda value, pattern: bool(re.search(pattern, value))),
    "iregex": _compared(lambda value, pattern: bool(re.search(pattern, value, re.IGNORECASE))),
    "timediff_lt td_lt": _compared(lambda value, pattern: _age(value) < float(pattern)),
    "timediff_gt td_gt": _compared(lambda value, pattern: _age(value) > float(pattern)),
    "exists": lambda value, pattern: value is not None,
    "nexists": lambda value, pattern: value is None,
    "inside in": _compared(lambda value, pattern: value in pattern),
    "ninside nin": _compared(lambda value, pattern: value not in pattern),
}

#: Every operator by its names; ``search`` is none of them, as it judges the items of a list.
OPERATORS = {name: found for names, found in _MEANINGS.items() for name in names.split()}
SEARCH = "search"
#: By the condition of a search: whether all items have to pass, and whether all criteria.
CONDITIONS: dict[str, tuple[Callable[[list[bool]], bool], Callable[[list[bool]], bool]]] = {
    "any": (any, all),
    "all": (all, all),
    "all2any": (all, any),
    "any2any": (any, any),
}

"""Conditions in one string, as an operator types them into a web form.

``status any_in (SHUTOFF, ERROR) and not (updated_at older_than 30d or metadata.owner is null)``

``not`` binds tighter than ``and``, and that tighter than ``or``. After a property's name come an
operator (see operator_names) and its value, or values in parentheses. All values stay texts here:
the kind of the property says later what they are. What holds white space, a comma, a parenthesis or
starts with a symbol is quoted with ' or ". ``true`` and ``false`` are conditions too.
"""

from __future__ import annotations

import re
from typing import Any

from common.errors import UserError
from common.text import listed
from query_api.language.conditions import (
    DEEPEST,
    All,
    Any_,
    Condition,
    Not,
    Test,
    Typed,
    all_of,
    any_of,
)
from query_api.language.operator_names import ALIASES, ARITY, FOR_MANY
from query_api.language.words import PATH, QUOTES, Words, meant, pointed, shown, written

__all__ = ["parse", "pointed", "unparse"]

_JOINS = frozenset({"and", "or", "not"})
# `host = null` would find no host, silently.
_RESERVED = _JOINS | {"null"}
_CONSTANTS = frozenset({"true", "false"})
_SYMBOL = re.compile(r"[=!<]=|<>|>=|!~|[=<>~]")
_PHRASE = re.compile(r"(?:is(?:\s+not)?|not)\s+\w+", re.IGNORECASE)
_OPERATOR = re.compile(r"[^\s(),'\"=<>!~]+")
_VALUE = re.compile(r"[^\s(),'\"=<>!~][^\s(),]*")
# What a value is made of that is shown without quotes.
_PLAIN = re.compile(r"[\w.:\-*@/+]+")
_JOIN = re.compile(r"(?:and|or|not)(?![\w.:\-*@/])", re.IGNORECASE)


def parse(text: str) -> Condition:
    """Return the condition that the text says; an empty one says ``All(())``, which is true.

    Each test knows its property's place in the text (``at``, an offset in characters from 0), how
    its operator was ``typed``, and the places of that and of the values.
    Raises UserError that points at the word which cannot be understood.
    """
    words = Words(text)
    if words.ended():
        return All(())
    condition = _any(words, 0)
    if not words.ended():
        raise words.wrong("this ) closes nothing")
    return condition


def _any(words: Words, depth: int) -> Condition:
    parts = [_all(words, depth)]
    while _take(words, "or"):
        parts.append(_all(words, depth))
    return any_of(*parts)


def _all(words: Words, depth: int) -> Condition:
    parts = [_unit(words, depth)]
    while _take(words, "and"):
        parts.append(_unit(words, depth))
    return all_of(*parts)


def _unit(words: Words, depth: int) -> Condition:
    outer = depth
    while _take(words, "not"):
        depth = _deeper(words, depth)
    opened = words.at
    if words.take("("):
        opened = words.at - 1
        condition = _any(words, _deeper(words, depth))
        if not words.take(")"):
            raise words.wrong("this ( is not closed", opened)
        if not _over(words):
            raise words.wrong(f"{words.here()} is left over: join conditions with and, or")
    else:
        condition = _test(words)
    for _ in range(depth - outer):
        condition = Not(condition)
    return condition


def _deeper(words: Words, depth: int) -> int:
    if depth >= DEEPEST:
        raise words.wrong(f"this is nested more than {DEEPEST} deep")
    return depth + 1


def _join(words: Words) -> str:
    """Return the `and`, `or` or `not` that comes next, if one does; it is not read yet."""
    words.ended()
    found = _JOIN.match(words.text, words.at)
    return found.group().lower() if found else ""


def _take(words: Words, join: str) -> bool:
    if _join(words) != join:
        return False
    start = words.at
    words.at += len(join)
    if words.ended() or words.next_is(")"):
        raise words.wrong(f"a condition is missing after {join!r}", start)
    return True


def _over(words: Words) -> bool:
    """Return whether a condition may end here."""
    return words.ended() or words.next_is(")") or _join(words) in {"and", "or"}


def _test(words: Words) -> Condition:
    words.ended()
    at = words.at
    if _join(words) or not (path := words.path()):
        also = "; quote it if it is the name" if _join(words) else ""
        raise words.wrong(f"a property's name is wanted before {words.here()}{also}")
    bare = words.text[at : words.at].lower()
    if bare in _CONSTANTS and _over(words):
        return All(()) if bare == "true" else Any_(())
    operator, typed, start = _operator(words, path)
    arity = ARITY[operator]
    given = [] if arity == "none" else _values(words, operator, typed, start)
    if not _over(words):
        raise _left_over(words, typed, arity)
    values, places = (tuple(part) for part in zip(*given, strict=True)) if given else ((), ())
    return Test(path, operator, values, at, Typed(typed, start, places))


def _operator(words: Words, path: str) -> tuple[str, str, int]:
    """Read an operator; return its name, how it was typed and where."""
    if _over(words):
        raise words.wrong(f"{shown(path)} wants an operator, such as = or is_null")
    start = words.at
    typed = words.match(_SYMBOL) or words.match(_PHRASE) or words.match(_OPERATOR)
    typed = " ".join(typed.split())
    said = typed.lower()
    name = ALIASES.get(said, said)
    negated = name.removeprefix("not ")
    if negated != name and f"not_{negated}" in ARITY:
        name = f"not_{negated}"
    if name in ARITY:
        return name, typed, start
    if negated != name and negated in ARITY:
        raise words.wrong(f"there is no {typed!r}: write not before the property", start)
    if said.startswith("is "):
        hint = "; did you mean = or is null?"
    else:
        hint = meant(typed, ARITY) or f"; the operators are {listed(ARITY, len(ARITY))}"
    words.at = start
    raise words.wrong(f"{shown(typed) if typed else words.here()} is not an operator{hint}")


def _values(words: Words, operator: str, typed: str, start: int) -> list[tuple[str, int]]:
    """Read the values of an operator; return each with its place."""
    if not words.take("("):
        if words.ended():
            raise words.wrong(f"{typed} wants a value", start)
        return [_value(words, typed)]
    opened = words.at - 1
    values: list[tuple[str, int]] = []
    while not values or words.take(","):
        words.ended()
        if len(values) == 1 and ARITY[operator] == "one":
            better = FOR_MANY.get(operator)
            hint = f"; did you mean {better}?" if better else ""
            raise words.wrong(f"{words.here()} is too much: {typed} takes one value{hint}")
        if words.ended():
            break
        values.append(_value(words, typed))
    if words.take(")"):
        return values
    if words.ended():
        raise words.wrong("this ( is not closed", opened)
    raise words.wrong(
        f"a comma or ) is missing before {words.here()}; a value with white space or parentheses "
        "is quoted"
    )


def _value(words: Words, typed: str) -> tuple[str, int]:
    words.ended()
    start = words.at
    value = words.value(_VALUE)
    if words.text[start] in QUOTES:
        return value, start
    if not value:
        here = words.here()
        also = "" if words.text[start] in "),(" else f"; a value that starts so is quoted: {here}"
        raise words.wrong(f"{typed} wants a value before {here}{also}")
    if value.lower() in _RESERVED:
        also = ", or write is_null or not_null" if value.lower() == "null" else ""
        raise words.wrong(
            f"{typed} wants a value and {value!r} is a reserved word: quote it if it is the "
            f"value{also}",
            start,
        )
    return value, start


def _left_over(words: Words, typed: str, arity: str) -> UserError:
    here = words.here()
    if arity == "none":
        return words.wrong(f"{here} is too much: {typed} takes no value")
    if arity == "many":
        return words.wrong(f"{here} is too much: put several values in parentheses: (A, B)")
    return words.wrong(
        f"{here} is too much: {typed} takes one value; quote one with white space, commas or "
        "parentheses, and join conditions with and, or"
    )


def unparse(condition: Condition) -> str:
    """Return the text that :func:`parse` reads as this condition; nothing for one that is true.

    A conjunction or disjunction of one part is that part. Values that are not texts are shown as
    they would be typed.
    """
    if condition == All(()):
        return ""
    out: list[str] = []
    # Not recursive: conditions made in Python may be of any depth. Beside a part stands the word
    # around it, which says whether the part needs parentheses to stay a part.
    todo: list[str | tuple[Condition, str]] = [(condition, "")]
    while todo:
        item = todo.pop()
        if isinstance(item, str):
            out.append(item)
            continue
        part, around = item
        if isinstance(part, Test):
            out.append(_written(part))
        elif isinstance(part, Not):
            todo += [(part.part, "not"), "not "]
        elif not part.parts:
            out.append("true" if isinstance(part, All) else "false")
        elif len(part.parts) == 1:
            todo.append((part.parts[0], around))
        else:
            todo += reversed(_joined(part, around))
    return "".join(out)


def _joined(part: All | Any_, around: str) -> list[str | tuple[Condition, str]]:
    word = "and" if isinstance(part, All) else "or"
    items: list[str | tuple[Condition, str]] = []
    for inner in part.parts:
        items += [f" {word} ", (inner, word)]
    bare = not around or (word, around) == ("and", "or")
    return items[1:] if bare else ["(", *items[1:], ")"]


def _written(test: Test) -> str:
    path = written(test.path, PATH, _JOINS | _CONSTANTS)
    values = [_as_text(value) for value in test.values]
    if not values and ARITY.get(test.operator) != "many":
        return f"{path} {test.operator}"
    if len(values) == 1 and ARITY.get(test.operator) == "one":
        return f"{path} {test.operator} {values[0]}"
    return f"{path} {test.operator} ({', '.join(values)})"


def _as_text(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if not isinstance(value, str):
        value = value.isoformat() if hasattr(value, "isoformat") else str(value)
    return written(value, _PLAIN, _RESERVED)

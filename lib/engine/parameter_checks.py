"""The door that every parameter of an action comes in by: bounded, storable, without secrets.

What a runbook declares in its signature is checked in ``parameters``; here stands what holds for
every parameter, whichever runbook it is for, and the types of those that mean the same everywhere.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

import msgspec

from common.duration import Duration
from common.errors import UserError
from common.table import FORMS
from common.text import clean

# The longest text in characters, as of a mail or a condition; the most texts, numbers and so on
# in one parameter, and how deep they may be nested.
_LONGEST, _MOST, _DEEPEST = 65_000, 10_000, 20
# Names and sentences that are columns of the state store; no service of OpenStack takes a longer
# name either.
_NAME = 255
# The longest name of a parameter that is worth repeating.
_SHOWN = 60
# Above it a number is another one in every program that reads JSON as JavaScript does.
_LARGEST = 2**53
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_CONTROL = re.compile("[\x01-\x1f\x7f-\x9f\u2028\u2029]")
# Nova, Neutron and others keep names in tables that hold three bytes a character on many a site:
# asked for one of four, they answer with an internal error.
_BEYOND = re.compile("[\U00010000-\U0010ffff]")

#: Parameters that are a number of things to be done at once, in any runbook.
_COUNTS = {"max_parallel": (1, 1000), "limit": (0, 1_000_000), "max_recipients": (0, 1_000_000)}


class Common(msgspec.Struct, frozen=True, kw_only=True):
    """The parameters that mean the same in every action, typed.

    ``deadline`` is in seconds from the start; None is no deadline.
    """

    dry_run: bool
    max_changes: int | None
    ticket: str | None
    trigger_id: str | None
    requested_by: str | None
    deadline: float | None
    output: str
    output_file: str | None


def admit(parameters: Mapping[str, Any], holds_secret: Callable[[Any], bool]) -> Common:
    """Look at every parameter before anything is stored or sent, and return the common ones.

    ``holds_secret`` says whether redaction would take something out of a value. Raises UserError
    that names the parameter; a value that may be a secret is never shown.
    """
    for name, value in parameters.items():
        if not isinstance(name, str) or len(name) > _SHOWN or clean(name) != name:
            shown = f"{clean(name)[:_SHOWN]!r}"
            raise UserError(f"{shown} is not the name of a parameter. Nothing was done.")
        _bounded(name, value)
        if holds_secret(value):
            raise UserError(
                f"{name} holds a secret: one of the pack's configuration, or a password in an "
                "address. Nothing was done, and nothing of it was stored by the pack.",
                advice="Whoever keeps the history of requests, as StackStorm does, may have it: "
                "change the secret.",
            )
    return Common(**{name: read(name, parameters.get(name)) for name, read in _COMMON.items()})


def not_given(value: Any, *, is_name: bool) -> bool:
    """Return whether a parameter was left out: a form sends "" for a name that was left empty."""
    return value is None or (is_name and isinstance(value, str) and not value.strip())


def admit_name(parameter: str, value: Any) -> None:
    """Raise UserError for what no service takes as a name, in a text or a list of texts."""
    for part in _parts(parameter, value):
        if isinstance(part, str):
            _name(parameter, part)


def _bounded(name: str, value: Any) -> None:
    """Refuse what no service and no store takes, or what is no value of such a parameter."""
    for number, part in enumerate(_parts(name, value), 1):
        if number > _MOST:
            _refuse(name, f"holds more than {_MOST} values")
        if isinstance(part, str):
            if len(part) > _LONGEST:
                _refuse(name, f"is {len(part)} characters long; {_LONGEST} is the most")
            if odd := _UNSTORABLE.search(part):
                what = "a NUL character" if odd[0] == "\0" else "half a character (a surrogate)"
                _refuse(name, f"holds {what}, which nothing can store")
        elif isinstance(part, float) and not math.isfinite(part):
            _refuse(name, "is not a finite number")
        elif isinstance(part, (int, float)) and abs(part) > _LARGEST:
            _refuse(name, "is too large a number")
    least, most = _COUNTS.get(name, (None, None))
    if least is not None and most is not None and _is_number(value) and not least <= value <= most:
        _refuse(name, f"is a whole number from {least} to {most}, not {value}")


def _name(parameter: str, text: str) -> None:
    if len(text) > _NAME:
        _refuse(parameter, f"takes names of at most {_NAME} characters, not {len(text)}")
    if _CONTROL.search(text):
        _refuse(parameter, "takes names of one line, and there is a control character in it")
    if odd := _BEYOND.search(text):
        _refuse(
            parameter,
            f"holds {odd[0]!r}, which many services cannot look up in a name",
            "Give the id instead.",
        )


def _parts(name: str, value: Any, depth: int = 0) -> Iterator[Any]:
    """Yield every text, number and so on in a value, and the keys of its mappings."""
    if depth > _DEEPEST:
        _refuse(name, f"is nested more than {_DEEPEST} deep")
    if value is None or isinstance(value, (str, int, float)):  # most are: it is not looked into
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield key
            yield from _parts(name, inner, depth + 1)
    elif isinstance(value, (list, tuple, set, frozenset)):
        if len(value) > _MOST:
            _refuse(name, f"holds more than {_MOST} values")
        for inner in value:
            yield from _parts(name, inner, depth + 1)
    else:
        yield value


def _refuse(name: str, why: str, advice: str = "") -> NoReturn:
    raise UserError(f"{name} {why}. Nothing was done.", advice=advice)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


# -- the parameters that mean the same everywhere ----------------------------------------------


def _dry_run(name: str, value: Any) -> bool:
    """Return False only for what is clearly false: whoever sends anything else may mean it so."""
    return not (value is False or (isinstance(value, str) and value.strip().lower() == "false"))


def _count(name: str, value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31:
        return value
    _refuse(name, f"is a whole number, not {clean(value)!r:.80}")


def _line(most: int) -> Callable[[str, Any], str | None]:
    def read(name: str, value: Any) -> str | None:
        if value in (None, ""):
            return None
        if not isinstance(value, str):
            _refuse(name, f"is a text, not {clean(repr(value)):.80}")
        if len(value) > most or _CONTROL.search(value):
            _refuse(name, f"is one line of at most {most} characters")
        return value

    return read


def _path(name: str, value: Any) -> str | None:
    if value in (None, ""):
        return None
    if not isinstance(value, str):
        _refuse(name, f"must be an absolute path, not {clean(repr(value)):.80}")
    return value


def _form(name: str, value: Any) -> str:
    if value in (None, ""):
        return "text"
    if not isinstance(value, str) or value not in FORMS:
        _refuse(name, f"is one of {', '.join(FORMS)}, not {clean(repr(value)):.80}")
    return value


def _deadline(name: str, value: Any) -> float | None:
    """Return a number of seconds, given as a number, as one in a text, or as a duration."""
    if value in (None, ""):
        return None
    try:
        seconds = float(value) if _is_number(value) else _seconds(value)
    except ValueError:
        shown = clean(repr(value))[:_SHOWN]
        _refuse(name, f"is a number of seconds or a duration, not {shown}")
    if seconds < 0:
        _refuse(name, f"is a number of seconds or a duration, not {seconds:g}")
    return seconds or None


def _seconds(text: Any) -> float:
    if not isinstance(text, str):
        raise ValueError(text)
    try:
        seconds = float(text)
    except ValueError:
        return float(Duration.parse(text))
    if not math.isfinite(seconds):
        raise ValueError(text)
    return seconds


_COMMON: Mapping[str, Callable[[str, Any], Any]] = {
    "dry_run": _dry_run,
    "max_changes": _count,
    "ticket": _line(_NAME),
    "trigger_id": _line(64),
    "requested_by": _line(_NAME),
    "deadline": _deadline,
    "output": _form,
    "output_file": _path,
}

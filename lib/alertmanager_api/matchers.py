"""Matchers: which alerts a silence is for. They are data; none becomes part of another text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import msgspec

from common.errors import UserError
from common.text import clean, shorten

_OPERATORS = {(False, True): "=", (False, False): "!=", (True, True): "=~", (True, False): "!~"}
_KINDS = {operator: kind for kind, operator in _OPERATORS.items()}
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_MATCHER = re.compile(
    rf"\s*(?P<name>{_QUOTED}|[^\s\"{{}},=!~]+)\s*(?P<operator>=~|!~|!=|=)\s*"
    rf"(?P<value>{_QUOTED}|[^\s\"{{}},=!~]+)\s*(?P<end>,|\Z)",
    re.DOTALL,
)
_ESCAPED = {"n": "\n", '"': '"', "\\": "\\"}
_FORM = (
    'Write them as Alertmanager does: alertname="HostDown", instance=~"cmp-1(:.*)?", env!="test".'
)
_LONGEST = 10_000


class Matcher(msgspec.Struct, frozen=True):
    """A condition on one label. A label that an alert lacks is empty.

    Alertmanager before 0.22 has no ``isEqual``: its matchers are all positive.
    """

    name: str
    value: str
    is_regex: bool = msgspec.field(name="isRegex", default=False)
    is_equal: bool = msgspec.field(name="isEqual", default=True)

    def __str__(self) -> str:
        """Return it as Alertmanager writes it: ``parse`` reads the same from that."""
        operator = _OPERATORS[self.is_regex, self.is_equal]
        value = self.value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        name = self.name
        if not re.fullmatch(r"[A-Za-z_:][A-Za-z0-9_:]*", name, re.ASCII):
            escaped = name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
            name = f'"{escaped}"'
        return f'{name}{operator}"{value}"'


def written(matchers: Iterable[Matcher]) -> str:
    """Return matchers as one text, in the order of their labels."""
    return ", ".join(sorted(map(str, matchers)))


def parse(text: str) -> tuple[Matcher, ...]:
    """Read matchers as ``written`` returns them, or as people write them.

    Braces around all of them, and quotes around plain values, may be left out. Raises
    UserError for what is no list of matchers, for a pattern that is no regular expression, and
    for matchers that an alert without any labels passes, which Alertmanager refuses.
    """
    if len(text) > _LONGEST:
        raise UserError(f"Matchers have at most {_LONGEST} characters in all.")
    rest = text.strip()
    if rest[:1] == "{" and rest[-1:] == "}":
        rest = rest[1:-1].strip()
    found: dict[Matcher, None] = {}
    place = 0
    while place < len(rest):
        one = _MATCHER.match(rest, place)
        if one is None:
            shown = shorten(clean(rest[place:].strip()), 60)
            raise UserError(f"Matchers: {shown!r} is not understood.", advice=_FORM)
        is_regex, is_equal = _KINDS[one["operator"]]
        found[Matcher(_plain(one["name"]), _plain(one["value"]), is_regex, is_equal)] = None
        place = one.end()
    _check(list(found))
    return tuple(sorted(found, key=str))


def _plain(text: str) -> str:
    if not text.startswith('"'):
        return text
    # A backslash before any other letter stays: regular expressions have many.
    return re.sub(
        r"\\(.)", lambda found: _ESCAPED.get(found[1], found[0]), text[1:-1], flags=re.DOTALL
    )


def _check(matchers: list[Matcher]) -> None:
    if not matchers:
        raise UserError("There are no matchers.", advice=_FORM)
    for one in matchers:
        # Half of a character would arrive as another one, and so silence something else.
        if not one.name or any("\ud800" <= letter <= "\udfff" for letter in one.name + one.value):
            raise UserError(
                f"Matcher {clean(one)!r:.80} is not valid: its name is empty or contains a broken "
                "character."
            )
    nothing = [_passes(one, "") for one in matchers]  # each of them: a pattern may be none
    if all(nothing):
        raise UserError(
            f"Matchers {clean(written(matchers))!r:.200}: an alert without labels would pass them, "
            "so they may be for everything.",
            advice='Add one that wants something of an alert, as alertname=~".+".',
        )


def match(matchers: Iterable[Matcher], labels: Mapping[str, str]) -> bool:
    """Return whether an alert of these labels passes all matchers."""
    return all(_passes(one, labels.get(one.name, "")) for one in matchers)


def _passes(matcher: Matcher, value: str) -> bool:
    if not matcher.is_regex:
        return (matcher.value == value) == matcher.is_equal
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        pattern = re2.compile(f"^(?:{matcher.value})$", options)
    except (re2.error, UnicodeError):
        raise UserError(
            f"Matcher {clean(matcher)!r:.200}: its value is not a regular expression.",
            advice="It is RE2's syntax, for the whole value of the label.",
        ) from None
    return (pattern.search(value) is not None) == matcher.is_equal

"""Keeping secrets out of everything that is shown, stored or logged.

What is cut, cleaned or encoded is redacted before that: half a secret is not found any more. Text
of an outside system is cut with :func:`excerpt`, which does this by itself.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from common.text import clean

if TYPE_CHECKING:
    from common.secret_forms import Forms

HIDDEN = "********"
_SECRET_KEY = re.compile(
    r"(^|_|-)pass(word|wd|code|phrase)?$|secret|token|private_key|credential_secret|^auth_code$",
    re.I,
)
# Of an authorisation, in a configuration; in an answer it is any code.
_ONLY_IN_CONFIGURATIONS = frozenset({"code"})
_URL_PASSWORD = re.compile(r"(?<=://)([^/@\s:]*):[^/@\s]+@")
# Shorter values would blank ordinary words out of every message.
_SHORTEST = 6
# Tokens of a run that goes on for days: older ones have expired.
_MOST_LEARNT = 64


@lru_cache(maxsize=1000)  # the same few columns stand in a hundred thousand rows
def _names_a_secret(key: str) -> bool:
    return _SECRET_KEY.search(key) is not None


def secrets_in(value: Any, key: str = "") -> Iterator[str]:
    """Yield the secret texts in a configuration: values under keys that name a secret.

    YAML reads a password of digits as a number; it is a secret all the same.
    """
    if isinstance(value, Mapping):
        # A login's code is a secret, and that of an answer is none.
        within = "auth_" if key == "auth" else ""
        for name, inner in value.items():
            yield from secrets_in(inner, f"{within}{name}")
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from secrets_in(inner, key)
    elif (text := _as_text(value)) and (_names_a_secret(key) or key in _ONLY_IN_CONFIGURATIONS):
        yield text
    elif isinstance(value, str) and (found := _URL_PASSWORD.search(value)):
        yield found.group(0).rpartition("@")[0].partition(":")[2]


class Redactor:
    """Replaces the secrets of one configuration wherever they stand in a text or structure.

    A secret is found as it is, broken by line ends or invisible characters, as URLs, HTML, JSON
    and Python's repr write it, in base64 (alone or within more), in hexadecimal and as a number.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._given = set(_worth_hiding(secrets_in(config)))
        self._learnt: dict[str, None] = {}
        self._lock = threading.Lock()
        self._forms: Forms | None = None

    def learn(self, secret: str) -> None:
        """Hide one more from now on, as a token that was issued; the oldest of many is let go."""
        with self._lock:
            if secret in self._learnt or secret in self._given or len(secret) < _SHORTEST:
                return
            self._learnt[secret] = None
            if len(self._learnt) > _MOST_LEARNT:
                del self._learnt[next(iter(self._learnt))]
            self._forms = None

    def text(self, text: str) -> str:
        """Return ``text`` without the known secrets and without passwords in URLs."""
        if (forms := self._known()) is not None:
            text = forms.hidden(text, HIDDEN)
        return _URL_PASSWORD.sub(rf"\1:{HIDDEN}@", text) if "://" in text else text

    def data(self, value: Any) -> Any:
        """Return plain data with secrets replaced, by value and by the name of their key."""
        # Nearly all data holds none: one look at all of it is cheaper than one at each text.
        whole = "\0".join(_texts(value))
        forms = self._known()
        if "://" in whole or (forms is not None and forms.may_be_in(whole)):
            return _replaced(value, "", self.text)
        return _replaced(value, "", str)

    def knows(self, value: Any) -> bool:
        """Return whether there is anything in plain data that :meth:`data` would replace."""
        if isinstance(value, Mapping):
            return any(
                self.knows(name) or (_names_a_secret(str(name)) and inner) or self.knows(inner)
                for name, inner in value.items()
            )
        if isinstance(value, (list, tuple, set, frozenset)):
            return any(map(self.knows, value))
        text = _as_text(value)
        return text is not None and self.text(text) != text

    def _known(self) -> Forms | None:
        """Return the forms of all secrets that are known now, made when they are first needed."""
        with self._lock:
            if self._forms is None and (self._given or self._learnt):
                from common.secret_forms import Forms

                self._forms = Forms([*self._given, *self._learnt])
            return self._forms


# Of every call of the dispatcher in this process: what one has learnt, no other shows either.
_at_work: list[Redactor] = []


@contextmanager
def at_work(redactor: Redactor) -> Iterator[None]:
    """Have :func:`learn` and :func:`excerpt` know this redactor while the block runs."""
    _at_work.append(redactor)
    try:
        yield
    finally:
        _at_work.remove(redactor)


def learn(secret: str) -> None:
    """Hide a secret that was not in the configuration, as a token that was just issued."""
    for redactor in tuple(_at_work):
        redactor.learn(secret)


def excerpt(text: str, longest: int) -> str:
    """Return the start of a text of an outside system as one safe line, without secrets."""
    for redactor in tuple(_at_work):
        text = redactor.text(text)
    return clean(text)[:longest]


def _worth_hiding(secrets: Iterable[str]) -> Iterator[str]:
    return (secret for secret in secrets if len(secret) >= _SHORTEST)


def _replaced(value: Any, key: str, text: Callable[[str], str]) -> Any:
    if isinstance(value, Mapping):
        return {
            text(name) if isinstance(name, str) else name: _replaced(inner, str(name), text)
            for name, inner in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_replaced(inner, key, text) for inner in value]
    if (shown := _as_text(value)) is None:
        return value
    if shown and _names_a_secret(key):
        return HIDDEN
    hidden = text(shown)
    return value if hidden == shown else hidden


def _as_text(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return str(value) if is_number else None


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield str(name)
            yield from _texts(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _texts(inner)
    elif (text := _as_text(value)) is not None:
        yield text

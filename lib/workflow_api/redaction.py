"""Keeping secrets out of everything that is shown, stored or logged."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

HIDDEN = "********"
_SECRET_KEY = re.compile(
    r"(^|_|-)pass(word|wd|code|phrase)?$|secret|token|private_key|credential_secret|^auth_code$",
    re.I,
)
_URL_PASSWORD = re.compile(r"(?<=://)([^/@\s:]*):[^/@\s]+@")
# Shorter values would blank ordinary words out of every message.
_SHORTEST = 6


@lru_cache(maxsize=1000)  # the same few columns stand in a hundred thousand rows
def _names_a_secret(key: str) -> bool:
    return _SECRET_KEY.search(key) is not None


def secrets_in(value: Any, key: str = "") -> Iterator[str]:
    """Yield the secret texts in a nested mapping: values under keys that name a secret."""
    if isinstance(value, Mapping):
        # A login's code is a secret, and that of an answer is none.
        within = "auth_" if key == "auth" else ""
        for name, inner in value.items():
            yield from secrets_in(inner, f"{within}{name}")
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from secrets_in(inner, key)
    elif isinstance(value, str) and value:
        if _names_a_secret(key):
            yield value
        elif found := _URL_PASSWORD.search(value):
            yield found.group(0).rpartition("@")[0].partition(":")[2]


def _as_shown(secret: str) -> Iterator[str]:
    """Yield the forms in which a text can stand in another: as it is, in a URL, a repr, JSON."""
    from urllib.parse import unquote  # a configuration without secrets needs it not

    yield from (secret, unquote(secret), json.dumps(secret)[1:-1])
    # Which quote a repr escapes depends on what else is in the text.
    yield from (repr(secret)[1:-1], repr(secret + '"')[1:-2], repr(secret + "'")[1:-2])


class Redactor:
    """Replaces the secrets of one configuration wherever they stand in a text or structure."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        found = {form for secret in secrets_in(config) for form in _as_shown(secret)}
        self._secrets = sorted((s for s in found if len(s) >= _SHORTEST), key=len, reverse=True)

    def text(self, text: str) -> str:
        """Return ``text`` without the known secrets and without passwords in URLs."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return _URL_PASSWORD.sub(rf"\1:{HIDDEN}@", text) if "://" in text else text

    def data(self, value: Any, key: str = "") -> Any:
        """Return plain data with secrets replaced, by value and by the name of their key."""
        if isinstance(value, Mapping):
            return {
                self.text(name) if isinstance(name, str) else name: self.data(inner, str(name))
                for name, inner in value.items()
            }
        if isinstance(value, (list, tuple)):
            return [self.data(inner, key) for inner in value]
        if isinstance(value, str):
            return HIDDEN if value and _names_a_secret(key) else self.text(value)
        return value

"""The services that the pack asks, by their official types, and the version of each one's API."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from common.text import near

# What the path below a service's root begins with; placement has no version there.
VERSIONS = {
    "identity": "v3",
    "compute": "v2.1",
    "placement": "",
    "image": "v2",
    "network": "v2.0",
    "block-storage": "v3",
}
_SEGMENT = re.compile(r"/v(\d+)(?:\.\d+)?(?=/|$)")


def major(version: str) -> int:
    """Return the major number of a version as ``v2.1``, ``2`` or ``3.latest``."""
    return int(version.removeprefix("v").partition(".")[0])


def named_version(address: str) -> int | None:
    """Return the major version that an address names, None if it names none."""
    found = _SEGMENT.findall(address.partition("://")[2])
    return int(found[-1]) if found else None


def official(word: str) -> str | None:
    """Return the official type that a type or alias stands for, None if nothing has that name.

    The aliases are those of the OpenStack service types authority, as ``volumev3``.
    """
    kind = word.lower().replace("_", "-")
    if kind in VERSIONS:
        return kind
    types = _authority()
    return types.get_service_type(kind) if types.is_known(kind) else None


def known() -> list[str]:
    """Return every official type and alias."""
    types = _authority()
    return [name for kind in types.all_types_by_service_type for name in types.get_all_types(kind)]


def by_service(given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return a mapping with official types as its keys; ``where`` begins the sentence if not.

    Raises UserError for keys that are no service types, and for two that are the same one.
    """
    from common.errors import UserError

    if odd := sorted(word for word in given if official(word) is None):
        raise UserError(
            f"{where} has keys that are no service types: {misspelt(odd, known())}.",
            advice="Use the official types, as compute and block-storage, or their aliases.",
        )
    found: dict[str, Any] = {}
    for word, value in given.items():
        kind = official(word) or ""
        if found.setdefault(kind, value) != value:
            raise UserError(f"{where} has {kind} twice, under its aliases too.")
    return found


def misspelt(words: Iterable[str], known: Iterable[str]) -> str:
    """Return the words that are not known, each with the names that look like it."""
    names = list(known)
    return ", ".join(_with_near(word, near(word, names)) for word in words)


def _with_near(word: str, found: list[str]) -> str:
    return f"{word} (did you mean {' or '.join(found)}?)" if found else word


def _authority() -> Any:
    from os_service_types import ServiceTypes

    return ServiceTypes()

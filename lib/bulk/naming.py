"""Names that many rows give, found in one listing rather than one by one."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from contextlib import suppress

import msgspec

from accounts.cloud import Cloud
from common.errors import Ambiguous, NotFound, UserError
from common.text import near
from query_api.execution.query import query
from query_api.language.schema import Resource
from query_api.lookups import things

_UUID = re.compile(r"[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}")
# For so many names that are not there, near ones are looked for.
_GUESSED = 20


def is_id(text: str) -> bool:
    """Return whether a text has the form of an id: a UUID, with dashes or without."""
    return _UUID.fullmatch(text) is not None


class Found(msgspec.Struct, frozen=True):
    """What names and ids stand for: the id of each, or why there is none."""

    ids: Mapping[str, str]
    errors: Mapping[str, UserError]


def found_by_name(cloud: Cloud, of: Resource, wanted: Collection[str]) -> Found:
    """Return what each of the wanted is, an id or a name; nothing where not all could be read."""
    answer = query(of.name).select(of.key, "name").run([cloud])
    if not answer.complete:
        return Found({}, {})
    known: dict[str, list[str]] = {}
    for id, name in answer.rows:
        known.setdefault(name or "", []).append(str(id))
    of_ids = {str(id) for id, _ in answer.rows}
    word, where = of.nouns()[0], f"cloud {cloud.name}"
    ids: dict[str, str] = {}
    errors: dict[str, UserError] = {}
    for one in sorted(wanted):
        mine = [one] if one in of_ids else known.get(one, [])
        if len(mine) == 1:
            ids[one] = mine[0]
        elif mine:
            errors[one] = Ambiguous(word, one, mine, where=where)
        else:
            guess = near(one, known) if len(errors) < _GUESSED else []
            errors[one] = NotFound(word, one, where=where, near=guess)
    return Found(ids, errors)


def found_alone(cloud: Cloud, of: Resource, wanted: Collection[str]) -> Found:
    """Return what each of a few names is, asked for by itself; what is not found is left out.

    The action may know it by another name, or says what there is instead.
    """
    ids: dict[str, str] = {}
    for one in sorted(wanted):
        with suppress(NotFound, Ambiguous):
            ids[one] = things.find(cloud, of.name, one).id
    return Found(ids, {})

"""Objects of an Icinga, narrowed there by filters in its language.

The texts of the filters are constants of this package. What is looked for (a name, a pattern, the
text of a comment) never becomes part of one: it goes as a variable (``filter_vars``), and so
it can be anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

import msgspec

from accounts.icinga import Icinga
from common.errors import CloudError
from icinga_api import rights

Attributes = TypeVar("Attributes")
# A GET has no body, and no place for variables: this is Icinga's own way to ask with one.
_ASKING = {"X-HTTP-Method-Override": "GET"}
# The kinds of objects that are listed, and what Icinga calls one of each.
_TYPES = {
    "hosts": "Host",
    "services": "Service",
    "dependencies": "Dependency",
    "downtimes": "Downtime",
    "comments": "Comment",
}
# What an account that may not use filters is told, and what a filter that this version does not
# understand comes to.
_FILTER_REFUSED = frozenset({403, 404})


class Filter(msgspec.Struct, frozen=True):
    """A filter: ``text`` in Icinga's language, and the variables in it by their names."""

    text: str
    values: Mapping[str, Any]


class Found(msgspec.Struct, Generic[Attributes]):
    """One object: ``name`` is its full name, as ``cmp-1!nova-compute``."""

    name: str
    attrs: Attributes


class _Answer(msgspec.Struct, Generic[Attributes]):
    results: list[Found[Attributes]]


def objects(
    icinga: Icinga,
    kind: str,
    attributes: type[Attributes],
    *,
    narrowed: Filter | None = None,
    bulky: Sequence[str] = (),
) -> list[Found[Attributes]]:
    """Return the objects of a kind (in the plural, as ``hosts``) with the fields of ``attributes``.

    Those that a filter leaves out need not have been left out: an account without the right to use
    filters gets all objects, then without the attributes in ``bulky``. One request, or two then.
    Raises CloudError.
    """
    fields = list(attributes.__struct_fields__)  # type: ignore[attr-defined]
    if narrowed is not None:
        sent = {"attrs": fields, "filter": narrowed.text, "filter_vars": dict(narrowed.values)}
        try:
            return _asked(icinga, kind, attributes, sent)
        except CloudError as error:
            if error.status not in _FILTER_REFUSED:
                raise
    kept = fields if narrowed is None else [field for field in fields if field not in bulky]
    with rights.told(f"objects/query/{_TYPES[kind]}"):
        return _asked(icinga, kind, attributes, {"attrs": kept})


def _asked(
    icinga: Icinga, kind: str, attributes: type[Attributes], body: Mapping[str, Any]
) -> list[Found[Attributes]]:
    answer = icinga.ask(
        f"/v1/objects/{kind}",
        _Answer[attributes],  # type: ignore[valid-type]
        f"listing {kind}",
        body=body,
        headers=_ASKING,
    )
    return list(answer.results)

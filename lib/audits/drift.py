"""What differs between a cloud and the one that it should be like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from audits.findings import Finding, Part, Row, named
from query_api.execution.query import Query, query
from workflow_api import clean

_LONGEST = 60
_KIND_OF_FLAVOR = frozenset(
    {"vcpus", "ram", "disk", "ephemeral", "swap", "rxtx_factor", "is_public", "disabled"}
)
_KIND_OF_IMAGE = frozenset({"checksum", "disk_format", "container_format"})
# What a service writes into an image: it is about the place where it lies.
_GLANCE = ("os_glance_", "owner_specified.openstack.")


class Subject(msgspec.Struct, frozen=True):
    """What can be compared.

    ``compared`` are properties, ``spread`` is one that is a map, compared key by key but for those
    that begin with one of ``leave_out``. ``fixed`` are the properties that cannot be changed.
    Of several things with one name the first in the order of ``asked`` counts.
    """

    noun: str
    asked: Query
    compared: tuple[str, ...]
    spread: str
    fixed: frozenset[str] = frozenset()
    leave_out: tuple[str, ...] = ()
    is_dated: bool = True
    owner: str = ""


def _subjects() -> dict[str, Subject]:
    # Private images are their users' own; of those with one name a user gets the newest.
    images = (
        query("image")
        .where("visibility", "equal_to", "public")
        .where("os_hidden", "not_equal_to", True)
        .sort_by("-created_at", "id")
    )
    return {
        "flavors": Subject(
            "flavor",
            query("flavor"),
            (*sorted(_KIND_OF_FLAVOR), "description"),
            "extra_specs",
            fixed=_KIND_OF_FLAVOR,
            is_dated=False,
        ),
        "images": Subject(
            "image",
            images,
            (*sorted(_KIND_OF_IMAGE), "status", "min_ram", "min_disk", "protected"),
            "properties",
            fixed=_KIND_OF_IMAGE,
            leave_out=_GLANCE,
            owner="project_id",
        ),
        "aggregates": Subject(
            "aggregate",
            query("aggregate"),
            ("availability_zone",),
            "metadata",
            leave_out=("availability_zone",),
        ),
    }


WHAT = ("flavors", "images", "aggregates")


class _Thing(msgspec.Struct):
    id: str
    name: str
    created_at: str | None
    project_id: str | None
    facts: dict[str, Any]


def drift(model: Part, other: Part, what: Sequence[str]) -> None:
    """Find what of ``other`` is not as in ``model``; each finding stands where the thing is.

    What cannot be read wholly of both is not compared.
    """
    for subject in (one for name, one in _subjects().items() if name in what):
        asked = _asked(subject)
        sides: list[dict[str, _Thing]] = []
        for part in (model, other):
            rows, whole = part.read(asked)
            if whole:
                sides.append(_by_name(subject, rows))
        if len(sides) == 2:
            _compare(subject, model, other, *sides)


def _asked(subject: Subject) -> Query:
    dated = ("created_at",) if subject.is_dated else ()
    owner = (subject.owner,) if subject.owner else ()
    return subject.asked.select("id", "name", subject.spread, *subject.compared, *dated, *owner)


def _by_name(subject: Subject, rows: Sequence[Row]) -> dict[str, _Thing]:
    found: dict[str, _Thing] = {}
    for row in rows:
        id, name, spread, *values = row
        facts = dict(zip(subject.compared, values, strict=False))
        for key, value in (spread or {}).items():
            if not key.startswith(subject.leave_out or "\0"):
                facts[f"{subject.spread}.{key}"] = value
        found.setdefault(
            name,
            _Thing(
                str(id),
                name,
                values[len(subject.compared)] if subject.is_dated else None,
                values[-1] if subject.owner else None,
                facts,
            ),
        )
    return found


def _compare(
    subject: Subject,
    model: Part,
    other: Part,
    wanted: Mapping[str, _Thing],
    there: Mapping[str, _Thing],
) -> None:
    noun, a, b = subject.noun, model.cloud.name, other.cloud.name
    for name in sorted({*wanted, *there}):
        one, its = wanted.get(name), there.get(name)
        if its is None and one is not None:
            act = f"in {b}: openstack {noun} create; or in {a}: {_drop(noun, one)}"
            model.findings.append(_finding(noun, one, f"only in {a}", act))
        elif one is None and its is not None:
            act = f"in {b}: {_drop(noun, its)}; or in {a}: openstack {noun} create"
            other.findings.append(_finding(noun, its, f"only in {b}", act))
        elif one is not None and its is not None:
            differs = {
                key: [one.facts.get(key), its.facts.get(key)]
                for key in sorted({*one.facts, *its.facts})
                if one.facts.get(key) != its.facts.get(key)
            }
            if differs:
                told = named(
                    f"{key} is {as_text(mine)} in {a} and {as_text(theirs)} in {b}"
                    for key, (mine, theirs) in differs.items()
                )
                finding = _finding(noun, its, told, _change(subject, its, differs, b))
                finding.more = {"differences": differs, "other_id": one.id}
                other.findings.append(finding)


def as_text(value: Any) -> str:
    """Return a value for a sentence: cleaned, and not longer than fits."""
    if value is None:
        return "nothing"
    text = clean(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _drop(noun: str, thing: _Thing) -> str:
    return f"openstack {noun} delete {clean(thing.id)}"


def _change(subject: Subject, thing: _Thing, differs: Mapping[str, Any], where: str) -> str:
    noun = subject.noun
    if subject.fixed & differs.keys():
        return f"in {where}: {_drop(noun, thing)} and make it again, for this cannot be changed"
    return f"in {where}: openstack {noun} set {clean(thing.id)} or openstack {noun} unset"


def _finding(noun: str, thing: _Thing, why: str, act: str) -> Finding:
    return Finding(
        kind=noun,
        id=thing.id,
        name=thing.name,
        why=why,
        act=act,
        created_at=thing.created_at,
        project_id=thing.project_id,
    )

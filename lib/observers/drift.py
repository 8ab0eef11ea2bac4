"""What differs between a cloud and the one that it should be like: each difference by itself."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Annotated, Any

import msgspec

from accounts.cloud import Cloud
from accounts.sensor_config import DriftSettings
from audits.drift import as_text, drift
from audits.findings import Finding, Part
from observers.events import event_id
from observers.observer import Condition, Observer, Sight, Surroundings, sentences


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a difference."""

    kind: Annotated[str, msgspec.Meta(description="flavor, image or aggregate.")]
    like: Annotated[str, msgspec.Meta(description="The cloud that this one should be like.")]
    property: Annotated[
        str | None,
        msgspec.Meta(description="What differs, as ram or extra_specs.hw:cpu_policy."),
    ] = None
    here: Annotated[str | None, msgspec.Meta(description="Its value in this cloud.")] = None
    there: Annotated[str | None, msgspec.Meta(description="Its value in the other cloud.")] = None
    id: Annotated[str | None, msgspec.Meta(description="The thing's id in this cloud.")] = None
    other_id: Annotated[
        str | None, msgspec.Meta(description="The thing's id in the other cloud.")
    ] = None


def look(cloud: Cloud, settings: DriftSettings, around: Surroundings) -> Sight:
    """Compare the cloud with the other one: four listings of each. Raises UserError.

    Nothing is seen where no other cloud is configured, and in that cloud itself.
    """
    if settings.like in (None, cloud.name):
        return Sight([])
    model = Part(Cloud.from_config(cloud.config, settings.like), around.moment)
    here = Part(cloud, around.moment)
    drift(model, here, settings.what)
    found = [one for finding in model.findings for one in _missing(finding, model)]
    found += [one for finding in here.findings for one in _of(finding, model)]
    unread = sentences(model.reasons, here.reasons)
    return Sight([one for one in found if not _is_left_out(one, settings)], unread)


def _missing(finding: Finding, model: Part) -> Iterator[Condition]:
    facts = Facts(kind=finding.kind, like=model.cloud.name, other_id=finding.id)
    yield _condition(finding, "MISSING", facts)


def _of(finding: Finding, model: Part) -> Iterator[Condition]:
    """Yield what differs of a thing, each property by itself, or that it is only here."""
    same: dict[str, Any] = {"kind": finding.kind, "like": model.cloud.name, "id": finding.id}
    differs = finding.more.get("differences")
    if differs is None:
        yield _condition(finding, "EXTRA", Facts(**same))
        return
    other = str(finding.more["other_id"])
    for key, values in differs.items():
        there, here = (None if value is None else as_text(value) for value in values)
        facts = Facts(**same, other_id=other, property=key, here=here, there=there)
        yield _condition(finding, "DIFFERS", facts)


def _condition(finding: Finding, state: str, facts: Facts) -> Condition:
    """Return a difference under an id that stays the same when the thing is made anew."""
    name = finding.name or finding.id
    parts = [finding.kind, name, *([facts.property] if facts.property else [])]
    return Condition("difference", event_id(*parts), "/".join(parts), state, facts)


def _is_left_out(condition: Condition, settings: DriftSettings) -> bool:
    return any(fnmatchcase(condition.name, one) for one in settings.leave_out)


OBSERVER = Observer(
    name="drift",
    about="A flavor, image or aggregate is not as in the cloud that this one should be like, or is "
    "so again.",
    kind="difference, called by kind, name and property of the thing",
    facts=Facts,
    states={
        "MISSING": "it is in the other cloud only.",
        "EXTRA": "it is in this cloud only.",
        "DIFFERS": "it is in both, and this property is not the same.",
    },
    look=look,
)

"""Whether there is room for servers of certain flavors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec

from accounts.cloud import Cloud
from accounts.sensor_config import CapacityStateSettings, FlavorRoom
from common.errors import UserError
from common.picking import picked
from hypervisors.flavor_room import Size, fitting_sizes, size_of
from hypervisors.hosts import Hosts, hosts
from observers.observer import Condition, Observer, Sight, Surroundings, sentences
from query_api.execution.query import query
from query_api.lookups import things
from query_api.wire.reading import Reading


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the room for a flavor."""

    flavor_id: Annotated[str, msgspec.Meta(description="The flavor.")]
    more: Annotated[int, msgspec.Meta(description="How many more servers of it fit, host by host.")]
    least: Annotated[int, msgspec.Meta(description="How many have to fit, as configured.")]
    hosts: Annotated[int, msgspec.Meta(description="On how many hosts there is room.")]
    aggregate: Annotated[
        str | None, msgspec.Meta(description="The aggregate, by name, on whose hosts.")
    ] = None
    aggregate_id: Annotated[int | None, msgspec.Meta(description="The same by its number.")] = None


def look(cloud: Cloud, settings: CapacityStateSettings, around: Surroundings) -> Sight:
    """Look where the flavors fit: four listings, and a request for each flavor.

    Nothing is asked if no flavor is configured. Raises CloudError.
    """
    if not settings.room:
        return Sight([])
    reading, found = Reading(cloud), hosts(cloud, without_place=True)
    sizes = _sizes(reading, settings.room)
    answered = fitting_sizes(reading, list({one.id: one for one in sizes.values()}.values()), found)
    known = {one.id for one in answered}
    seen = [
        condition
        for wanted in settings.room
        if (size := sizes.get(wanted.flavor)) and size.id in known
        if (condition := _condition(reading, wanted, size, found))
    ]
    unread = sentences(found.reasons, reading.reasons)
    # Where hosts could not be read there is more room than was found.
    return Sight([one for one in seen if one.state == "ENOUGH" or not found.reasons], unread)


def _sizes(reading: Reading, room: Sequence[FlavorRoom]) -> dict[str, Size]:
    """Return the flavors by what the configuration calls them; what is not there is said."""
    known = things.of_query(reading.cloud, query("flavor"))
    found, by_id = dict[str, Size](), dict[str, Size]()
    for wanted in dict.fromkeys(one.flavor for one in room):
        try:
            flavor = picked("flavor", wanted, known, where=f"cloud {reading.cloud.name}")
        except UserError as error:
            reading.incomplete(f"room for flavor {wanted}", str(error))
        else:
            found[wanted] = by_id.setdefault(flavor.id, size_of(flavor))
    return found


def _condition(reading: Reading, wanted: FlavorRoom, size: Size, found: Hosts) -> Condition | None:
    """Return how much room there is; None if the aggregate is not there, which is said."""
    part, aggregate = found.chosen, None
    id, name = size.id, size.name
    if wanted.aggregate is not None:
        where = f"cloud {reading.cloud.name}"
        try:
            aggregate = picked("aggregate", wanted.aggregate, found.aggregates, where=where)
        except UserError as error:
            reading.incomplete(f"room in aggregate {wanted.aggregate}", str(error))
            return None
        part = [host for host in part if host.service_host in aggregate.hosts]
        id, name = f"{id}/{aggregate.id}", f"{name} in aggregate {aggregate.name}"
    fits = [size.fits[host.id] for host in part if host.id in size.fits]
    facts = Facts(
        flavor_id=size.id,
        more=sum(fits),
        least=wanted.least,
        hosts=len(fits),
        aggregate=aggregate.name if aggregate else None,
        aggregate_id=int(aggregate.id) if aggregate else None,
    )
    return Condition("flavor_room", id, name, level(facts.more, wanted.least), facts)


def level(more: int, least: int) -> str:
    """Return the state of a flavor of which so many more fit, and have to fit at least."""
    return "ENOUGH" if more >= least else "SHORT" if more else "NONE"


OBSERVER = Observer(
    name="capacity_state",
    about="There is too little room for servers of a flavor, or enough again.",
    kind="flavor_room",
    facts=Facts,
    states={
        "ENOUGH": "at least as many more servers of it fit as configured.",
        "SHORT": "fewer fit.",
        "NONE": "none fits.",
    },
    normal=frozenset({"ENOUGH"}),
    look=look,
)

"""Which of the hypervisors on which Nova counts no servers are empty, as far as it can be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from hypervisors.hosts import Host
from hypervisors.occupants import Occupant, leftovers
from query_api.wire.reading import Reading
from workflow_api import CloudError

if TYPE_CHECKING:
    from query_api.resources.inventories import Room

#: What is reported of a hypervisor that could not be read completely.
UNKNOWN = "whether anything else holds it is not known"


class Vacancy(msgspec.Struct):
    """What is known of such hypervisors, by their ids.

    ``held`` are those that are not empty; whether those in ``unknown`` are could not be
    determined.
    """

    rooms: Mapping[str, Room]
    held: Mapping[str, list[Occupant]]
    unknown: frozenset[str]


def vacancy(reading: Reading, vacant: Sequence[Host]) -> Vacancy:
    """Examine hypervisors without servers; what could not be read is reported as missing."""
    from query_api.resources import inventories

    ids, known = [host.id for host in vacant], len(reading.reasons)
    rooms: Mapping[str, Room] | None = None
    held, unread = dict[str, list[Occupant]](), dict[str, CloudError]()
    unknown = set[str]()
    try:
        rooms = inventories.rooms(reading, ids)
    except CloudError as error:
        reading.incomplete(f"allocations on hypervisors of {reading.cloud.name}", str(error))
    if len(reading.reasons) > known:
        unknown |= {id for id in ids if rooms is None or id not in rooms}
    used = None if rooms is None else {id: room.used for id, room in rooms.items()}
    try:
        held, unread = leftovers(reading.cloud, [host.hypervisor for host in vacant], used)
    except CloudError as error:
        reading.incomplete(f"what holds hypervisors of {reading.cloud.name}", str(error))
        unknown |= set(ids)
    for host in vacant:
        if host.id in unread:
            reading.incomplete(f"what holds {host.name}", str(unread[host.id]))
    return Vacancy(rooms or {}, held, frozenset((unknown | unread.keys()) - held.keys()))

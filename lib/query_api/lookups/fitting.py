"""How many more servers of a kind fit on each host, by Placement's own arithmetic.

Placement says which hosts can take one: units, step sizes, ratios, reserves, traits and disabled
hosts are its business. Each further one takes the same, so how many there are follows from what
is left where it said so: one request, however many hosts there are. Where Placement is configured
to answer with only so many candidates, hosts that it leaves out are not counted.
"""

from __future__ import annotations

from collections.abc import Mapping

from query_api.lookups.placement import PLACEMENT, Candidates, Demand, wanted_of
from query_api.wire.objects import Summary
from query_api.wire.reading import Reading

# A provider that others share, such as a storage pool.
_SHARED = "MISC_SHARES_VIA_AGGREGATE"


# The providers that may give each resource class to a server on a host.
_Givers = dict[str, set[str]]


def fitting(reading: Reading, demand: Demand) -> dict[str, int]:
    """Return by host (the id of its resource provider) how many more of a demand fit there.

    Hosts that take none are left out. What hosts share counts once: who comes first, by id, has
    it. One request; raises CloudError.
    """
    answer = reading.one(
        "placement", "/allocation_candidates", Candidates, wanted_of(demand), PLACEMENT
    )
    known = answer.provider_summaries
    hosts: dict[str, _Givers] = {}
    for request in answer.allocation_requests:
        own = [provider for provider in request.allocations if not _is_shared(known[provider])]
        if own:
            givers = hosts.setdefault(known[own[0]].root_provider_uuid, {})
            for provider, allocation in request.allocations.items():
                for name in allocation.resources:
                    givers.setdefault(name, set()).add(provider)
    return _counted(hosts, demand, known)


def _counted(
    hosts: Mapping[str, _Givers], demand: Demand, known: Mapping[str, Summary]
) -> dict[str, int]:
    pools: dict[tuple[str, str], int] = {}
    found: dict[str, int] = {}
    for host, givers in sorted(hosts.items()):
        most: list[int] = []
        for name, amount in demand.resources.items():
            parts = {giver: _times(known[giver], name, amount) for giver in givers.get(name, ())}
            # What is left of a pool after the hosts before this one.
            most.append(sum(pools.get((giver, name), times) for giver, times in parts.items()))
        number = min(most, default=0)
        if number > 0:
            found[host] = number
            _take(pools, number, givers, demand, known)
    return found


def _take(
    pools: dict[tuple[str, str], int],
    number: int,
    givers: _Givers,
    demand: Demand,
    known: Mapping[str, Summary],
) -> None:
    """Take from shared pools what a host's own providers do not give."""
    for name, amount in demand.resources.items():
        shared = sorted(giver for giver in givers[name] if _is_shared(known[giver]))
        own = sum(_times(known[one], name, amount) for one in givers[name] - set(shared))
        left = number - own
        for giver in shared:
            there = pools.get((giver, name), _times(known[giver], name, amount))
            taken = max(0, min(left, there))
            pools[giver, name] = there - taken
            left -= taken


def _times(summary: Summary, name: str, amount: int) -> int:
    """Return how often an amount can still be taken from one provider."""
    held = summary.resources.get(name)
    return max(0, held.capacity - held.used) // amount if held else 0


def _is_shared(summary: Summary) -> bool:
    return _SHARED in summary.traits

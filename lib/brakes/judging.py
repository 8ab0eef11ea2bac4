"""Whether one more host may be taken in work: each brake as a sentence with its figures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from accounts.host_config import Brakes
from brakes.fleet import Fleet, FleetHost
from common.duration import Duration
from state.host_works import Work
from workflow_api import count, humanize, listed

_HOUR = 3600.0

ADVICE = (
    "Whoever has looked at the figures goes past the brakes with past_brakes=true, by hand only; "
    "or change the one that is named, in brakes of the configuration."
)


def since(brakes: Brakes) -> float:
    """Return for how long works on hosts are looked at, in seconds."""
    return max(_HOUR, brakes.cool_down)


def closed(
    brakes: Brakes, fleet: Fleet, wanted: Sequence[FleetHost], works: Iterable[Work]
) -> list[str]:
    """Return, in a sentence each, which brakes keep these hosts from being taken in work at once.

    Those of ``wanted`` that are in work already are no further ones.
    """
    known = list(works)
    busy = {work.subject: work for work in known if work.is_open}
    new = [host for host in wanted if host.subject not in busy]
    if not new:
        return []
    return [
        *_blind(brakes, fleet),
        *_cloud(brakes, fleet, new, busy),
        *_aggregates(brakes, fleet, new, busy),
        *_hourly(brakes, new, known),
        *_cooling(brakes, new, known),
    ]


def _blind(brakes: Brakes, fleet: Fleet) -> Iterator[str]:
    """Yield a reason if so many hosts are reported down that our own view is probably wrong."""
    most, all_ = brakes.blind_percent, len(fleet.hosts)
    down = [host.name for host in fleet.hosts if not host.up]
    if len(down) > 1 and len(down) * 100 > most * all_:
        yield (
            f"{len(down)} of {count(all_, 'host')} are said to be down ({listed(down)}), more than "
            f"brakes.blind_percent ({most}): what tells us so may be what is broken"
        )
    if fleet.unread:
        yield f"not all could be looked at: {'; '.join(fleet.unread)}"
        return
    odd = [host.name for host in fleet.hosts if host.name not in fleet.providers]
    if len(odd) > 1 and len(odd) * 100 > most * all_:
        yield (
            f"Placement does not know {len(odd)} of the {count(all_, 'host')} that Nova has "
            f"({listed(odd)}), more than brakes.blind_percent ({most})"
        )


def _cloud(
    brakes: Brakes, fleet: Fleet, new: Sequence[FleetHost], busy: dict[str, Work]
) -> Iterator[str]:
    if why := _too_many(fleet.hosts, new, busy, brakes.hosts_percent):
        yield f"{why} of the cloud, more than brakes.hosts_percent ({brakes.hosts_percent}) allows"


def _aggregates(
    brakes: Brakes, fleet: Fleet, new: Sequence[FleetHost], busy: dict[str, Work]
) -> Iterator[str]:
    most = brakes.aggregate_percent
    for aggregate in sorted({name for host in new for name in host.aggregates}):
        within = [host for host in fleet.hosts if aggregate in host.aggregates]
        mine = [host for host in new if aggregate in host.aggregates]
        if why := _too_many(within, mine, busy, most):
            bound = f"brakes.aggregate_percent ({most})"
            yield f"{why} of aggregate {aggregate}, more than {bound} allows"


def _too_many(
    hosts: Sequence[FleetHost], new: Sequence[FleetHost], busy: dict[str, Work], percent: int
) -> str:
    """Return how many hosts would be down or in work if those are too many, else nothing.

    One may be, however few there are: else a small cloud could never be maintained.
    """
    wanted = {host.subject for host in new}
    out = [host for host in hosts if not host.up or host.subject in busy]
    others = [host for host in out if host.subject not in wanted]
    most = max(1, len(hosts) * percent // 100)
    if len(others) + len(wanted) <= most:
        return ""
    already = f" ({listed(_state(host, busy) for host in others)})" if others else ""
    verb = "would be down or in work"
    return f"{len(others) + len(wanted)} of {count(len(hosts), 'host')} {verb}{already}"


def _state(host: FleetHost, busy: dict[str, Work]) -> str:
    work = busy.get(host.subject)
    return f"{host.name} in work by run {work.run}" if work else f"{host.name} down"


def _hourly(brakes: Brakes, new: Sequence[FleetHost], works: Sequence[Work]) -> Iterator[str]:
    young = sorted(work.age for work in works if work.age < _HOUR)
    if len(young) + len(new) > brakes.hosts_per_hour:
        after = f"; the oldest of them is out of the hour in {humanize(_HOUR - young[-1])}"
        yield (
            f"{len(young) + len(new)} hosts would be taken in work within an hour ({len(young)} "
            "were already), more than brakes.hosts_per_hour "
            f"({brakes.hosts_per_hour}){after if young else ''}"
        )


def _cooling(brakes: Brakes, new: Sequence[FleetHost], works: Sequence[Work]) -> Iterator[str]:
    newest = {work.subject: work.now - work.ended_at for work in works if work.ended_at is not None}
    for host in new:
        ago = newest.get(host.subject)
        if ago is not None and ago < brakes.cool_down:
            yield (
                f"work on {host.name} ended {humanize(ago)} ago, and brakes.cool_down is "
                f"{Duration(brakes.cool_down)}"
            )

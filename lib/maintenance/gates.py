"""What has to be so before a campaign goes on to its next hosts."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from accounts.cloud import Cloud
from brakes.judging import since
from hypervisors.hosts import Host, Hosts, hosts
from maintenance.budgets import PAST, over
from maintenance.settling import settle
from maintenance.windows import Window
from query_api.resources.inventories import Room
from state.failures import Failures
from state.host_works import HeldHostWorks
from workflow_api import Attempt, Paused, StepFailed, count, step

_HOUR = 3600.0
# A paused run is resumed a little after its time, by whatever clock.
_LITTLE = 5.0
# When a budget is looked at again that was used up.
_AGAIN = 300.0
_UTC = datetime.timezone.utc


class Next(msgspec.Struct):
    """What a gate is asked about: the hosts that are next, of one run, and what it was told."""

    attempt: Attempt
    cloud: Cloud
    number: int
    ids: list[str]
    stop_after: int
    window: str
    floor_percent: int
    spare_host: bool

    def known(self) -> list[Host]:
        """Return all hosts of the cloud."""
        return hosts(self.cloud, without_place=True).all


def _heed_failures(asked: Next) -> None:
    failed = asked.attempt.records(Failures).all()
    if len(failed) >= asked.stop_after:
        raise StepFailed(
            f"{count(len(failed), 'host')} failed, and the campaign stops after "
            f"{asked.stop_after}.",
            advice="See what is wrong with them; a new campaign goes on with the others.",
        )


def _heed_window(asked: Next) -> None:
    if not asked.window:
        return
    window, now = Window.parse(asked.window), datetime.datetime.fromtimestamp(time.time(), _UTC)
    opens = window.opens_at(now)
    if opens > now:
        raise Paused("Its window is closed.", opens.timestamp() + _LITTLE)


def _heed_pace(asked: Next) -> None:
    """Wait outside any process until the hour has room for these hosts."""
    brakes = asked.cloud.config.brakes
    known = asked.attempt.records(HeldHostWorks).within(since(brakes))
    ages = sorted(work.age for work in known if work.age < _HOUR)
    over = len(ages) + len(asked.ids) - brakes.hosts_per_hour
    if over > 0 and ages:
        oldest = ages[-min(over, len(ages))]
        raise Paused(
            f"{count(len(ages), 'host')} were taken in work within the hour.",
            time.time() + _HOUR - oldest + _LITTLE,
        )


def _heed_alerts(asked: Next) -> None:
    config = asked.cloud.config
    if config.maintenance.alerts:
        subjects = [host.hypervisor.subject for host in asked.known()]
        settle(asked.attempt, config, subjects, first=asked.number == 1)


def _heed_budgets(asked: Next) -> None:
    names = [host.service_host for host in asked.known() if host.id in asked.ids]
    if why := over(asked.cloud, names, at_once=at_once(asked.cloud, len(names))):
        raise Paused(f"{'; '.join(why)}. {PAST}", time.time() + _AGAIN)


def _heed_room(asked: Next) -> None:
    short = lacking(asked.cloud, asked.ids, asked.floor_percent, spare_host=asked.spare_host)
    if short:
        raise StepFailed(
            f"The cloud would have too little left: {'; '.join(short)}.",
            advice="A new campaign goes past that with a lower floor_percent, or with "
            "spare_host=false.",
        )


#: What is judged before hosts are begun, in this order: the first that is closed says so.
GATES: Mapping[str, Callable[[Next], None]] = {
    "failures": _heed_failures,
    "window": _heed_window,
    "pace": _heed_pace,
    "alerts": _heed_alerts,
    "budgets": _heed_budgets,
    "room": _heed_room,
}
#: Those that are judged for a single host, too, and that skip can name.
OF_A_HOST = ("alerts", "budgets")


@step(
    "maintenance.gate",
    "see whether {hosts} may be next",
    key="{number}",
    changes=False,
)
def gate(
    attempt: Attempt,
    cloud: Cloud,
    number: int,
    hosts: str,
    ids: list[str],
    stop_after: int = 1,
    window: str = "",
    floor_percent: int = 0,
    spare_host: bool = False,
    judged: list[str] | None = None,
) -> dict[str, Any]:
    """Let the next hosts be begun, or pause the run until they may be; ``judged`` are the gates.

    Raises StepFailed once as many hosts have failed as the campaign stops after, or if the cloud
    would have too little left; Paused outside its window, where the pace would be too fast, while
    alerts fire or have not settled, and while a disruption budget is used up.
    """
    asked = Next(attempt, cloud, number, ids, stop_after, window, floor_percent, spare_host)
    for name in judged if judged is not None else GATES:
        GATES[name](asked)
    return {"said": "they may be"}


def at_once(cloud: Cloud, number: int) -> int:
    """Return how many servers are moved at once, at most, while so many hosts are drained."""
    return cloud.config.limits.max_parallel * number


def lacking(cloud: Cloud, ids: Sequence[str], floor_percent: int, *, spare_host: bool) -> list[str]:
    """Return, in a sentence each, where the cloud would have too little left without these hosts.

    Of what the other usable hosts can give away, at least ``floor_percent`` has to be free once
    they have taken what runs here; with ``spare_host`` one more host must be able to be lost then.
    Both over the cloud, and in each aggregate of these hosts. A handful of requests.
    """
    from query_api.resources import inventories
    from query_api.wire.reading import Reading

    found, reading = hosts(cloud, without_place=True), Reading(cloud)
    rooms = inventories.rooms(reading, [host.id for host in found.all])
    if reasons := [*found.reasons, *reading.reasons]:
        return [f"not all could be read: {what}: {why}" for what, why in reasons]
    names = {name for host in found.all if host.id in ids for name in host.aggregates}
    short = _short("the cloud", found, rooms, ids, floor_percent, spare_host, None)
    for name in sorted(names):
        short += _short(f"aggregate {name}", found, rooms, ids, floor_percent, spare_host, name)
    return short


def _short(
    where: str,
    found: Hosts,
    rooms: Mapping[str, Room],
    ids: Sequence[str],
    floor_percent: int,
    spare_host: bool,
    aggregate: str | None,
) -> list[str]:
    within = [host for host in found.all if aggregate is None or aggregate in host.aggregates]
    others = [rooms[host.id] for host in within if host.usable and host.id not in ids]
    leaving = [rooms[host.id] for host in within if host.id in ids]
    short = []
    for name in sorted({name for room in [*leaving, *others] for name in room.capacity}):
        whole = sum(room.capacity.get(name, 0) for room in others)
        free = sum(room.free.get(name, 0) for room in others)
        free -= sum(room.used.get(name, 0) for room in leaving)
        # Its servers need what is free elsewhere, and its own free room is gone with it.
        having = [room.capacity[name] for room in others if room.capacity.get(name)]
        if free * 100 < whole * floor_percent:
            share = f"{free} of {whole} {name}"
            short.append(f"{share} free in {where}, less than {floor_percent} %")
        elif spare_host and len(having) > 1 and free < max(having):
            largest = f"{free} {name} free, and {max(having)} in the largest"
            short.append(f"{where} could not lose one more host, with {largest}")
    return short

"""What has to be so before a campaign goes on to its next hosts."""

from __future__ import annotations

import datetime
import time
from collections.abc import Mapping, Sequence
from typing import Any

from accounts.cloud import Cloud
from brakes.judging import since
from hypervisors.hosts import Hosts, hosts
from maintenance.windows import Window
from query_api.resources.inventories import Room
from state.failures import Failures
from state.host_works import HeldHostWorks
from workflow_api import Attempt, Paused, StepFailed, count, step

_HOUR = 3600.0
# A paused run is resumed a little after its time, by whatever clock.
_LITTLE = 5.0
_CLASSES = ("VCPU", "MEMORY_MB", "DISK_GB")
_UTC = datetime.timezone.utc


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
    stop_after: int,
    window: str,
    floor_percent: int,
    spare_host: bool,
) -> dict[str, Any]:
    """Let the next hosts of a campaign be begun, or pause it until they may be.

    Raises StepFailed once as many hosts have failed as the campaign stops after, or if the cloud
    would have too little left; Paused outside its window, and where the pace would be too fast.
    """
    failed = attempt.records(Failures).all()
    if len(failed) >= stop_after:
        raise StepFailed(
            f"{count(len(failed), 'host')} failed, and the campaign stops after {stop_after}.",
            advice="See what is wrong with them; a new campaign goes on with the others.",
        )
    _heed_window(window)
    _heed_pace(attempt, cloud, ids)
    if short := lacking(cloud, ids, floor_percent, spare_host=spare_host):
        raise StepFailed(f"The cloud would have too little left: {'; '.join(short)}.")
    return {"said": "they may be"}


def _heed_window(text: str) -> None:
    if not text:
        return
    window, now = Window.parse(text), datetime.datetime.fromtimestamp(time.time(), _UTC)
    opens = window.opens_at(now)
    if opens > now:
        raise Paused("Its window is closed.", opens.timestamp() + _LITTLE)


def _heed_pace(attempt: Attempt, cloud: Cloud, ids: Sequence[str]) -> None:
    """Wait outside any process until the hour has room for these hosts."""
    brakes = cloud.config.brakes
    known = attempt.records(HeldHostWorks).within(since(brakes))
    ages = sorted(work.age for work in known if work.age < _HOUR)
    over = len(ages) + len(ids) - brakes.hosts_per_hour
    if over > 0 and ages:
        oldest = ages[-min(over, len(ages))]
        raise Paused(
            f"{count(len(ages), 'host')} were taken in work within the hour.",
            time.time() + _HOUR - oldest + _LITTLE,
        )


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
    for name in _CLASSES:
        whole = sum(room.capacity.get(name, 0) for room in others)
        free = sum(room.free.get(name, 0) for room in others)
        free -= sum(room.used.get(name, 0) for room in leaving)
        # Its servers need what is free elsewhere, and its own free room is gone with it.
        largest = max((room.capacity.get(name, 0) for room in others), default=0)
        if free * 100 < whole * floor_percent:
            share = f"{free} of {whole} {name}"
            short.append(f"{share} free in {where}, less than {floor_percent} %")
        elif spare_host and len(others) > 1 and free < largest:
            short.append(f"{where} could not lose one more host, with {free} {name} free")
    return short

"""Snapshots that have grown old, and ours that should be gone by now."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from audits.findings import Finding, Part
from keeping.marks import FORMER, KEEP_UNTIL
from query_api.execution.query import query
from query_api.language import times
from query_api.language.conditions import any_of, test
from workflow_api import clean

_GIB = 1 << 30
_MARKS = (KEEP_UNTIL, FORMER[KEEP_UNTIL])


def old_snapshots(part: Part, older_than: float) -> Iterator[Finding]:
    """Yield the snapshots of one cloud older than so many seconds, or kept longer than promised.

    One that somebody promised to keep for longer is left out, however old it is.
    """
    of_volumes = (
        query("volume_snapshot")
        .select("id", "name", "project_id", "created_at", "size", "volume.user_id", "volume_id")
        .select(*(f"metadata.{mark}" for mark in _MARKS))
    )
    of_servers = (
        query("image")
        .where(
            any_of(
                test("image_type", "equal_to", "snapshot"),
                # The image of a server that boots from a volume; the data are volume snapshots.
                test("properties", "has_key", "block_device_mapping"),
                *(test("properties", "has_key", mark) for mark in _MARKS),
            )
        )
        .select("id", "name", "project_id", "created_at", "size", "user_id", "instance_uuid")
        .select(*(f"properties.{mark}" for mark in _MARKS))
    )
    volumes, servers = part.read_all([of_volumes, of_servers])
    for row in volumes[0]:
        act = f"openstack volume snapshot delete {clean(row[0])}"
        size = None if row[4] is None else row[4] * _GIB
        yield from _found(part, "volume_snapshot", row, older_than, act, size)
    for row in servers[0]:
        act = f"openstack image delete {clean(row[0])}"
        yield from _found(part, "server_snapshot", row, older_than, act, row[4])


def _found(
    part: Part, kind: str, row: tuple[Any, ...], older_than: float, act: str, size: int | None
) -> Iterator[Finding]:
    id, name, project, created, _size, user, of, *marks = row
    keep = next((mark for mark in marks if mark is not None), None)
    until = _day(keep)
    if until is not None and until >= f"{part.now:%Y-%m-%d}":
        return
    whys = []
    if until is not None:
        whys.append(f"it was to be kept until {until}")
    elif keep is not None:
        whys.append(f"its {KEEP_UNTIL} is no date: {clean(keep)[:40]}")
    if created is not None and part.is_older(created, older_than):
        whys.append(f"it is {_days(part.now, created)} days old")
    if whys:
        what = "volume" if kind == "volume_snapshot" else "server"
        yield Finding(
            kind=kind,
            id=id,
            name=name,
            why=", and ".join(whys),
            act=act,
            created_at=created,
            project_id=project,
            user_id=user,
            more={"size": size, "of": of and f"{what} {of}"},
        )


def _day(text: str | None) -> str | None:
    """Return the UTC day of a date or a time; None if it is neither."""
    try:
        return times.normal(text)[:10] if text else None
    except ValueError:
        return None


def _days(now: datetime, created: str) -> int:
    return (now - datetime.fromisoformat(f"{created[:19]}+00:00")).days

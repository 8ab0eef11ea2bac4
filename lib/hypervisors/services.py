"""The nova-compute services behind hypervisors: whether they are heard of, and since when not."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from accounts.cloud import Cloud
from query_api.execution.query import query
from query_api.lookups import things
from query_api.lookups.things import Thing


class ComputeService(msgspec.Struct, frozen=True):
    """One service; ``silent`` is for how many seconds it has not been heard of, None if unknown."""

    id: str
    host: str
    state: str
    status: str
    forced_down: bool
    silent: float | None


def compute_services(cloud: Cloud) -> Mapping[str, ComputeService]:
    """Return the compute services by host, in one request.

    For how long one has been silent is told by the cloud's own times: since it was heard of last
    until any of them was. Our clock is never compared. Raises CloudError.
    """
    known = things.of_query(cloud, query("compute_service").where("binary", "equal_to", _BINARY))
    heard = {one.host: _moment(one) for one in known}
    newest = max((moment for moment in heard.values() if moment is not None), default=None)
    return {one.host: _service(one, heard[one.host], newest) for one in known}


def compute_service(cloud: Cloud, host: str) -> ComputeService | None:
    """Return the compute service of a host as it is now, None if there is none."""
    return compute_services(cloud).get(host)


_BINARY = "nova-compute"


def _service(one: Thing, heard: datetime | None, newest: datetime | None) -> ComputeService:
    silent = (newest - heard).total_seconds() if newest and heard else None
    forced = bool(one.forced_down)
    id = one.values["id"] or ""  # what is not read has none
    return ComputeService(id, one.host, one.state, one.status, forced, silent)


def _moment(one: Thing) -> datetime | None:
    try:
        return datetime.fromisoformat(str(one.updated_at).replace("Z", "+00:00"))
    except ValueError:
        return None

"""Where a volume is attached, by Nova's and by Cinder's records, which can disagree."""

from __future__ import annotations

from typing import Any

import msgspec

from accounts.cloud import Cloud, not_there
from common.errors import CloudError
from query_api.execution.query import query
from query_api.lookups import things
from query_api.wire.reader import one

# From which microversions on Cinder has records of attachments, and Nova tells theirs.
_CINDER, _NOVA = "3.27", "2.89"


class Record(msgspec.Struct):
    """Cinder's record of an attachment; ``instance`` is the server, None for one of a host."""

    id: str
    status: str = ""
    instance: str | None = None


class AtNova(msgspec.Struct, rename="camel"):
    """Nova's record of a volume on a server; ``attachment_id`` is Cinder's, None if not told."""

    server_id: str
    attachment_id: str | None = msgspec.field(name="attachment_id", default=None)


class Attached(msgspec.Struct, frozen=True):
    """What both say of one volume.

    ``records`` are Cinder's, ``nova`` Nova's, by the server; ``servers`` are the names of the
    servers in either, by id: None for one that is gone.
    """

    records: tuple[Record, ...]
    nova: dict[str, AtNova]
    servers: dict[str, str | None]


class _Records(msgspec.Struct):
    attachments: list[Record]


class _OfServer(msgspec.Struct):
    attachment: AtNova = msgspec.field(name="volumeAttachment")


def attached(cloud: Cloud, volume: Any) -> Attached:
    """Return where a volume is attached.

    It costs a request to Cinder, a listing of the project's servers, and two requests for each
    server that either names. Raises CloudError if any of it cannot be read.
    """
    known = records(cloud, volume.id)
    having = query("server").where("project_id", "equal_to", volume.project_id)
    having = having.where("volume_ids", "contains", volume.id)
    servers: dict[str, str | None] = {it.id: it.name for it in things.of_query(cloud, having)}
    for id in sorted({record.instance for record in known if record.instance}):
        if id not in servers:
            found = things.look(cloud, "server", id)
            servers[id] = found.name if found else None
    nova = {id: has for id in servers if (has := _at_nova(cloud, id, volume.id))}
    return Attached(tuple(known), nova, servers)


def records(cloud: Cloud, volume: str) -> list[Record]:
    """Return Cinder's records of a volume's attachments, in one request. Raises CloudError."""
    params = {"all_tenants": "1", "volume_id": volume}
    path, version = "/attachments/detail", _CINDER
    return one(
        cloud, "block-storage", path, _Records, params=params, microversion=version
    ).attachments


def _at_nova(cloud: Cloud, server: str, volume: str) -> AtNova | None:
    version = _NOVA if cloud.supports("compute", _NOVA) else None
    path = f"/servers/{server}/os-volume_attachments/{volume}"
    try:
        return one(cloud, "compute", path, _OfServer, microversion=version).attachment
    except CloudError as error:
        if not_there(error):
            return None
        raise

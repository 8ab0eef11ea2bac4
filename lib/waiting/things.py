"""How servers and images are seen by whoever waits for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from accounts.cloud import Cloud, not_there
from common.errors import CloudError
from query_api.lookups import compute, things
from query_api.lookups.compute_types import Server
from waiting.tables import FEW, listed_by_table
from waiting.watching import Awaited

# Glance's states that end by themselves.
_AT_WORK = frozenset({"saving", "uploading", "importing", "pending_delete"})


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """Things of one kind, as waiting.watching.Watched."""

    name: str
    look: Callable[[Cloud, str], Any]
    look_many: Callable[[Cloud, Awaited], Mapping[str, Any]] | None = None
    few: int = 1
    busy: Callable[[Any], str] = lambda thing: ""
    changed_at: Callable[[Any], float | None] = lambda thing: None


def _server(cloud: Cloud, id: str) -> Server | None:
    try:
        return compute.server(cloud, id)
    except CloudError as error:
        if not_there(error):
            return None
        raise


SERVERS = Kind(
    name="server",
    look=_server,
    look_many=lambda cloud, wanted: compute.changed_servers(cloud, wanted.ids, wanted.since),
    # Nova has no task for a new server before it is scheduled.
    busy=lambda server: server.task_state or ("building" if server.status == "BUILD" else ""),
    changed_at=lambda server: compute.moment(server.updated),
)
IMAGES = Kind(
    name="image",
    look=lambda cloud, id: things.look(cloud, "image", id),
    look_many=listed_by_table("image"),
    few=FEW,
    busy=lambda image: image.status if image.status in _AT_WORK else "",
)

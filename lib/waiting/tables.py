"""How many things of a resource of the query are seen at once, while they are waited for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from accounts.cloud import Cloud
from query_api.lookups import things
from waiting.watching import Awaited

# So many things are asked for one by one where a listing may take more than one request.
FEW = 3


def listed_by_table(kind: str) -> Callable[[Cloud, Awaited], Mapping[str, Any]]:
    """Return the ``look_many`` of a subject over a resource of the query whose state is its task.

    A service that lists by ids shows all of them; else a listing shows those still at work.
    """
    return lambda cloud, wanted: things.look_many(cloud, kind, wanted.ids, wanted.tasks)

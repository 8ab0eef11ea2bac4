"""What uses a flavor or an image: how many servers, how many volumes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from accounts.cloud import Cloud
from common.errors import CloudError
from common.text import count, listed
from query_api.execution.query import Query, query
from query_api.lookups.things import Thing
from query_api.wire.objects import Id
from query_api.wire.reader import one

# Nova gives no more in one answer, whatever is asked for.
_PAGE = 1000


class _Servers(msgspec.Struct):
    servers: list[Id]
    servers_links: list[dict[str, str]] = []


def servers_with(cloud: Cloud, flavor: Thing) -> int:
    """Return how many servers of all projects have a flavor. Raises CloudError.

    Nova is asked by the flavor's id first, which is one request for a thousand servers. Servers
    whose flavor was deleted and created again carry only its name; so where none is found by the
    id, all servers are read and compared by the flavor's name.
    """
    return _servers_by_id(cloud, flavor.id) or servers_named(cloud, flavor.name)


def servers_named(cloud: Cloud, flavor: str) -> int:
    """Return how many servers carry the name of a flavor, which reads them all."""
    return _counted(cloud, query("server").where("flavor.name", "equal_to", flavor))


def servers_from(cloud: Cloud, image: str) -> int:
    """Return how many servers of all projects were booted from the image of this id."""
    return _counted(cloud, query("server").where("image_id", "equal_to", image))


def volumes_from(cloud: Cloud, image: str) -> int:
    """Return how many volumes of all projects were made of the image of this id."""
    return _counted(cloud, query("volume").where("image_id", "equal_to", image))


def of_images(cloud: Cloud, images: Collection[str]) -> dict[str, tuple[int, int]]:
    """Return how many servers and volumes of all projects came from each of these images, by id.

    The volumes are listed once for all of the images; the servers, which Nova lists by image, once
    for each of a few images and once for many. Raises CloudError.
    """
    if not images:
        return {}
    servers, volumes = (_numbers(cloud, kind, images) for kind in ("server", "volume"))
    return {image: (servers[image], volumes[image]) for image in images}


def users(servers: int, volumes: int) -> str:
    """Return in words how many servers and volumes came from something; "" if none did."""
    known = ((servers, "server"), (volumes, "volume"))
    return listed(count(number, word) for number, word in known if number)


def _numbers(cloud: Cloud, kind: str, images: Collection[str]) -> Counter[str]:
    asked = query(kind).where("image_id", "any_in", *sorted(images)).select("image_id")
    return Counter(image for (image,) in _rows(cloud, asked))


def _servers_by_id(cloud: Cloud, flavor: str) -> int:
    found, marker = 0, None
    while True:
        params = {"all_tenants": 1, "flavor": flavor, "limit": _PAGE, "marker": marker}
        page = one(cloud, "compute", "/servers", _Servers, params=params)
        found += len(page.servers)
        # A last page that happens to be full has a link too: the page after it is empty.
        if not page.servers or not page.servers_links:
            return found
        marker = page.servers[-1].id


def _counted(cloud: Cloud, asked: Query) -> int:
    return len(_rows(cloud, asked.select("id")))


def _rows(cloud: Cloud, asked: Query) -> Sequence[Sequence[Any]]:
    """Return the rows that a query finds; raises CloudError if not everything could be read."""
    answer = asked.run([cloud])
    if answer.reasons:
        what, why = answer.reasons[0]
        raise CloudError(f"Not everything could be read ({what}): {why}")
    return answer.rows

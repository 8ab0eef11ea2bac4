"""Many tiny servers, for benchmarks."""

import time
from collections.abc import Callable

from devcloud.errors import DevcloudError
from devcloud.seeding.foundations import seed_images
from devcloud.seeding.site import Collection, Site, answer, delete_server, list_servers

PREFIX = "scale-"
A_REQUEST = 50
"""Servers in one request: more make Nova's conductor the only one that works."""
LIMIT = 1800
TINY = {"vcpus": 1, "ram": 64, "disk": 1}
IMAGE = {"name": "scale", "min_disk": 0, "properties": {}}


def scale_to(site: Site, count: int) -> None:
    """Have `count` servers without ports, reusing those that are there."""
    there = _servers(site)
    if len(there) > count:
        _delete(site, there[count:], left=count)
    elif len(there) < count:
        _boot(site, len(there), count)


def _boot(site: Site, have: int, count: int) -> None:
    flavors = Collection(site, "compute", "/flavors", "flavor", "/detail?is_public=None")
    flavor = flavors.ensure({"name": "scale.tiny"}, TINY)
    seed_images(site, {"images": [IMAGE]})

    def boot(number: int) -> None:
        server = {
            "name": f"{PREFIX}{time.time_ns():x}",
            "flavorRef": flavor["id"],
            "imageRef": site.ids["image", IMAGE["name"]],
            "networks": "none",
            "min_count": (size := min(A_REQUEST, count - number)),
            "max_count": size,
        }
        answer(site.admin.compute.post("/servers", json={"server": server}))

    site.each(boot, range(have, count, A_REQUEST))
    _wait_for(site, lambda rows: len(rows) >= count and all(map(_is_settled, rows)), "booted")
    failed = [row for row in _servers(site) if row["status"] == "ERROR"]
    if failed:
        _delete(site, failed, left=count - len(failed))
        raise DevcloudError(f"{len(failed)} of {count} servers failed to boot and were deleted")
    site.did(f"{count - have} servers more, {count} now")


def _delete(site: Site, rows: list[dict], left: int) -> None:
    def delete(row: dict) -> None:
        delete_server(site, row["id"])

    site.each(delete, rows)
    _wait_for(site, lambda now: len(now) <= left, "deleted")
    site.did(f"{len(rows)} servers deleted, {left} left")


def _wait_for(site: Site, is_so: Callable[[list[dict]], bool], what: str) -> None:
    end = time.monotonic() + LIMIT
    while not is_so(_servers(site)):
        if time.monotonic() > end:
            raise DevcloudError(f"not all servers were {what} within {LIMIT} s")
        time.sleep(2)


def _is_settled(row: dict) -> bool:
    return row["status"] in ("ACTIVE", "ERROR")


def _servers(site: Site) -> list[dict]:
    """The servers of this kind; at an old microversion, which costs Nova half as much."""
    return list_servers(site, microversion="2.1", name=f"^{PREFIX}")

"""Volumes and server groups: made by their owners, because they cannot be made for somebody."""

import time

from devcloud.errors import DevcloudError
from devcloud.seeding.site import Collection, Site, answer

ALL = "/detail?all_tenants=1"
LIMIT = 60


def seed_volumes(site: Site, estate: dict) -> None:
    """Every volume, available or attached, bootable where it shall be."""
    everyones = Collection(site, "block_storage", "/volumes", "volume", ALL)

    def seed_volume(wanted: dict) -> None:
        owner = site.owner(wanted["user"], wanted["project"])
        volume = everyones.find(name=wanted["name"])
        if volume is None:
            volume = everyones.ensure({"name": wanted["name"]}, {"size": wanted["size"]}, by=owner)
            _wait_until_available(site, volume)
        if wanted.get("bootable") and volume["bootable"] != "true":
            path = f"/volumes/{volume['id']}/action"
            body = {"os-set_bootable": {"bootable": True}}
            answer(owner.block_storage.post(path, json=body))
        site.ids["volume", wanted["name"]] = volume["id"]

    site.each(seed_volume, estate["volumes"])


def _wait_until_available(site: Site, volume: dict) -> None:
    end = time.monotonic() + LIMIT
    while (status := site.admin.block_storage.get_volume(volume["id"]).status) != "available":
        if status == "error" or time.monotonic() > end:
            raise DevcloudError(f"volume {volume['name']} is {status}: see log/cinder-volume.log")
        time.sleep(0.3)


def seed_server_groups(site: Site, estate: dict) -> None:
    """Groups of servers that keep apart."""
    groups = Collection(site, "compute", "/os-server-groups", "server_group", "?all_projects=True")
    for wanted in estate["server_groups"]:
        group = groups.ensure(
            {"name": wanted["name"]},
            {"policy": wanted["policy"]},
            within={"project_id": site.ids["project", wanted["project"]]},
            by=site.owner(wanted["user"], wanted["project"]),
        )
        site.ids["group", wanted["name"]] = group["id"]

"""The servers of the estate: each on its host, with its owner, in its state."""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator

from devcloud.errors import DevcloudError
from devcloud.seeding.foundations import grant, revoke
from devcloud.seeding.site import Collection, Site, answer, delete_server, list_servers

LIMIT = 180
PAUSE = 0.5

TO_ACTIVE = {
    "SHUTOFF": {"os-start": None},
    "PAUSED": {"unpause": None},
    "SUSPENDED": {"resume": None},
    "RESCUE": {"unrescue": None},
    "SHELVED_OFFLOADED": {"unshelve": None},
    "VERIFY_RESIZE": {"confirmResize": None},
    "ERROR": {"os-resetState": {"state": "active"}},
}
FROM_ACTIVE = {
    "SHUTOFF": {"os-stop": None},
    "PAUSED": {"pause": None},
    "SUSPENDED": {"suspend": None},
    "ERROR": {"os-resetState": {"state": "error"}},
}


class Servers:
    """The wanted servers, and those that are there."""

    def __init__(self, site: Site, estate: dict) -> None:
        self._site = site
        self.wanted: list[dict] = estate["servers"]
        self.there: dict[str, dict] = {}

    def look(self) -> None:
        """List them by project, so that thousands for a benchmark are not read as well."""
        projects = {self._site.ids["project", wanted["project"]] for wanted in self.wanted}
        pages = self._site.each(lambda id_: list_servers(self._site, project_id=id_), projects)
        self.there = {row["name"]: row for rows in pages for row in rows}

    def boot_missing(self) -> None:
        """Boot what is not there; what failed to boot is removed first, and booted again."""
        self._remove_failed()
        missing = [wanted for wanted in self.wanted if wanted["name"] not in self.there]
        if not missing:
            return
        owners = {(wanted["user"], wanted["project"]) for wanted in missing}
        with as_administrators(self._site, owners):
            self._site.each(self._boot, missing)
        self._settle(missing, lambda wanted, row: row["status"] != "BUILD")
        for wanted in missing:
            self._refuse_wrong_boot(wanted, self.there[wanted["name"]])

    def have_states(self) -> None:
        """Bring every server into its state, and lock those that are locked."""
        self._walk(lambda wanted: wanted.get("state", "ACTIVE"))
        for wanted in self.wanted:
            if wanted.get("locked") and not self.there[wanted["name"]]["locked"]:
                self._act(wanted, {"lock": {"locked_reason": wanted["locked"]}})

    def have_hosts(self) -> None:
        """Live-migrate every server that has left its host back to it."""
        away = [wanted for wanted in self.wanted if self._is_away(wanted)]
        self._walk(lambda wanted: "ACTIVE", away)
        for wanted in away:
            self._act(
                wanted, {"os-migrateLive": {"host": wanted["host"], "block_migration": "auto"}}
            )
        self._settle(away, lambda wanted, row: not self._is_away(wanted))

    def have_volumes(self, volumes: Collection) -> None:
        """Attach the volumes that are not attached."""
        for wanted in self.wanted:
            server_id = self.there[wanted["name"]]["id"]
            for name in wanted.get("volumes", ()):
                volume = volumes.find(name=name)
                if volume and volume["status"] == "in-use":
                    continue
                path = f"/servers/{server_id}/os-volume_attachments"
                body = {"volumeAttachment": {"volumeId": self._site.ids["volume", name]}}
                answer(self._site.admin.compute.post(path, json=body))
                self._site.did(f"volume {name} attached to {wanted['name']}")

    def ports(self) -> dict[str, str]:
        """The port of each server."""
        listing = answer(self._site.admin.network.get("/ports?fields=id&fields=device_id"))
        ports = {port["device_id"]: port["id"] for port in listing["ports"]}
        return {name: ports[row["id"]] for name, row in self.there.items() if row["id"] in ports}

    # -- booting

    def _boot(self, wanted: dict) -> None:
        ids = self._site.ids
        groups = wanted.get("security_groups", ["default"])
        server = {
            "name": wanted["name"],
            "flavorRef": ids["flavor", wanted["flavor"]],
            "networks": [{"uuid": ids["network", wanted["project"]]}],
            "security_groups": [{"name": name} for name in groups],
            "metadata": wanted.get("metadata", {}),
            "tags": wanted.get("tags", []),
            **({"host": wanted["host"]} if "host" in wanted else {}),
            **self._source(wanted),
        }
        hints = {"group": ids["group", wanted["group"]]} if "group" in wanted else {}
        body = {"server": server, "os:scheduler_hints": hints}
        owner = self._site.owner(wanted["user"], wanted["project"])
        answer(owner.compute.post("/servers", json=body))
        self._site.did(f"server {wanted['name']} on {wanted.get('host', 'no host')}")

    def _source(self, wanted: dict) -> dict:
        if "image" in wanted:
            return {"imageRef": self._site.ids["image", wanted["image"]]}
        volume = {
            "boot_index": 0,
            "uuid": self._site.ids["volume", wanted["boot_volume"]],
            "source_type": "volume",
            "destination_type": "volume",
        }
        return {"block_device_mapping_v2": [volume]}

    def _remove_failed(self) -> None:
        failed = [
            wanted
            for wanted in self.wanted
            if (row := self.there.get(wanted["name"])) and "host" in wanted and _has_no_host(row)
        ]
        for wanted in failed:
            row = self.there.pop(wanted["name"])
            delete_server(self._site, row["id"])
            self._site.did(f"server {wanted['name']} removed: it had failed to boot")

    def _refuse_wrong_boot(self, wanted: dict, row: dict) -> None:
        if "host" in wanted and row["status"] == "ERROR":
            why = row.get("fault", {}).get("message", "no reason given")
            raise DevcloudError(f"server {wanted['name']} did not boot on {wanted['host']}: {why}")

    # -- states and hosts

    def _walk(self, state_of: Callable[[dict], str], which: Iterable[dict] | None = None) -> None:
        """To another state, by way of ACTIVE."""
        wrong = [
            wanted
            for wanted in (self.wanted if which is None else which)
            if self.there[wanted["name"]]["status"] != state_of(wanted) and "host" in wanted
        ]
        not_active = [w for w in wrong if self.there[w["name"]]["status"] != "ACTIVE"]
        for wanted in not_active:
            status = self.there[wanted["name"]]["status"]
            if status not in TO_ACTIVE:
                raise DevcloudError(f"server {wanted['name']} is {status}: delete it, seed again")
            self._act(wanted, TO_ACTIVE[status])
        self._settle(not_active, lambda wanted, row: row["status"] == "ACTIVE")
        leaving = [wanted for wanted in wrong if state_of(wanted) != "ACTIVE"]
        for wanted in leaving:
            self._act(wanted, FROM_ACTIVE[state_of(wanted)])
        self._settle(leaving, lambda wanted, row: row["status"] == state_of(wanted))

    def _is_away(self, wanted: dict) -> bool:
        row = self.there[wanted["name"]]
        return "host" in wanted and row["OS-EXT-SRV-ATTR:host"] != wanted["host"]

    def _act(self, wanted: dict, action: dict) -> None:
        path = f"/servers/{self.there[wanted['name']]['id']}/action"
        answer(self._site.admin.compute.post(path, json=action))
        self._site.did(f"server {wanted['name']}: {next(iter(action))}")

    def _settle(self, which: list[dict], is_so: Callable[[dict, dict], bool]) -> None:
        """Wait, looking at all servers at once, until it is so for all of these."""
        end = time.monotonic() + LIMIT
        left = which
        while left:
            self.look()
            rows = [(wanted, self.there.get(wanted["name"])) for wanted in left]
            left = [
                wanted
                for wanted, row in rows
                if row is None or row["OS-EXT-STS:task_state"] or not is_so(wanted, row)
            ]
            if left and time.monotonic() > end:
                names = ", ".join(wanted["name"] for wanted in left)
                raise DevcloudError(f"nova did not finish in {LIMIT} s with {names}")
            if left:
                time.sleep(PAUSE)


@contextlib.contextmanager
def as_administrators(site: Site, owners: set[tuple[str, str]]) -> Iterator[None]:
    """Nova lets only administrators choose a host, and a server's owner is who boots it.

    So for this moment the owners are administrators of their projects. If it is never taken back,
    because the seed was killed, the next seed does.
    """
    for user, project in sorted(owners):
        grant(site, user, project, "admin")
    site.forget_owners()
    try:
        yield
    finally:
        for user, project in sorted(owners):
            revoke(site, user, project, "admin")
        site.forget_owners()


def _has_no_host(row: dict) -> bool:
    return row["status"] == "ERROR" and not row["OS-EXT-SRV-ATTR:host"]

"""Things of a real cloud on which verbs have something to do, made and looked at without our
runbooks: a stand for each subject, as tests/support/verb_stands.py has them for the fake cloud."""

from __future__ import annotations

import uuid
from typing import Any, Protocol

from examples import example
from support.cloud_server_stands import ServerBirthOnCloud, ServerOnCloud
from support.cloud_site import Site
from support.cloud_volume_stands import SnapshotOnCloud, VolumeOnCloud
from support.image_stands import ImageOnCloud
from support.proxy import Match
from support.verb_stands import SUBJECT
from verbs.creation import Creation
from verbs.verb import Verb


class CloudStand(Protocol):
    """One thing of a real cloud."""

    #: What is sent to change it.
    change: Match

    def parameters(self) -> dict[str, Any]:
        """Return what an action is about, and what of its example is otherwise here."""

    def is_as_it_should(self) -> bool:
        """Return whether the cloud's own API shows the thing where the verb leads."""

    def facts(self) -> dict[str, Any]:
        """Return how it is, to be compared."""


class FlavorOnCloud:
    """A flavor that is not public."""

    def __init__(self, site: Site, verb: Verb) -> None:
        self._site, self._verb = site, verb
        self.change = Match("compute", "DELETE" if verb.gone else "POST", "/flavors/")
        self._name = site.flavor(public=False)
        access = verb.name in ("flavor.grant", "flavor.revoke")
        self._project = site.project() if access else ""
        if verb.name == "flavor.revoke":
            site.sdk.compute.flavor_add_tenant_access(self._shown["id"], self._project)

    @property
    def _shown(self) -> dict[str, Any]:
        return self._site.find_flavor(self._name) or {}

    def parameters(self) -> dict[str, Any]:
        to = {"project": self._project} if self._project else {}
        return {"flavor": self._name, **to}

    def is_as_it_should(self) -> bool:
        shown = self._shown
        wanted = {
            "flavor.delete": {},
            "flavor.grant": {"access": [self._project]},
            "flavor.revoke": {"access": []},
            "flavor.update": {
                "extra_specs": {"hw:cpu_policy": "shared", "hw:mem_page_size": "large"}
            },
        }[self._verb.name]
        return bool(shown) is not self._verb.gone and wanted.items() <= shown.items()

    def facts(self) -> dict[str, Any]:
        return self._shown


class AggregateOnCloud:
    """An aggregate without a zone: hosts may join it whatever is on them."""

    def __init__(self, site: Site, verb: Verb) -> None:
        self._site, self._verb = site, verb
        self.change = Match("compute", "DELETE" if verb.gone else "POST", "/os-aggregates/")
        self._id = site.aggregate(f"proof-{uuid.uuid4().hex[:8]}")
        api = site.sdk.compute
        api.post(
            f"/os-aggregates/{self._id}/action",
            json={"set_metadata": {"metadata": {"old": "1"}}},
        ).raise_for_status()
        if verb.name == "aggregate.remove_host":
            api.add_host_to_aggregate(self._id, site.source)

    def parameters(self) -> dict[str, Any]:
        host = {"hypervisor": self._site.source} if "_host" in self._verb.name else {}
        return {"aggregate": self._id, **host}

    def is_as_it_should(self) -> bool:
        hosts = [self._site.source] if self._verb.name == "aggregate.add_host" else []
        updated = {"ssd": "true", "tier": "gold"}
        metadata = updated if self._verb.name == "aggregate.update" else {"old": "1"}
        wanted = {} if self._verb.gone else {"hosts": hosts, "metadata": metadata}
        return self.facts() == wanted

    def facts(self) -> dict[str, Any]:
        answer = self._site.sdk.compute.get(f"/os-aggregates/{self._id}")
        shown = answer.json().get("aggregate", {})
        return {name: shown[name] for name in ("hosts", "metadata") if shown}


class ServerGroupOnCloud:
    """A server group."""

    change = Match("compute", "DELETE", "/os-server-groups/")

    def __init__(self, site: Site, verb: Verb) -> None:
        self._site = site
        self._id = site.group("anti-affinity")

    def parameters(self) -> dict[str, Any]:
        return {"server_group": self._id}

    def is_as_it_should(self) -> bool:
        return self.facts() == {}

    def facts(self) -> dict[str, Any]:
        answer = self._site.sdk.compute.get(f"/os-server-groups/{self._id}")
        found: dict[str, Any] = answer.json().get("server_group", {})
        return found


_STANDS: dict[str, Any] = {
    "aggregate": AggregateOnCloud,
    "server_group": ServerGroupOnCloud,
    "server": ServerOnCloud,
    "volume": VolumeOnCloud,
    "flavor": FlavorOnCloud,
    "image": ImageOnCloud,
    "volume_snapshot": SnapshotOnCloud,
}


def stand_for(site: Site, verb: Verb) -> CloudStand:
    """Return a new thing on which the verb has something to do."""
    stand: CloudStand = _STANDS[SUBJECT[verb.name].name](site, verb)
    return stand


def parameters_for(verb: Verb, stand: CloudStand) -> dict[str, Any]:
    """Return the parameters of a verb's example, about the thing of a stand."""
    return {**example(verb.name), **stand.parameters()}


class CloudBirth(Protocol):
    """What is to be created in a real cloud."""

    #: The request that creates it.
    change: Match

    def parameters(self) -> dict[str, Any]:
        """Return what of the example is otherwise here: a name of its own, what fits there."""

    def there(self) -> int:
        """Return how many whole things of that name the cloud's own API shows."""


class VolumeBirthOnCloud:
    """A volume of 1 GiB."""

    change = Match("block-storage", "POST", "/volumes$")

    def __init__(self, site: Site) -> None:
        self._site, self._name = site, f"proof-{uuid.uuid4().hex[:8]}"
        site.at_the_end(self._remove)

    def parameters(self) -> dict[str, Any]:
        return {"name": self._name, "size_gib": 1}

    def there(self) -> int:
        return len([v for v in self._volumes() if v.status == "available"])

    def _volumes(self) -> list[Any]:
        found = self._site.sdk.block_storage.volumes(all_projects=True, name=self._name)
        return list(found)

    def _remove(self) -> None:
        for volume in self._volumes():
            self._site.sdk.block_storage.delete_volume(volume, force=True)


class GroupBirthOnCloud:
    """An aggregate or a server group, by the path of its listing."""

    def __init__(self, site: Site, path: str) -> None:
        self._site, self._path, self._name = site, path, f"proof-{uuid.uuid4().hex[:8]}"
        self.change = Match("compute", "POST", f"{path}$")
        site.at_the_end(self._remove)

    def parameters(self) -> dict[str, Any]:
        return {"name": self._name}

    def there(self) -> int:
        whole = {"availability_zone": "az2", "ssd": "true", "tier": "gold"}
        return len([one for one in self._found() if one.get("metadata") in (whole, {}, None)])

    def _found(self) -> list[dict[str, Any]]:
        answer = self._site.sdk.compute.get(self._path).json()
        (rows,) = answer.values()
        return [row for row in rows if row["name"] == self._name]

    def _remove(self) -> None:
        for row in self._found():
            self._site.sdk.compute.delete(f"{self._path}/{row['id']}").raise_for_status()


_BIRTHS: dict[str, Any] = {
    "server": ServerBirthOnCloud,
    "volume": VolumeBirthOnCloud,
    "aggregate": lambda site: GroupBirthOnCloud(site, "/os-aggregates"),
    "server_group": lambda site: GroupBirthOnCloud(site, "/os-server-groups"),
}


def birth_for(site: Site, row: Creation) -> CloudBirth:
    """Return what is to be created by a row."""
    birth: CloudBirth = _BIRTHS[row.subject.name](site)
    return birth

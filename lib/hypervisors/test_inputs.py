"""What tests of hypervisors are made of: the project, an image, a network, flavors that fit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from accounts.cloud import Cloud
from accounts.host_config import HypervisorTest
from hypervisors.hosts import Host
from query_api.execution.query import query
from query_api.lookups import image as images
from query_api.lookups import placement, things
from query_api.lookups.compute_types import Flavor, Server
from query_api.lookups.things import Thing
from verbs.server_room import described, size_of
from workflow_api import NotFound, ParameterGroup, clean, count, listed
from workflow_api.parameters import ImageName, Name, Names, ProjectName

ALL, NONE = "all", "none"
_GIB = 2**30


class TestOptions(ParameterGroup, frozen=True, kw_only=True):
    """What a test is made of; each has its default in hypervisor_test of the configuration.

    flavors: The flavors, by exact names or ids, or all for every one that fits; the smallest if
        empty.
    image: The image to boot from, by its exact name or id; the smallest public one if empty.
    network: The network, by its exact name or id, or none; the project's only one if empty.
    project: The project that the servers are made in, by name or id; the account's own if empty.
    """

    __test__ = False  # no test, whatever pytest thinks

    flavors: Names | None = None
    image: ImageName | None = None
    network: Name | None = None
    project: ProjectName | None = None


class TestInputs(msgspec.Struct):
    """What was found, ids of all; ``flavors`` are those to test each hypervisor with, by its id.

    ``refusals`` are reasons why there can be no test, ``skipped`` flavors that do not fit where.
    """

    project: str
    image: Thing | None = None
    network: Thing | None = None
    volume_type: str | None = None
    flavors: dict[str, list[Thing]] = {}
    refusals: list[str] = []
    skipped: list[tuple[str, str]] = []
    notes: list[str] = []


def find_inputs(
    cloud: Cloud, chosen: Sequence[Host], options: TestOptions, config: HypervisorTest
) -> TestInputs:
    """Find what the tests of these hypervisors are made of.

    A request for each thing, and one for each different size of flavor that is considered. Raises
    NotFound and Ambiguous for what is named.
    """
    project = options.project or config.project
    found = TestInputs(
        things.find(cloud, "project", project).id if project else cloud.own_project()
    )
    if config.volume_type:
        found.volume_type = things.find(cloud, "volume_type", config.volume_type).id
    _image(cloud, found, options.image or config.image)
    _network(cloud, found, options.network or config.network)
    if found.image is not None:
        _Sizes(cloud, found, chosen).choose(options.flavors or config.flavors)
    return found


def _image(cloud: Cloud, found: TestInputs, wanted: str | None) -> None:
    if wanted:
        found.image = things.find(cloud, "image", wanted, found.project)
        if found.image.status != "active":
            found.refusals.append(f"the image {clean(wanted)} is {clean(found.image.status)}")
        elif not images.is_usable(cloud, found.image, found.project):
            found.refusals.append(f"the image {clean(wanted)} is another project's, and private")
        return
    public = query("image").where("visibility", "equal_to", "public")
    usable = [
        image
        for image in things.of_query(cloud, public.where("status", "equal_to", "active"))
        if not image.os_hidden
    ]
    if not usable:
        found.refusals.append(
            "there is no public image: name one in image, or in hypervisor_test.image of the "
            "configuration"
        )
        return
    found.image = min(
        usable, key=lambda image: (_least(image), image.size or 0, image.name, image.id)
    )
    found.notes.append(f"The image is {clean(found.image.name)}, the smallest public one.")


def _network(cloud: Cloud, found: TestInputs, wanted: str | None) -> None:
    if wanted == NONE:
        return
    if wanted:
        found.network = things.find(cloud, "network", wanted, found.project)
        return
    known = [
        network for network in things.of_query(cloud, query("network")) if not network.external
    ]
    own = [network for network in known if network.project_id == found.project]
    usable = own or [network for network in known if network.shared]
    if len(usable) == 1:
        (found.network,) = usable
        return
    how = "name one in network, or in hypervisor_test.network of the configuration"
    if usable:
        names = listed(sorted(clean(network.name) for network in usable), 5)
        found.refusals.append(f"there are {len(usable)} networks to choose from ({names}): {how}")
    else:
        found.refusals.append(
            f"the project has no network of its own, and none is shared: {how}; network=none "
            "tests without a port"
        )


def _least(image: Thing) -> int:
    """Return the GiB that a disk needs for an image."""
    data = max(image.size or 0, image.virtual_size or 0)
    return max(image.min_disk or 0, -(-data // _GIB) if data > _GIB else 0)


class _Sizes:
    """Which flavors fit on which hypervisors, by Placement's own arithmetic."""

    def __init__(self, cloud: Cloud, found: TestInputs, chosen: Sequence[Host]) -> None:
        self._cloud, self._found, self._chosen = cloud, found, chosen
        self._fitting: dict[tuple[object, ...], frozenset[str]] = {}

    def choose(self, wanted: Sequence[str]) -> None:
        known = things.of_query(self._cloud, query("flavor"))
        if list(wanted) and list(wanted) != [ALL]:
            self._named(known, wanted)
        elif list(wanted) == [ALL]:
            self._every(self._by_size(known))
        else:
            self._smallest(self._by_size(known))

    def _named(self, known: Sequence[Thing], wanted: Iterable[str]) -> None:
        flavors = [_named(self._cloud, known, each) for each in wanted]
        flavors = list({flavor.id: flavor for flavor in flavors}.values())
        for flavor in flavors:
            if why := self._unfit(flavor):
                self._found.refusals.append(why)
                continue
            for host in self._chosen:
                if host.id not in self._hosts(flavor):
                    shown = described(size_of(flavor))
                    self._found.refusals.append(f"{clean(host.name)} has no room for {shown}")
        self._found.flavors = {host.id: flavors for host in self._chosen}

    def _every(self, ordered: Sequence[Thing]) -> None:
        for host in self._chosen:
            fitting = [flavor for flavor in ordered if host.id in self._hosts(flavor)]
            self._found.flavors[host.id] = fitting
            if not fitting:
                self._found.refusals.append(f"no flavor fits on {clean(host.name)}")
            elif others := [clean(f.name) for f in ordered if f not in fitting]:
                shown = f"{count(len(others), 'flavor')} on {clean(host.name)}"
                self._found.skipped.append((shown, f"no room: {listed(others, 10)}"))

    def _smallest(self, ordered: Sequence[Thing]) -> None:
        for host in self._chosen:
            fits = (flavor for flavor in ordered if host.id in self._hosts(flavor))
            smallest = next(fits, None)
            if smallest is None:
                self._found.refusals.append(f"no public flavor fits on {clean(host.name)}")
            else:
                self._found.flavors[host.id] = [smallest]

    def _by_size(self, known: Iterable[Thing]) -> list[Thing]:
        usable = [f for f in known if f.is_public is not False and not f.disabled]
        usable = [f for f in usable if not self._unfit(f)]
        return sorted(usable, key=lambda f: (f.ram or 0, f.vcpus or 0, f.disk or 0, f.name))

    def _unfit(self, flavor: Thing) -> str:
        """Return why the image does not boot from a flavor; without a disk that is the image's."""
        image = self._found.image
        assert image is not None
        what = f"the image {clean(image.name)} needs"
        if (image.min_ram or 0) > (flavor.ram or 0):
            return f"{what} {image.min_ram} MiB of memory, and {clean(flavor.name)} has less"
        if flavor.disk and _least(image) > flavor.disk:
            return f"{what} a disk of {_least(image)} GiB, and {clean(flavor.name)} has less"
        return ""

    def _hosts(self, flavor: Thing) -> frozenset[str]:
        size: Flavor = size_of(flavor)
        server = Server(id=flavor.id, name=flavor.name, flavor=size, image="any")
        demand = placement.flavor_demand(flavor.id, server)
        if demand.shape not in self._fitting:
            room = placement.room(self._cloud, [demand], disabled_too=True)
            self._fitting[demand.shape] = room.hosts[flavor.id]
        return self._fitting[demand.shape]


def _named(cloud: Cloud, known: Sequence[Thing], wanted: str) -> Thing:
    for flavor in known:
        if wanted in (flavor.id, flavor.name):
            return flavor
    raise NotFound("flavor", wanted, where=f"cloud {cloud.name}", near=[])


def sizes(flavors: Iterable[Thing]) -> dict[str, Any]:
    """Return what so many servers at once take of a project's quota of Nova."""
    known = list(flavors)
    return {
        "instances": len(known),
        "cores": sum(flavor.vcpus or 0 for flavor in known),
        "ram": sum(flavor.ram or 0 for flavor in known),
    }

"""What servers are made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from accounts.cloud import Cloud
from accounts.config import Protected
from common.pairs import pairs
from openstack_api import compute as change
from protection.marks import protected
from query_api.execution.query import query
from query_api.lookups import image, quotas, things
from query_api.lookups.compute_types import Flavor
from query_api.lookups.things import Thing
from verbs import server_room as room
from verbs import user_data
from verbs.creation import Creation, Marks, NewName, ProjectOfNew
from verbs.servers import SERVER
from verbs.verb import Options
from workflow_api import Duration, ParameterGroup, clean
from workflow_api.parameters import FlavorName, Name, Names

# What stands for a list of networks: Nova chooses, or there is none.
_CHOSEN = frozenset({"auto", "none"})
_GIB = 2**30
_KIND = {"image": "image", "volume": "volume", "snapshot": "volume_snapshot"}
_WHOLE = {"image": "active", "volume": "available", "snapshot": "available"}


class NewServer(ParameterGroup, frozen=True, kw_only=True):
    """A new server.

    source: The source to boot from, by name or id: an image, unless boot_from says otherwise.
    boot_from: What the source is.
    boot_size_gib: The size of a new volume that it boots from, in GiB; none is made if empty.
    delete_on_termination: Also delete the volume that it boots from.
    networks: The networks, by name or id; auto leaves the choice to Nova, none is for none.
    ports: Existing ports, by name or id.
    key: The key pair of the account, by name.
    security_groups: The security groups of its new ports, by name or id.
    user_data_file: A file of the action runner, below files.allowed, with the user data for the
        first boot.
    zone: The availability zone.
    hypervisor: The target hypervisor, by its name or id; Nova chooses if empty.
    server_group: The server group, by name or id.
    tags: Its tags.
    metadata: Its metadata, as role=web; stage=test.
    description: The description.
    same_name: Make it although there is another of that name in the project.
    delete_failed: Delete it again if it fails.
    """

    no_parameters = frozenset({"size", "boots", "user_data_sha256", "host"})

    name: NewName
    flavor: FlavorName
    source: Name
    boot_from: Literal["image", "volume", "snapshot"] = "image"
    boot_size_gib: Annotated[int, Meta(ge=1)] | None = None
    delete_on_termination: bool = False
    networks: Names | None = None
    ports: Names | None = None
    key: Name | None = None
    security_groups: Names | None = None
    user_data_file: str | None = None
    zone: Name | None = None
    hypervisor: Name | None = None
    server_group: Name | None = None
    tags: list[str] | None = None
    metadata: str | None = None
    description: str | None = None
    project: ProjectOfNew | None = None
    same_name: bool = False
    delete_failed: bool = False
    # What the flavor gives, what is known of the source, the file's digest (it can hold secrets),
    # and the hypervisor's name, as the plan has them.
    size: dict[str, Any] = msgspec.field(default_factory=dict)
    boots: dict[str, Any] = msgspec.field(default_factory=dict)
    user_data_sha256: str | None = None
    host: str | None = None


def _completed(cloud: Cloud, options: Options, others: Mapping[str, Any], project: str) -> Options:
    whose = project or cloud.own_project()
    source = things.find(cloud, _KIND[options.boot_from], options.source, whose)
    file = options.user_data_file
    return msgspec.structs.replace(
        options,
        source=source.id,
        boots={
            **_known(source, cloud.config.protected),
            "foreign": not _is_usable(cloud, source, whose),
        },
        size=room.as_data(room.size_of(others["flavor"])),
        host=others["hypervisor"].name if "hypervisor" in others else None,
        user_data_sha256=user_data.digest(cloud.config.places, file) if file else None,
    )


def _is_usable(cloud: Cloud, source: Thing, project: str) -> bool:
    """Return whether a project may boot from it; two requests for an image that others share."""
    if source.kind == "image":
        return image.is_usable(cloud, source, project)
    return bool(source.project_id == project)


def _known(source: Thing, marks: Protected) -> dict[str, Any]:
    """Return what has to be known of an image, a volume or a snapshot."""
    # An image has its size in bytes, the others in GiB.
    least = (source.min_disk or 0) if source.kind == "image" else (source.size or 0)
    data = -(-(source.size or 0) // _GIB) if source.kind == "image" else 0
    return {
        "name": clean(source.name),
        "status": source.status,
        "gib": max(least, data),
        "ram": (source.min_ram or 0) if source.kind == "image" else 0,
        "bootable": source.kind != "volume" or source.bootable is not False,
        "protected": protected((), source.metadata, marks) if source.kind == "volume" else "",
    }


def _makes_volume(options: Options) -> bool:
    return options.boot_from == "snapshot" or (
        options.boot_from == "image" and options.boot_size_gib is not None
    )


def _from_volume(options: Options) -> bool:
    return options.boot_from != "image" or options.boot_size_gib is not None


def _request(cloud: Cloud, options: Options, marks: Marks) -> str:
    server = {
        "name": options.name,
        "flavorRef": options.flavor,
        **_disk(options),
        "networks": _networks(options),
        "metadata": {**pairs("metadata", options.metadata), **marks},
        "description": options.description,
        "key_name": options.key,
        "security_groups": [{"name": id} for id in options.security_groups or ()],
        "availability_zone": options.zone,
        "hypervisor_hostname": options.host,
        "tags": options.tags,
    }
    if options.user_data_file:
        # Read again: the plan has nothing but its digest.
        file, sha256 = options.user_data_file, options.user_data_sha256
        server["user_data"] = user_data.encoded(cloud.config.places, file, sha256)
    hints = {"group": options.server_group} if options.server_group else {}
    given = {name: value for name, value in server.items() if value not in (None, [])}
    return change.create_server(cloud, given, hints)


def _disk(options: Options) -> dict[str, Any]:
    if not _from_volume(options):
        return {"imageRef": options.source}
    mapping = {
        "boot_index": 0,
        "source_type": options.boot_from,
        "uuid": options.source,
        "destination_type": "volume",
        "delete_on_termination": options.delete_on_termination,
    }
    if _makes_volume(options):
        mapping["volume_size"] = options.boot_size_gib or options.boots["gib"]
    return {"block_device_mapping_v2": [mapping]}


def _networks(options: Options) -> str | list[dict[str, str]]:
    chosen = options.networks or ([] if options.ports else ["auto"])
    if set(chosen) <= _CHOSEN and chosen:
        return str(chosen[0])
    ports = [{"port": id} for id in options.ports or ()]
    return [*({"uuid": id} for id in chosen), *ports]


# -- what speaks against it --------------------------------------------------------------------


def _unfit(cloud: Cloud, options: Options, project: str) -> Iterator[str]:
    """Tell what speaks against a server; one request each for quotas, room and the key."""
    whose = project or cloud.own_project()
    yield from _at_odds(options)
    yield from _of_source(options)
    if options.host and not cloud.supports("compute", "2.74"):
        yield "this Nova cannot be told a hypervisor: it can since microversion 2.74"
    if options.key:
        yield from _no_key(cloud, options.key)
    size = msgspec.convert(options.size, Flavor)
    more = {"instances": 1, "cores": size.vcpus, "ram": size.ram}
    yield from room.beyond_quota(cloud, whose, more, by=options.name)
    if _makes_volume(options):
        gib = options.boot_size_gib or options.boots["gib"]
        needed = {"volumes": 1, "gigabytes": gib}
        yield from quotas.lacking(cloud, "block-storage", whose, needed, by=options.name)
    from_volume = _from_volume(options)
    yield from room.no_room(cloud, size, from_volume=from_volume, on=options.hypervisor)


def _at_odds(options: Options) -> Iterator[str]:
    """Tell which options exclude each other."""
    networks = options.networks or []
    if set(networks) & _CHOSEN and (len(networks) > 1 or options.ports):
        yield "auto and none stand for all its networks, so neither goes with another or a port"
    if options.delete_on_termination and (mark := options.boots["protected"]):
        name = options.boots["name"]
        yield f"the volume {name} {mark.removeprefix('it ')}, and would be deleted with the server"
    if options.boot_from == "volume" and options.boot_size_gib:
        yield "a volume that is there has its size: leave boot_size_gib empty"
    if options.security_groups and (networks == ["none"] or (options.ports and not networks)):
        yield "security groups are for new ports, and it gets none"
    pairs("metadata", options.metadata)  # raises for what is no such text


def _of_source(options: Options) -> Iterator[str]:
    """Tell what speaks against what it boots from."""
    boots, size = options.boots, msgspec.convert(options.size, Flavor)
    what = f"the {options.boot_from} {boots['name']}"
    if boots["status"] != _WHOLE[options.boot_from]:
        yield f"{what} is {clean(boots['status'])}"
    if boots["foreign"]:
        yield f"{what} is another project's, and not shared with this one"
    if not boots["bootable"]:
        yield f"{what} is not bootable"
    if boots["ram"] > size.ram:
        yield f"{what} needs {boots['ram']} MiB of memory, and the flavor has {size.ram}"
    if _makes_volume(options):
        has = options.boot_size_gib or boots["gib"]
    else:
        # A flavor without a disk gives what the image needs.
        has = 0 if _from_volume(options) else size.disk
    if has and boots["gib"] > has:
        yield f"{what} needs a disk of {boots['gib']} GiB, and it would have {has}"


def _no_key(cloud: Cloud, key: str) -> Iterator[str]:
    access = cloud.access()
    if access is None:
        return
    asked = query("keypair").where("user_id", "equal_to", access.user_id).select("name")
    if key not in asked.run([cloud]).column("name"):
        yield f"the account has no key pair {clean(key)}"


def _notes(options: Options) -> Iterator[str]:
    yield f"It has {room.described(msgspec.convert(options.size, Flavor))}."
    new = " by a new volume" if _makes_volume(options) else ""
    yield f"It boots from the {options.boot_from} {options.boots['name']}{new}."


SERVER_CREATION = Creation(
    name="server.create",
    summary="Create a server, in any project.",
    subject=SERVER,
    sentence="create the server {name} of flavor {options[size][original_name]}",
    options=NewServer,
    request=_request,
    delete=lambda cloud, id, options: change.delete_server(cloud, id),
    ready=("ACTIVE",),
    within=Duration.parse("1h"),
    others={
        "project": "project",
        "flavor": "flavor",
        "networks": "network",
        "ports": "port",
        "security_groups": "security_group",
        "zone": "availability_zone",
        "hypervisor": "hypervisor",
        "server_group": "server_group",
    },
    plain=_CHOSEN,
    completed=_completed,
    unfit=_unfit,
    notes=_notes,
)

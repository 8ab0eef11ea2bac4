"""image.create: what speaks against a new image, and the steps that make it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from accounts.cloud import Cloud
from common.pairs import pairs
from images.making import import_from, register, show_to, upload
from images.sources import is_address, size_of
from query_api.execution.query import query
from query_api.lookups import things
from query_api.wire.reader import one
from workflow_api import Context, ParameterGroup, Plan, clean
from workflow_api.parameters import Name

# Whose users see an image at once, so that it has to be whole before.
_SEEN = frozenset({"public", "community"})


class ImageOptions(ParameterGroup, frozen=True, kw_only=True):
    """A new image.

    name: The name to give it.
    source: A file of the action runner, below files.allowed, or an http(s) address for Glance.
    checksum: The SHA-512 that the data must have.
    disk_format: The format of the data.
    container_format: What the data are packed in; bare is nothing.
    visibility: Who may use it, once its data are there; shared is with single projects, see
        image.share.
    hidden: Hide it from its users' lists.
    protected: Protect it from deletion, by Glance.
    min_disk_gib: The root disk that a flavor must have for it, in GiB.
    min_ram_mib: The memory that a flavor must have for it, in MiB.
    properties: Its properties, as os_distro=debian; os_version=13.
    tags: Its tags.
    project: The project that owns it, by name or id; the login's own if empty.
    same_name: Make it although there is another of that name in the project.
    """

    name: Annotated[Name, Meta(min_length=1, max_length=255)]
    source: Annotated[Name, Meta(min_length=1)]
    checksum: Annotated[str, Meta(pattern="^[0-9a-fA-F]{128}$")] | None = None
    disk_format: Literal["qcow2", "raw", "vmdk", "vdi", "vhd", "vhdx", "iso", "ploop"] = "qcow2"
    container_format: Literal["bare", "ovf", "ova", "docker"] = "bare"
    visibility: Literal["public", "community", "shared", "private"] = "shared"
    hidden: bool = False
    protected: bool = False
    min_disk_gib: Annotated[int, Meta(ge=0)] = 0
    min_ram_mib: Annotated[int, Meta(ge=0)] = 0
    properties: str | None = None
    tags: list[str] = msgspec.field(default_factory=list)
    project: Name | None = None
    same_name: bool = False


class _Methods(msgspec.Struct):
    value: list[str]


class _ImportInfo(msgspec.Struct):
    methods: _Methods = msgspec.field(name="import-methods")


class _NewImage:
    """The name of an image that is to be made, which one run at a time may give in a project."""

    def __init__(self, name: str, project: str) -> None:
        self.name, self._project = name, project

    @property
    def subject(self) -> str:
        number = uuid.uuid5(uuid.NAMESPACE_URL, f"image/{self._project}/{self.name}")
        return f"new_image:{number}"


def plan_creation(ctx: Context, cloud: Cloud, options: ImageOptions) -> Plan:
    """Return the plan that makes an image, or the reasons why it cannot be made.

    Raises NotFound and Ambiguous for the project, UserError for a file that may not be read.
    """
    name = options.name
    plan = Plan(f"Create image {clean(name)}")
    owner = things.find(cloud, "project", options.project).id if options.project else ""
    ctx.claim(_NewImage(name, owner))
    properties = pairs("properties", options.properties)
    plan.refuse(_against(cloud, options, owner or cloud.own_project()))
    size = None if is_address(options.source) else size_of(ctx.config.places, options.source)
    is_seen = options.visibility in _SEEN
    facts: dict[str, Any] = {
        "disk_format": options.disk_format,
        "container_format": options.container_format,
        "visibility": "private" if is_seen else options.visibility,
        "os_hidden": options.hidden,
        "protected": options.protected,
        "min_disk": options.min_disk_gib,
        "min_ram": options.min_ram_mib,
        "tags": options.tags,
        **({"owner": owner} if owner else {}),
        **properties,
    }
    made = plan.add(register, name=name, facts=facts)
    data: dict[str, Any] = {"image": made["id"], "name": name, "sha512": options.checksum}
    if size is None:
        plan.add(import_from, **data, url=options.source)
    else:
        plan.add(upload, **data, path=options.source, size=size)
    if is_seen:
        plan.add(show_to, image=made["id"], name=name, visibility=options.visibility)
    return plan


def _against(cloud: Cloud, options: ImageOptions, project: str) -> Iterator[str]:
    asked = query("image").where("name", "equal_to", options.name)
    known = things.of_query(cloud, asked.where("project_id", "equal_to", project))
    if not options.same_name:
        for image in known:
            yield (
                f"there is one called {clean(options.name)} already: {image.id} "
                "(same_name=true makes another one)"
            )
    if is_address(options.source):
        info = one(cloud, "image", "/v2/info/import", _ImportInfo)
        if "web-download" not in info.methods.value:
            yield "this Glance does not download images (web-download): give a file as source"

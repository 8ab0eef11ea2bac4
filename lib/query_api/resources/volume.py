"""What Cinder knows: volumes, their snapshots, types, and its own services.

No microversion is asked for: from 3.31 on, Cinder refuses others than admins most filters.
"""

from __future__ import annotations

from typing import Any

import msgspec

from query_api.language.schema import Link, Listing, Resource, exact
from query_api.resources.properties import boolean, integer, mapping, or_none, text, texts, time
from query_api.wire.encoding import cinder_word, flag, whole

# A parameter that Cinder does not know makes its answer empty, and so do `volume_type` and
# `encrypted`; of a repeated one it looks at the last. Texts are compared whole, case aside.
_WORD = {"encode": cinder_word}


class _Attachment(msgspec.Struct):
    server_id: str | None = None
    host_name: str | None = None
    device: str | None = None


_ATTACHMENTS: Any = list[_Attachment] | None
_IMAGE: Any = dict[str, Any] | None


def _servers(attachments: list[_Attachment]) -> list[str]:
    return [one.server_id for one in attachments if one.server_id]


def _hosts(attachments: list[_Attachment]) -> list[str]:
    return [one.host_name for one in attachments if one.host_name]


def _devices(attachments: list[_Attachment]) -> list[str]:
    return [one.device for one in attachments if one.device]


def _image_id(image: dict[str, Any]) -> str | None:
    return image.get("image_id")


def _image_name(image: dict[str, Any]) -> str | None:
    return image.get("image_name")


def _backend(host: str) -> str:
    return host.partition("#")[0]


VOLUME = Resource(
    name="volume",
    plural="volumes",
    about="A block storage volume of any project.",
    listings=(
        Listing(
            service="block-storage",
            path="/volumes/detail",
            collection="volumes",
            params={"all_tenants": "1"},
            paging="links",
            brief="/volumes",
            proof="os-vol-host-attr:host",
        ),
    ),
    default=("id", "name", "status", "size", "project_id", "volume_type", "server_ids"),
    properties=(
        text("id", "Its UUID.", filters=exact("id", **_WORD)),
        text(
            "name",
            "Its name; others may have the same.",
            filters=exact("name", **_WORD),
            of=or_none,
        ),
        text(
            "status",
            "Its state, such as available, in-use or error.",
            case="lower",
            filters=exact("status", **_WORD),
        ),
        integer("size", "Its size.", unit="GiB", filters=exact("size", encode=whole)),
        text(
            "project_id",
            "Whose it is.",
            "os-vol-tenant-attr:tenant_id",
            filters=exact("project_id", **_WORD),
        ),
        text("user_id", "Who made it.", filters=exact("user_id", **_WORD)),
        text(
            "host",
            "The service, backend and pool it is on: service@backend#pool.",
            "os-vol-host-attr:host",
            filters=exact("host", **_WORD),
        ),
        text("backend", "The same without the pool.", "os-vol-host-attr:host", of=_backend),
        text(
            "availability_zone",
            "The availability zone it is in.",
            filters=exact("availability_zone", **_WORD),
        ),
        text("volume_type", "Its type, by name."),
        boolean(
            "bootable",
            "Whether a server can boot from it.",
            filters=exact("bootable", encode=flag),
        ),
        boolean("encrypted", "Whether it is encrypted."),
        boolean("multiattach", "Whether several servers can have it."),
        texts(
            "server_ids",
            "The servers it is attached to.",
            "attachments",
            shape=_ATTACHMENTS,
            of=_servers,
        ),
        boolean(
            "in_use",
            "Whether it is attached to a server, whatever its status.",
            "attachments",
            shape=_ATTACHMENTS,
            of=bool,
        ),
        texts("attached_hosts", "Their hosts.", "attachments", shape=_ATTACHMENTS, of=_hosts),
        texts(
            "devices", "What it is called on them.", "attachments", shape=_ATTACHMENTS, of=_devices
        ),
        text(
            "snapshot_id",
            "The snapshot it was made of.",
            filters=exact("snapshot_id", **_WORD),
        ),
        text(
            "source_volume_id",
            "The volume it was made of.",
            "source_volid",
            filters=exact("source_volid", **_WORD),
        ),
        text(
            "image_id",
            "The image it was made of.",
            "volume_image_metadata",
            shape=_IMAGE,
            of=_image_id,
        ),
        text(
            "image_name",
            "That image's name at the time.",
            "volume_image_metadata",
            shape=_IMAGE,
            of=_image_name,
        ),
        mapping("image_metadata", "What that image said of itself.", "volume_image_metadata"),
        mapping("metadata", "What its owner says of it."),
        text("description", "What its owner says it is for.", of=or_none),
        text("migration_status", "How far its migration is.", "os-vol-mig-status-attr:migstat"),
        text("replication_status", "Whether it is replicated."),
        time("created_at", "When it was made."),
        time("updated_at", "When it last changed."),
    ),
    links=(
        Link("project", "project", "project_id"),
        Link("user", "user", "user_id"),
        Link("servers", "server", "server_ids"),
        Link("type", "volume_type", "volume_type", "name"),
        Link("service", "volume_service", "backend", "host"),
        Link("image", "image", "image_id"),
        Link("snapshots", "volume_snapshot", "id", "volume_id", many=True),
        Link("source_snapshot", "volume_snapshot", "snapshot_id"),
        Link("source_volume", "volume", "source_volume_id"),
    ),
)

VOLUME_SNAPSHOT = Resource(
    name="volume_snapshot",
    plural="volume_snapshots",
    about="A snapshot of a volume, of any project.",
    listings=(
        Listing(
            service="block-storage",
            path="/snapshots/detail",
            collection="snapshots",
            params={"all_tenants": "1"},
            paging="links",
            brief="/snapshots",
        ),
    ),
    default=("id", "name", "status", "size", "volume_id", "project_id", "created_at"),
    properties=(
        text("id", "Its UUID.", filters=exact("id")),
        text("name", "Its name; others may have the same.", filters=exact("name"), of=or_none),
        text(
            "status",
            "Its state, such as available or error.",
            case="lower",
            filters=exact("status"),
        ),
        integer("size", "The size of its volume.", unit="GiB"),
        text("volume_id", "The volume it is of.", filters=exact("volume_id")),
        text(
            "project_id",
            "Whose it is.",
            "os-extended-snapshot-attributes:project_id",
            filters=exact("project_id"),
        ),
        text("progress", "How much of it is made.", "os-extended-snapshot-attributes:progress"),
        mapping("metadata", "What its owner says of it."),
        text("description", "What its owner says it is for.", of=or_none),
        time("created_at", "When it was made."),
        time("updated_at", "When it last changed."),
    ),
    links=(
        Link("project", "project", "project_id"),
        Link("volume", "volume", "volume_id"),
        Link("volumes", "volume", "id", "snapshot_id", many=True),
    ),
)

VOLUME_TYPE = Resource(
    name="volume_type",
    plural="volume_types",
    about="A type of volume: on which backends it may be, and what it can do.",
    # Private ones too. There is no link to a next page, and a page has a thousand rows.
    listings=(
        Listing(
            service="block-storage",
            path="/types",
            collection="volume_types",
            params={"is_public": "None"},
        ),
    ),
    default=("id", "name", "is_public", "description"),
    properties=(
        text("id", "Its UUID."),
        text("name", "Its name; no other has the same."),
        text("description", "The description."),
        boolean("is_public", "Whether every project may use it."),
        mapping("extra_specs", "What it asks of a backend."),
        text("qos_specs_id", "The limits on its volumes' speed."),
    ),
    links=(Link("volumes", "volume", "name", "volume_type", many=True),),
)

VOLUME_SERVICE = Resource(
    name="volume_service",
    plural="volume_services",
    about="A service of Cinder itself, by host and backend.",
    listings=(Listing(service="block-storage", path="/os-services", collection="services"),),
    key="",
    default=("binary", "host", "availability_zone", "status", "state", "updated_at"),
    properties=(
        text("binary", "What it is, such as cinder-volume."),
        text("host", "Where it is: host, or host@backend."),
        text("availability_zone", "Its availability zone.", "zone"),
        text("status", "Whether it is meant to work: enabled or disabled.", case="lower"),
        text("state", "Whether it works: up or down.", case="lower"),
        time("updated_at", "When it was last heard of."),
        text("disabled_reason", "Why it is disabled."),
        boolean("frozen", "Whether nothing may be changed on its backend."),
        text("replication_status", "Whether its backend is replicated."),
        text("active_backend_id", "The backend that stands in for its own."),
    ),
    links=(Link("volumes", "volume", "host", "backend", many=True),),
)

RESOURCES = {one.name: one for one in (VOLUME, VOLUME_SNAPSHOT, VOLUME_TYPE, VOLUME_SERVICE)}

"""Images, as Glance lists those of all projects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from query_api.language.schema import WHOLE, Filter, Link, Listing, Resource, exact
from query_api.resources.properties import (
    boolean,
    integer,
    mapping,
    or_none,
    text,
    texts,
    time,
    total,
)
from query_api.wire.encoding import (
    ceiling,
    flag,
    floor,
    glance_since,
    glance_until,
    glance_word,
    keystone_id,
    tag,
    whole,
)

# What Glance itself says of an image; all else was put there.
_OWN = frozenset(
    {
        "checksum",
        "container_format",
        "created_at",
        "direct_url",
        "disk_format",
        "file",
        "id",
        "locations",
        "min_disk",
        "min_ram",
        "name",
        "os_hash_algo",
        "os_hash_value",
        "os_hidden",
        "owner",
        "protected",
        "schema",
        "self",
        "size",
        "status",
        "stores",
        "tags",
        "updated_at",
        "virtual_size",
        "visibility",
    }
)
_VISIBILITIES = frozenset({"public", "community", "shared", "private"})


def _others(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in _OWN}


def _visibility(value: str) -> str | None:
    return value if value in _VISIBILITIES else None  # it refuses others


def _size(param: str) -> dict[str, Filter]:
    least = Filter(param=f"{param}_min", encode=floor)
    most = Filter(param=f"{param}_max", encode=ceiling)
    return {
        "equal_to": Filter(param=param, encode=whole),
        "greater_than": least,
        "greater_or_equal": least,
        "less_than": most,
        "less_or_equal": most,
    }


def _moment(param: str) -> dict[str, Filter]:
    since = Filter(param=param, encode=glance_since)
    until = Filter(param=param, encode=glance_until)
    return {
        "younger_than": since,
        "greater_than": since,
        "greater_or_equal": since,
        "older_than": until,
        "less_than": until,
        "less_or_equal": until,
    }


# Texts are compared whole, case aside. Glance takes a parameter that it does not know for a
# custom property, and finds nothing if no image has it.
_ANY = {"encode": glance_word, "many": "in:"}
_CUSTOM = {"encode": glance_word}
_TAG = Filter(param="tag", encode=tag)

IMAGE = Resource(
    name="image",
    plural="images",
    about="An image to boot from, of any project, hidden ones too; also a snapshot of a server.",
    # Hidden images are only listed by themselves.
    listings=(
        Listing(
            service="image",
            path="/v2/images",
            collection="images",
            params={"visibility": "all"},
            paging="links",
            bare=True,
        ),
        Listing(
            service="image",
            path="/v2/images",
            collection="images",
            params={"visibility": "all", "os_hidden": "true"},
            paging="links",
        ),
    ),
    default=("id", "name", "status", "visibility", "project_id", "size", "created_at"),
    properties=(
        text("id", "Its UUID.", filters=exact("id", **_ANY)),
        text("name", "Its name; others may have the same.", filters=exact("name", **_ANY)),
        text(
            "status",
            "Its state, such as queued, saving, active or deactivated.",
            case="lower",
            filters=exact("status", **_ANY),
        ),
        text(
            "visibility",
            "Who may use it: public, community, shared or private.",
            case="lower",
            filters=exact("visibility", encode=_visibility),
        ),
        text("project_id", "Whose it is.", "owner", filters=exact("owner", encode=keystone_id)),
        integer("size", "How long its data are.", unit="bytes", filters=_size("size")),
        integer("virtual_size", "How large a disk it makes.", unit="bytes"),
        integer("min_ram", "The memory it needs.", unit="MiB", filters=_size("min_ram")),
        integer("min_disk", "The disk it needs.", unit="GiB", filters=_size("min_disk")),
        text("disk_format", "Such as raw or qcow2.", filters=exact("disk_format", **_ANY)),
        text("container_format", "Such as bare.", filters=exact("container_format", **_ANY)),
        text("checksum", "The MD5 of its data.", filters=exact("checksum", **_CUSTOM)),
        text("os_hash_algo", "How os_hash_value was computed, such as sha512."),
        text("os_hash_value", "The hash of its data.", filters=exact("os_hash_value", **_CUSTOM)),
        boolean(
            "protected",
            "Whether it cannot be deleted.",
            filters=exact("protected", encode=flag),
        ),
        boolean("os_hidden", "Whether it is left out of its users' lists."),
        texts("tags", "Its tags.", filters={"has_tag": _TAG, "contains": _TAG, "equal_to": _TAG}),
        time("created_at", "When it was made.", filters=_moment("created_at")),
        time("updated_at", "When it last changed.", filters=_moment("updated_at")),
        text("image_type", "snapshot for one.", of=or_none, filters=exact("image_type", **_CUSTOM)),
        text("os_distro", "The system in it.", of=or_none, filters=exact("os_distro", **_CUSTOM)),
        text("os_version", "Its version.", of=or_none, filters=exact("os_version", **_CUSTOM)),
        text("architecture", "The processors it is for.", "architecture", of=or_none),
        text(
            "base_image_ref",
            "Of a snapshot: the image its server was booted from.",
            of=or_none,
            filters=exact("base_image_ref", **_CUSTOM),
        ),
        text(
            "instance_uuid",
            "Of a snapshot: the server it was taken of.",
            of=or_none,
            filters=exact("instance_uuid", **_CUSTOM),
        ),
        text("user_id", "Of a snapshot: who took it.", of=or_none),
        integer("server_count", "How many servers boot from it.", over=("servers.id",), of=total),
        integer(
            "volume_count", "How many volumes were made of it.", over=("volumes.id",), of=total
        ),
        boolean(
            "in_use",
            "Whether a server boots from it or a volume was made of it.",
            over=("servers.id", "volumes.id"),
            of=any,
        ),
        mapping("properties", "What else was put down for it.", WHOLE, of=_others),
    ),
    links=(
        Link("project", "project", "project_id"),
        Link("user", "user", "user_id"),
        Link("server", "server", "instance_uuid"),
        Link("base_image", "image", "base_image_ref"),
        Link("snapshots", "image", "id", "base_image_ref", many=True),
        Link("servers", "server", "id", "image_id", many=True),
        Link("volumes", "volume", "id", "image_id", many=True),
    ),
)

RESOURCES = {"image": IMAGE}

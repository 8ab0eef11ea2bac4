"""Images that are known by the properties that they were given."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import msgspec

from accounts.cloud import Cloud
from query_api.lookups import things
from query_api.lookups.things import Thing
from query_api.wire.reader import converted, one


class Image(msgspec.Struct):
    """An image; ``status`` is queued, saving, active, killed, deleted or deactivated."""

    id: str
    name: str | None = None
    status: str = ""


class _Images(msgspec.Struct):
    images: list[dict[str, Any]]


def images(cloud: Cloud, **properties: str) -> list[Image]:
    """Return the images that have all of these properties; asked for, and looked at here again."""
    found = one(cloud, "image", "/v2/images", _Images, params=properties).images
    return [
        converted(image, Image)
        for image in found
        if all(image.get(name) == value for name, value in properties.items())
    ]


def is_usable(cloud: Cloud, image: Thing, project: str) -> bool:
    """Return whether a project may use an image; two requests for one that others share.

    Raises CloudError.
    """
    if image.project_id == project:
        return True
    if image.visibility == "shared":
        shared = with_members(cloud, image.id)
        return shared is not None and project in shared.members
    return bool(image.visibility != "private")


class _Member(msgspec.Struct):
    member_id: str
    status: str


class _Members(msgspec.Struct):
    members: list[_Member]


def with_members(cloud: Cloud, image_id: str) -> Thing | None:
    """Return an image with its ``members``, in two requests; None if there is none of this id.

    They are the projects that it is shared with, each with ``pending``, ``accepted`` or
    ``rejected``; an account of one of them sees its own alone. ``login`` is the project that the
    account is logged in to, "" if that is none. Raises CloudError.
    """
    found = things.look(cloud, "image", image_id)
    if found is None:
        return None
    members: dict[str, str] = {}
    if found.visibility == "shared":  # Glance refuses to list those of others, who have none
        path = f"/v2/images/{quote(image_id, safe='')}/members"
        answer = one(cloud, "image", path, _Members)
        members = {member.member_id: member.status for member in answer.members}
    access = cloud.access()
    login = (access.project_id if access else None) or ""
    return Thing("image", {**found.values, "members": members, "login": login})

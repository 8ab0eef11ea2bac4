"""Images that are known by the properties that they were given."""

from __future__ import annotations

from typing import Any

import msgspec

from accounts.cloud import Cloud
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

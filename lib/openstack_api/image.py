"""Changes to Glance's images. Each function sends one and returns when Glance has accepted it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from accounts.cloud import Cloud
from openstack_api.sdk import changing

_PATCH = "application/openstack-images-v2.1-json-patch"
_DATA = "application/octet-stream"


def create_image(cloud: Cloud, **facts: Any) -> str:
    """Make an image without data, of Glance's own properties and any others; return its id."""
    with changing(cloud, f"creating image {facts['name']}") as sdk:
        answer = _accepted(sdk.image.post("/images", json=facts))
        image: str = answer.json()["id"]
        return image


def upload_image(cloud: Cloud, image: str, data: Iterable[bytes], size: int, within: float) -> None:
    """Send the data of a queued image, which can be read again; within so many seconds."""
    from accounts.transport import allowing

    with changing(cloud, f"uploading image {image}") as sdk, allowing(within):
        headers = {"Content-Type": _DATA, "X-OpenStack-Image-Size": str(size), "Accept": ""}
        _accepted(sdk.image.put(f"/images/{_id(image)}/file", data=data, headers=headers))


def import_image(cloud: Cloud, image: str, url: str) -> None:
    """Ask Glance to download the data of a queued image itself (web-download)."""
    with changing(cloud, f"importing image {image}") as sdk:
        body = {"method": {"name": "web-download", "uri": url}}
        _accepted(sdk.image.post(f"/images/{_id(image)}/import", json=body))


def patch_image(cloud: Cloud, image: str, changes: Sequence[Mapping[str, Any]]) -> None:
    """Change an image's properties by the operations of a JSON patch, all of them or none."""
    with changing(cloud, f"updating image {image}") as sdk:
        headers = {"Content-Type": _PATCH}
        _accepted(sdk.image.patch(f"/images/{_id(image)}", json=list(changes), headers=headers))


def delete_image(cloud: Cloud, image: str) -> None:
    """Delete an image with its data."""
    with changing(cloud, f"deleting image {image}") as sdk:
        _accepted(sdk.image.delete(f"/images/{_id(image)}"))


def deactivate_image(cloud: Cloud, image: str) -> None:
    """Keep everybody but administrators from using the data of an image."""
    with changing(cloud, f"deactivating image {image}") as sdk:
        # The SDK's own method passes over an answer that refuses it.
        _accepted(sdk.image.post(f"/images/{_id(image)}/actions/deactivate"))


def reactivate_image(cloud: Cloud, image: str) -> None:
    """Let a deactivated image be used again."""
    with changing(cloud, f"reactivating image {image}") as sdk:
        _accepted(sdk.image.post(f"/images/{_id(image)}/actions/reactivate"))


def add_member(cloud: Cloud, image: str, project: str) -> None:
    """Share an image whose visibility is shared; CloudError 409 if it is so already."""
    with changing(cloud, f"sharing image {image}") as sdk:
        _accepted(sdk.image.post(f"/images/{_id(image)}/members", json={"member": project}))


def remove_member(cloud: Cloud, image: str, project: str) -> None:
    """Take an image from a project that it is shared with."""
    with changing(cloud, f"unsharing image {image}") as sdk:
        _accepted(sdk.image.delete(f"/images/{_id(image)}/members/{_id(project)}"))


def accept_member(cloud: Cloud, image: str, project: str) -> None:
    """Accept a shared image for a project, so that it is in the project's listings."""
    with changing(cloud, f"accepting image {image}") as sdk:
        path = f"/images/{_id(image)}/members/{_id(project)}"
        _accepted(sdk.image.put(path, json={"status": "accepted"}))


def _accepted(answer: Any) -> Any:
    """Return an answer; raises the SDK's HttpException if it is a refusal."""
    from openstack.exceptions import raise_from_response

    raise_from_response(answer)
    return answer


def _id(id: str) -> str:
    return quote(id, safe="")

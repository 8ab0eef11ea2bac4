"""The verbs that share images with projects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from accounts.cloud import Cloud
from openstack_api import image as change
from query_api.lookups import image as images
from query_api.lookups import things
from verbs.images import ImageChanges, patch
from verbs.projects_kept import protected_project
from verbs.verb import Verb
from workflow_api import ParameterGroup
from workflow_api.parameters import Name, ProjectName


class MemberOptions(ParameterGroup, frozen=True, kw_only=True):
    """Whom an image is shared with."""

    project: ProjectName


class AcceptOptions(ParameterGroup, frozen=True, kw_only=True):
    """For whom a shared image is accepted.

    project: The project that it was shared with, by name or id; the login's own if empty.
    """

    project: Name | None = None


def _members(image: Any) -> dict[str, str]:
    # One that went away while it was read has no such list.
    known: dict[str, str] = image.values.get("members", {})
    return known


def _share(cloud: Cloud, id: str, options: MemberOptions) -> None:
    now = things.look(cloud, "image", id)
    if now is not None and now.visibility == "private":
        change.patch_image(cloud, id, patch(now, ImageChanges(visibility="shared")))
    change.add_member(cloud, id, options.project)


def _not_to_share(cloud: Cloud, image: Any, options: MemberOptions) -> Iterator[str]:
    if image.visibility in ("public", "community"):
        yield f"it is {image.visibility}: every project may use it, and Glance keeps no list"
    if image.project_id == options.project:
        yield "it belongs to that project"


def _private_before(cloud: Cloud, image: Any, options: MemberOptions) -> Iterator[str]:
    if image.visibility == "private":
        yield "Its visibility becomes shared, which only the projects it is shared with notice."


def _accepting(image: Any, options: AcceptOptions) -> str:
    project: str = options.project or image.values.get("login", "")
    return project


def _accept(cloud: Cloud, id: str, options: AcceptOptions) -> None:
    change.accept_member(cloud, id, options.project or cloud.own_project())


def _not_to_accept(cloud: Cloud, image: Any, options: AcceptOptions) -> Iterator[str]:
    if _accepting(image, options) not in _members(image):
        yield "it is not shared with that project: do that first, with image.share"


SHARING_VERBS = (
    Verb(
        name="image.share",
        summary="Share an image with a project.",
        sentence="share image {name} with project {names[project]}",
        participle="shared",
        request=_share,
        ends=lambda image, options: options.project in _members(image),
        outcome=lambda image, options: "shared with the project",
        undo="image.unshare",
        options=MemberOptions,
        others={"project": "project"},
        unfit=_not_to_share,
        notes=_private_before,
        look=images.with_members,
        disturbs=False,
    ),
    Verb(
        name="image.unshare",
        summary="Stop sharing an image with a project; its servers stay as they are.",
        sentence="stop sharing image {name} with project {names[project]}",
        participle="unshared",
        request=lambda cloud, id, options: change.remove_member(cloud, id, options.project),
        ends=lambda image, options: options.project not in _members(image),
        outcome=lambda image, options: "not shared with the project",
        undo="image.share",
        options=MemberOptions,
        others={"project": "project"},
        unfit=protected_project,
        look=images.with_members,
    ),
    Verb(
        name="image.accept",
        summary="Accept a shared image, so that it is in the project's list of images.",
        sentence="accept image {name}",
        participle="accepted",
        request=_accept,
        ends=lambda image, options: _members(image).get(_accepting(image, options)) == "accepted",
        outcome=lambda image, options: "accepted",
        options=AcceptOptions,
        others={"project": "project"},
        unfit=_not_to_accept,
        look=images.with_members,
        disturbs=False,
    ),
)

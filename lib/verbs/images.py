"""The verbs of images, each with the states in which Glance accepts it (see its API reference)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta

from accounts.cloud import Cloud
from accounts.config import PackConfig
from common.pairs import pairs
from openstack_api import image as change
from protection.marks import protected
from query_api.lookups import things, usage
from verbs.verb import Kept, Options, Subject, Verb, states
from waiting.things import IMAGES
from workflow_api import ParameterGroup, count, listed
from workflow_api.parameters import ImageName, Name

_INSTEAD = {
    "queued": "it has no data yet",
    "deactivated": "it is deactivated: reactivate it first",
    "killed": "its upload failed",
}
Visibility = Literal["public", "community", "shared", "private"]
_WIDEST_FIRST = get_args(Visibility)


class AboutImage(ParameterGroup, frozen=True, kw_only=True):
    """The image that a verb is about."""

    image: ImageName


def _kept(image: Any, config: PackConfig, verb: Verb) -> str:
    if verb.gone and image.protected:
        return "Glance protects it: take that off first, with image.unprotect"
    return protected(image.tags, image.properties, config.protected) if verb.disturbs else ""


IMAGE = Subject(
    name="image",
    about=AboutImage,
    find=lambda cloud, wanted: things.find(cloud, "image", wanted),
    look=IMAGES.look,
    look_many=IMAGES.look_many,
    few=IMAGES.few,
    state=lambda image: image.status,
    busy=IMAGES.busy,
    kept=_kept,
)


# -- what it is ------------------------------------------------------------------------------------


class ImageChanges(ParameterGroup, frozen=True, kw_only=True):
    """What is changed of an image; all that is not given stays as it is.

    new_name: Its new name.
    visibility: Who may use it; shared is with single projects, see image.share.
    hidden: Whether it is left out of its users' lists; who knows its id may use it all the same.
    protected: Whether Glance refuses to delete it.
    min_disk_gib: The root disk that a flavor must have for it, in GiB.
    min_ram_mib: The memory that a flavor must have for it, in MiB.
    set_properties: Properties to set, as os_distro=debian; hw_disk_bus=scsi.
    remove_properties: Properties to remove, by their names.
    add_tags: Tags to add.
    remove_tags: Tags to remove.
    """

    new_name: Annotated[Name, Meta(min_length=1, max_length=255)] | None = None
    visibility: Visibility | None = None
    hidden: bool | None = None
    protected: bool | None = None
    min_disk_gib: Annotated[int, Meta(ge=0)] | None = None
    min_ram_mib: Annotated[int, Meta(ge=0)] | None = None
    set_properties: str | None = None
    remove_properties: list[str] = msgspec.field(default_factory=list)
    add_tags: list[str] = msgspec.field(default_factory=list)
    remove_tags: list[str] = msgspec.field(default_factory=list)

    @property
    def properties(self) -> dict[str, str]:
        """The properties to set; raises UserError."""
        return pairs("set_properties", self.set_properties)


# An option -> what Glance calls it, which is what a query calls it too.
_FIELDS = {
    "new_name": "name",
    "visibility": "visibility",
    "hidden": "os_hidden",
    "protected": "protected",
    "min_disk_gib": "min_disk",
    "min_ram_mib": "min_ram",
}


def patch(image: Any, options: ImageChanges) -> list[dict[str, Any]]:
    """Return the operations of the JSON patch that makes an image as asked for; [] if it is so."""
    given = {field: getattr(options, option) for option, field in _FIELDS.items()}
    found = [
        {"op": "replace", "path": f"/{field}", "value": value}
        for field, value in given.items()
        if value is not None and getattr(image, field) != value
    ]
    known, tags = image.properties or {}, list(image.tags or ())
    found += [
        {"op": "add", "path": _pointer(name), "value": value}
        for name, value in options.properties.items()
        if known.get(name) != value
    ]
    found += [
        {"op": "remove", "path": _pointer(name)}
        for name in options.remove_properties
        if name in known
    ]
    wanted = [tag for tag in tags if tag not in options.remove_tags]
    wanted += [tag for tag in options.add_tags if tag not in wanted]
    if wanted != tags:
        found.append({"op": "replace", "path": "/tags", "value": wanted})
    return found


def _pointer(name: str) -> str:
    """Return a property's place as RFC 6901 writes it."""
    return "/" + name.replace("~", "~0").replace("/", "~1")


def update(cloud: Cloud, id: str, options: ImageChanges) -> None:
    """Send the patch that makes an image as asked for, if it needs any."""
    now = things.look(cloud, "image", id)
    if now is not None and (changes := patch(now, options)):
        change.patch_image(cloud, id, changes)


def _at_odds(cloud: Cloud, image: Any, options: ImageChanges) -> Iterator[str]:
    for name in sorted(options.properties.keys() & set(options.remove_properties)):
        yield f"the property {name} is to be set and to be removed"
    for tag in sorted(set(options.add_tags) & set(options.remove_tags)):
        yield f"the tag {tag} is to be added and to be removed"
    mark = protected(image.tags, image.properties, cloud.config.protected)
    if mark and _takes_away(image, options):
        yield Kept(mark)


def _takes_away(image: Any, options: ImageChanges) -> bool:
    """Return whether users of an image notice: it leaves their lists, or is theirs no more."""
    wanted = options.visibility or image.visibility
    narrower = _WIDEST_FIRST.index(wanted) > _WIDEST_FIRST.index(image.visibility)
    return narrower or bool(options.hidden and not image.os_hidden)


# -- protection ------------------------------------------------------------------------------------


def _protect(cloud: Cloud, id: str, options: Options) -> None:
    update(cloud, id, ImageChanges(protected=True, add_tags=[cloud.config.protected.tag]))


def _unprotect(cloud: Cloud, id: str, options: Options) -> None:
    marks = cloud.config.protected
    off = ImageChanges(
        protected=False, remove_tags=[marks.tag], remove_properties=[marks.metadata_key]
    )
    update(cloud, id, off)


def _with_marks(cloud: Cloud, id: str) -> Any:
    """Return an image with ``marked``: whether our mark is on it."""
    found = things.look(cloud, "image", id)
    if found is None:
        return None
    mark = protected(found.tags, found.properties, cloud.config.protected)
    return things.Thing("image", {**found.values, "marked": bool(mark)})


# -- use ----------------------------------------------------------------------------------------


def in_use(cloud: Cloud, image: Any, options: Options) -> Iterator[str]:
    """Tell how many servers were booted from an image and how many volumes are made of it."""
    servers, volumes = usage.servers_from(cloud, image.id), usage.volumes_from(cloud, image.id)
    used = [
        f"{count(servers, 'server')} booted from it" if servers else "",
        f"{count(volumes, 'volume')} made of it" if volumes else "",
    ]
    if found := listed(filter(None, used)):
        yield (
            f"there are {found}: see them with server.search or volume.search "
            f"where='image_id = {image.id}'"
        )


IMAGE_VERBS = (
    Verb(
        name="image.update",
        summary="Change an image's name, visibility, requirements, properties and tags.",
        sentence="update image {name}",
        participle="updated",
        request=update,
        ends=lambda image, options: not patch(image, options),
        outcome=lambda image, options: "as asked for",
        options=ImageChanges,
        unfit=_at_odds,
        disturbs=False,
    ),
    Verb(
        name="image.protect",
        summary="Protect an image from deletion by anybody and from changes by runbooks.",
        sentence="protect image {name}",
        participle="protected",
        request=_protect,
        ends=lambda image, options: image.protected and image.values.get("marked"),
        outcome=lambda image, options: "protected",
        undo="image.unprotect",
        look=_with_marks,
        disturbs=False,
    ),
    Verb(
        name="image.unprotect",
        summary="Remove the protection of an image from deletion and from runbooks.",
        sentence="take the protection off image {name}",
        participle="unprotected",
        request=_unprotect,
        ends=lambda image, options: not image.protected and not image.values.get("marked"),
        outcome=lambda image, options: "not protected",
        undo="image.protect",
        look=_with_marks,
        disturbs=False,
    ),
    Verb(
        name="image.deactivate",
        summary="Deactivate an image: only administrators can use its data.",
        sentence="deactivate image {name}",
        participle="deactivated",
        request=lambda cloud, id, options: change.deactivate_image(cloud, id),
        begins=states("active"),
        ends=lambda image, options: image.status == "deactivated",
        instead=_INSTEAD,
        undo="image.reactivate",
    ),
    Verb(
        name="image.reactivate",
        summary="Reactivate a deactivated image.",
        sentence="reactivate image {name}",
        participle="reactivated",
        request=lambda cloud, id, options: change.reactivate_image(cloud, id),
        begins=states("deactivated"),
        ends=lambda image, options: image.status == "active",
        instead=_INSTEAD,
        undo="image.deactivate",
        disturbs=False,
    ),
    Verb(
        name="image.delete",
        summary="Delete an image that no server and no volume uses.",
        sentence="delete image {name}",
        participle="deleted",
        request=lambda cloud, id, options: change.delete_image(cloud, id),
        gone=True,
        unless=in_use,
    ),
)

"""Runbooks about images: image.list and image.search, and all that changes them."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from accounts.cloud import Cloud
from images.creating import ImageOptions, plan_creation
from images.rotating import family as family_of
from images.rotating import plan_rotation
from query_api.lookups import things
from searches import searching
from verbs import runbooks
from verbs.images import IMAGE, IMAGE_VERBS
from verbs.shared_images import SHARING_VERBS
from workflow_api import Context, Plan, UserError, clean, workflow
from workflow_api.parameters import AtLeastOne, ImageName

searching.register(
    "image",
    "images",
    where="visibility = private and created_at older_than 365d",
    group_by="os_distro",
    join="project: name; user: name",
)

runbooks.register(IMAGE, (*IMAGE_VERBS, *SHARING_VERBS))


@workflow("image.create", one_object=True, timeout="1d")
def create(ctx: Context, cloud: Cloud, *, options: ImageOptions) -> Plan:
    """Create an image from a file of the action runner, or from an address that Glance downloads.

    Its hash is compared with the file's. It is public or a community's only when it is whole.
    """
    return plan_creation(ctx, cloud, options)


@workflow("image.rotate")
def rotate(
    ctx: Context,
    cloud: Cloud,
    image: ImageName,
    family: Annotated[str, Meta(min_length=1)],
    *,
    keep: AtLeastOne = 3,
    visibility: Literal["public", "community", "shared"] = "public",
    tell_owners: bool = False,
    end_date: str | None = None,
) -> Plan:
    """Publish the new image of a family, hide and deprecate older ones, delete the oldest.

    The family are images of the new one's project that are not private, and no snapshots of
    servers. Beyond those that are kept, only what neither servers nor volumes use is deleted.
    Owners of servers are told only with tell_owners=true.

    Costs two listings of images, and two listings for each image that is beyond those kept.

    image: The new image, by its exact name or id.
    family: The beginning of the images' names, or properties as os_distro=debian; os_version=13.
    keep: How many of the family to keep, with the new one.
    visibility: Who may use the new one.
    tell_owners: Mail the owners of servers made from images that are beyond those kept.
    end_date: The last day on which these are to be used, for the mail, as 2026-12-31.
    """
    if tell_owners and not end_date:
        raise UserError("tell_owners needs end_date: the last day, as 2026-12-31.")

    def read() -> list[things.Thing]:
        new = IMAGE.find(cloud, image)
        return [new, *family_of(cloud, new, family)]

    found = ctx.claimed(read)
    plan = Plan(f"Rotate the images {clean(family)} to {clean(found[0].name)}")
    rotation = plan_rotation(
        plan, cloud, found, visibility=visibility, keep=keep, config=ctx.config
    )
    for old in rotation.in_use if tell_owners else ():
        plan.run(
            "email.retiring_image",
            key=old.id,
            image=old.id,
            end_date=end_date,
            # A name that both have would name the old one too.
            replacement=rotation.new.name if rotation.new.name != old.name else None,
        )
    return plan

"""Mail to the owners of servers whose image or flavor is withdrawn."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from msgspec import Meta

from accounts.cloud import Cloud
from accounts.smtp import SmtpAccount
from campaigns.options import OwnerOptions
from campaigns.owner_mail import mail_workflow, server_mail
from query_api.lookups.absent import absent
from workflow_api import CloudError, Context, NotFound, Plan, UserError, clean, listed, near
from workflow_api.parameters import AllowPast, FlavorName, ImageName, Name

if TYPE_CHECKING:
    from query_api.execution.query import Query

Match = Annotated[
    Literal["exact", "contains"],
    Meta(description="Whether the name must match exactly, or only contain this text."),
]
EndDate = Annotated[str, Meta(description="The last day on which it can be used, as 2026-12-31.")]
Replacement = Annotated[
    Name, Meta(description="What to use instead, by its exact name; it must exist.")
]
_COLUMNS = {"name": "name", "id": "id", "project": "project.name", "created_at": "created_at"}
_OPERATORS = {"exact": "equal_to", "contains": "contains"}


@mail_workflow("email.retiring_image")
def retiring_image(
    ctx: Context,
    cloud: Cloud,
    image: ImageName,
    end_date: EndDate,
    replacement: Replacement | None = None,
    match: Match = "exact",
    *,
    smtp: SmtpAccount,
    boot_volumes: bool = True,
    allow_past: AllowPast = False,
    options: OwnerOptions,
) -> Plan:
    """Notify owners of servers that the image of these servers is being withdrawn.

    boot_volumes: Also tell owners of servers that boot from a volume made of the image.
    """
    until = checked_date("end_date", end_date, allow_past)
    images = Withdrawn(cloud, "image", image, match, boot_volumes=boot_volumes)
    instead = _instead(cloud, "image", replacement, images)
    ids, names = images.ids, _names(images, image)
    return server_mail(
        ctx,
        cloud,
        smtp,
        options.about(image=ids, match=None, end_date=until, replacement=instead),
        _made_from(cloud, ids, boot_volumes),
        notice="retiring_image",
        title=f"Tell the owners of servers made from {names} that it is withdrawn on {until}",
        columns=_COLUMNS,
        common={"image": names, "end_date": until, "replacement": replacement},
        remark="" if boot_volumes else "Owners of servers that boot from volumes are not told.",
    )


@mail_workflow("email.retiring_flavor")
def retiring_flavor(
    ctx: Context,
    cloud: Cloud,
    flavor: FlavorName,
    end_date: EndDate,
    replacement: Replacement | None = None,
    match: Match = "exact",
    *,
    smtp: SmtpAccount,
    allow_past: AllowPast = False,
    options: OwnerOptions,
) -> Plan:
    """Notify owners of servers that their flavor is being withdrawn."""
    from query_api.execution.query import query

    until = checked_date("end_date", end_date, allow_past)
    flavors = Withdrawn(cloud, "flavor", flavor, match)
    instead = _instead(cloud, "flavor", replacement, flavors)
    names, told = flavors.names, _names(flavors, flavor)
    return server_mail(
        ctx,
        cloud,
        smtp,
        options.about(flavor=names, match=None, end_date=until, replacement=instead),
        query("server").where("flavor.name", "any_in", *names),
        notice="retiring_flavor",
        title=f"Tell the owners of servers of flavor {told} that it is withdrawn on {until}",
        columns=_COLUMNS,
        common={"flavor": told, "end_date": until, "replacement": replacement},
    )


def checked_date(name: str, text: str, allow_past: bool) -> str:
    """Return a date as ``2026-11-21``; UserError if it is none, or a day that is over (UTC)."""
    try:
        day = datetime.date.fromisoformat(text.strip())
    except ValueError:
        raise UserError(f"{name} is a date like 2026-11-21, not {clean(text)!r:.80}.") from None
    if day < datetime.datetime.now(datetime.timezone.utc).date() and not allow_past:
        raise UserError(f"{name} {day} is in the past.", advice="If it is meant: allow_past=true.")
    return day.isoformat()


class Withdrawn:
    """What is withdrawn: what the cloud lists of it, and what servers still carry of it.

    ``found`` are pairs of id and name; the id is empty where servers carry only the name.
    """

    def __init__(
        self, cloud: Cloud, resource: str, wanted: str, match: Match, *, boot_volumes: bool = False
    ) -> None:
        """Raise NotFound with near names if nothing is, or was, called so.

        With ``boot_volumes`` what volumes were made of counts too where the name was given again.
        """
        known = _listed(cloud, resource, wanted)
        self.found = _matching(known.rows, wanted, match)
        reasons = known.reasons
        asked = None
        if not self.found or match == "contains":
            asked = _CARRIED[resource]
        elif boot_volumes and not any(id == wanted for id, _ in self.found):
            asked = _images_of_volumes
        if asked is not None:
            # A thing that is deleted is in no listing, but in use as long as a server has it.
            there = {word for row in known.rows for word in row}
            carried = asked(cloud)
            reasons = [*reasons, *carried.reasons]
            gone = [(id, name) for id, name in carried.rows if (id or name) not in there]
            self.found = sorted({*self.found, *_matching(gone, wanted, match)}, key=_by_name)
        if not self.found:
            names = near(wanted, [name for _, name in (*known.rows, *carried.rows)])
            error = NotFound(resource, clean(wanted), where=f"cloud {cloud.name}", near=names)
            raise absent(error, reasons)

    @property
    def ids(self) -> list[str]:
        """The ids that are known."""
        return [id for id, _ in self.found if id]

    @property
    def names(self) -> list[str]:
        """The names, each once."""
        return list(dict.fromkeys(name for _, name in self.found))


class _Things(NamedTuple):
    rows: list[tuple[str, str]]
    reasons: list[tuple[str, str]]


def _by_name(row: tuple[str, str]) -> tuple[str, str]:
    return row[1], row[0]


def _listed(cloud: Cloud, resource: str, wanted: str) -> _Things:
    from query_api.execution.query import query

    if not wanted.strip():
        raise UserError(f"{resource} is a name or an id.")
    answer = query(resource).select("id", "name").run([cloud])
    return _Things([(id, name or id) for id, name in answer.rows], answer.reasons)


def _flavors_carried(cloud: Cloud) -> _Things:
    """Return the flavors that servers have: Nova keeps their names with each, and not their ids."""
    from query_api.execution.query import query

    answer = query("server").select("flavor.name").distinct().run([cloud])
    return _Things([("", name) for (name,) in answer.rows if name], answer.reasons)


def _images_carried(cloud: Cloud) -> _Things:
    """Return the images that servers and volumes are made of: volumes know the name as well."""
    from query_api.execution.query import query

    servers = query("server").select("image_id").distinct().run([cloud])
    volumes = _images_of_volumes(cloud)
    found = {**{id: id for (id,) in servers.rows if id}, **dict(volumes.rows)}
    return _Things(list(found.items()), [*servers.reasons, *volumes.reasons])


def _images_of_volumes(cloud: Cloud) -> _Things:
    from query_api.execution.query import query

    answer = query("volume").select("image_id", "image_name").distinct().run([cloud])
    return _Things([(id, name or id) for id, name in answer.rows if id], answer.reasons)


_CARRIED = {"flavor": _flavors_carried, "image": _images_carried}


def _matching(rows: Iterable[tuple[str, str]], wanted: str, match: Match) -> list[tuple[str, str]]:
    """Return what has this id or name, or contains it in its name, by name."""
    known = list(rows)
    found = [row for row in known if row[0] == wanted]
    if match == "contains":
        found = found or [row for row in known if wanted in row[1]]
    found = found or [row for row in known if row[1] == wanted]
    return sorted(found, key=_by_name)


def _names(found: Withdrawn, wanted: str) -> str:
    return listed(map(clean, found.names)) or clean(wanted)


def _instead(cloud: Cloud, resource: str, replacement: str | None, found: Withdrawn) -> list[str]:
    """Return the ids of the replacement, if there is to be one.

    Raises UserError for one that is not there, or is withdrawn itself.
    """
    if replacement is None:
        return []
    known = _listed(cloud, resource, replacement)
    instead = _matching(known.rows, replacement, "exact")
    if not instead:
        names = near(replacement, [name for _, name in known.rows])
        error = NotFound(resource, clean(replacement), where=f"cloud {cloud.name}", near=names)
        raise absent(error, known.reasons)
    if {id for id, _ in instead} & set(found.ids):
        raise UserError(f"replacement {clean(replacement)} is withdrawn itself.")
    return [id for id, _ in instead]


def _made_from(cloud: Cloud, images: Sequence[str], boot_volumes: bool) -> Query:
    """Return a question about the servers made from images, also by way of a boot volume.

    Raises CloudError if the volumes could not all be read.
    """
    from query_api.execution.query import query
    from query_api.language.conditions import any_of, test

    asked, made = query("server"), test("image_id", "any_in", *images)
    if not boot_volumes:
        return asked.where(made)
    volumes = query("volume").where("image_id", "any_in", *images)
    answer = volumes.where("bootable", "equal_to", True).select("server_ids").run([cloud])
    if not answer.complete:
        raise CloudError(
            f"The volumes of {cloud.name} could not all be read, so servers that boot from them "
            f"would be missed: {listed((why.rstrip('.') for _, why in answer.reasons), 3)}.",
            advice="Leave them out with boot_volumes=false.",
        )
    servers = sorted({id for (ids,) in answer.rows for id in ids or ()})
    return asked.where(any_of(made, test("id", "any_in", *servers)) if servers else made)

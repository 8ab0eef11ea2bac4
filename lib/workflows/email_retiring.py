"""Mail to the owners of servers whose image or flavor is withdrawn."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from accounts.cloud import Cloud
from accounts.smtp import SmtpAccount
from workflow_api import CloudError, Context, NotFound, Plan, UserError, clean, listed, near
from workflows.mail_options import OwnerOptions
from workflows.mailing import mail_workflow, server_mail

if TYPE_CHECKING:
    from query_api.query import Query

Match = Literal["exact", "contains"]
_COLUMNS = {"name": "name", "id": "id", "project": "project.name", "created_at": "created_at"}
_PRESETS = {"exact": "equal_to", "contains": "contains"}


@mail_workflow("email.retiring_image")
def retiring_image(
    ctx: Context,
    cloud: Cloud,
    smtp: SmtpAccount,
    options: OwnerOptions,
    image: str,
    end_date: str,
    replacement: str | None = None,
    match: Match = "exact",
    boot_volumes: bool = True,
    allow_past: bool = False,
) -> Plan:
    """Tell owners of servers that the image they were made from is withdrawn."""
    until = checked_date("end_date", end_date, allow_past)
    images = _named(cloud, "image", image, match)
    instead = _instead(cloud, "image", replacement, images)
    ids, names = [id for id, _ in images], _names(images, image)
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
    smtp: SmtpAccount,
    options: OwnerOptions,
    flavor: str,
    end_date: str,
    replacement: str | None = None,
    match: Match = "exact",
    allow_past: bool = False,
) -> Plan:
    """Tell owners of servers that the flavor they have is withdrawn."""
    from query_api.query import query

    until = checked_date("end_date", end_date, allow_past)
    flavors = _named(cloud, "flavor", flavor, match)
    instead = _instead(cloud, "flavor", replacement, flavors)
    names = list(dict.fromkeys(name for _, name in flavors))
    told = _names(flavors, flavor)
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


def _named(cloud: Cloud, resource: str, wanted: str, match: Match) -> list[tuple[str, str]]:
    """Return ids and names of what has this id or name, or contains it in its name.

    Raises NotFound with near names.
    """
    from query_api.query import query

    if not wanted.strip():
        raise UserError(f"{resource} is a name or an id.")
    answer = query(resource).select("id", "name").run([cloud])
    rows = [(id, name or id) for id, name in answer.rows]
    found = [row for row in rows if row[0] == wanted]
    if match == "contains":
        found = found or [row for row in rows if wanted in row[1]]
    found = found or [row for row in rows if row[1] == wanted]
    if not found:
        names = near(wanted, [name for _, name in rows])
        raise NotFound(resource, clean(wanted), where=f"cloud {cloud.name}", near=names)
    return sorted(found, key=lambda row: (row[1], row[0]))


def _names(found: Sequence[tuple[str, str]], wanted: str) -> str:
    names = dict.fromkeys(clean(name) for _, name in found)
    return listed(names) or clean(wanted)


def _instead(
    cloud: Cloud, resource: str, replacement: str | None, found: Sequence[tuple[str, str]]
) -> list[str]:
    """Return the ids of the replacement, if there is to be one.

    Raises UserError for one that is not there, or is withdrawn itself.
    """
    if replacement is None:
        return []
    instead = [id for id, _ in _named(cloud, resource, replacement, "exact")]
    if set(instead) & {id for id, _ in found}:
        raise UserError(f"replacement {clean(replacement)} is withdrawn itself.")
    return instead


def _made_from(cloud: Cloud, images: Sequence[str], boot_volumes: bool) -> Query:
    """Return a question about the servers made from images, also by way of a boot volume.

    Raises CloudError if the volumes could not all be read.
    """
    from query_api.conditions import any_of, test
    from query_api.query import query

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

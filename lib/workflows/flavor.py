"""Runbooks about flavors: flavor.list and flavor.search, and all that changes them."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from accounts.cloud import Cloud
from flavors.copying import plan_copy
from flavors.creating import FlavorOptions, plan_creation
from flavors.retiring import plan_retirement
from searches import searching
from verbs import runbooks
from verbs.flavors import FLAVOR, FLAVOR_VERBS
from workflow_api import Context, Plan, UserError, clean, count, workflow
from workflow_api.parameters import FlavorName, Name, Names

searching.register(
    "flavor",
    "flavors",
    where="vcpus >= 8 and ram >= 64GiB and is_public = true",
    group_by="is_public, vcpus",
    join="servers: name; access_projects: name",
)

runbooks.register(FLAVOR, FLAVOR_VERBS)


@workflow("flavor.create", one_object=True)
def create(ctx: Context, cloud: Cloud, *, options: FlavorOptions) -> Plan:
    """Create a flavor with extra specs, public or for some projects.

    If one of that name exists as asked for, nothing is done, which is success.
    """
    return plan_creation(ctx, cloud, options)


@workflow("flavor.copy")
def copy(
    ctx: Context,
    cloud: Cloud,
    cloud_b: Cloud,
    flavors: Names = [],  # noqa: B006
) -> Plan:
    """Make the flavors of a cloud in another one that lacks them, with extra specs and access.

    Projects that may use a flavor are matched by name and domain. A flavor of the
    same name that differs is left as it is, and what differs is named; see audit.drift.

    Costs a listing of the flavors of each cloud; if flavors that are not public are missing, also
    of the projects and domains of each, and a request for each such flavor.

    cloud: The cloud to copy them from; the default cloud if empty.
    cloud_b: The cloud to copy them to, as the configuration calls it.
    flavors: Only these, by name; all if empty.
    """
    if cloud.name == cloud_b.name:
        raise UserError(f"{cloud.name} has its own flavors already.", advice="Give two clouds.")
    plan = Plan(f"Copy flavors of {cloud.name} that {cloud_b.name} lacks")
    plan_copy(ctx, plan, cloud, cloud_b, flavors)
    return plan


@workflow("flavor.retire")
def retire(
    ctx: Context,
    cloud: Cloud,
    flavor: FlavorName,
    end_date: Annotated[
        str | None,
        Meta(description="The last day on which it can be used; only needed for the mail."),
    ] = None,
    replacement: Name | None = None,
    *,
    tell_owners: bool = False,
) -> Plan:
    """Retire a flavor: private while servers use it, deleted when unused.

    While servers have it, no project may boot another one with it. Run it again later: when no
    server has it any more, it is deleted. The servers' owners are told only with tell_owners=true.

    Costs the flavor and a request for a thousand servers, and all servers if none is found by the
    flavor's id; the mail costs what email.retiring_flavor does.

    replacement: The flavor that the mail recommends instead, by its exact name; it has to exist.
    tell_owners: Mail the owners of its servers, by email.retiring_flavor.
    """
    (found,) = ctx.claimed(lambda: [FLAVOR.find(cloud, flavor)])
    plan = Plan(f"Retire flavor {clean(found.name)}")
    servers = plan_retirement(plan, cloud, found, ctx.config)
    if servers and not tell_owners:
        plan.note(
            f"The owners of {count(servers, 'server')} are not told: tell_owners=true mails them."
        )
    elif servers:
        if not end_date:
            raise UserError("The mail to owners says until when: give end_date.")
        plan.run(
            "email.retiring_flavor",
            flavor=found.name,
            end_date=end_date,
            replacement=replacement,
        )
    return plan

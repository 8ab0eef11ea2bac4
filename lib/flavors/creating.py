"""flavor.create: what is there already, what speaks against it, and the steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import msgspec
from msgspec import Meta

from accounts.cloud import Cloud
from common.pairs import pairs
from flavors.making import NewFlavor, add_flavor, differences, named_projects
from query_api.execution.query import query
from query_api.lookups import things
from query_api.lookups.things import Thing
from workflow_api import Context, ParameterGroup, Plan, clean
from workflow_api.parameters import Name, Names

_Size = Annotated[int, Meta(ge=0)]


class FlavorOptions(ParameterGroup, frozen=True, kw_only=True):
    """A new flavor.

    name: What it is to be called; no other flavor may be.
    vcpus: Its vCPUs.
    ram_mib: Its memory, in MiB.
    disk_gib: Its root disk, in GiB; 0 for the size of the image.
    ephemeral_gib: A second disk, in GiB; 0 for none.
    swap_mib: Swap, in MiB; 0 for none.
    public: Whether every project may use it.
    projects: The projects with access to a private flavor, by name or id.
    extra_specs: Its extra specs, as hw:cpu_policy=dedicated; hw:mem_page_size=large.
    description: The description.
    flavor_id: Its id, as m1.small or 42; a new UUID if empty.
    """

    name: Annotated[Name, Meta(min_length=1, max_length=255)]
    vcpus: Annotated[int, Meta(ge=1)]
    ram_mib: Annotated[int, Meta(ge=1)]
    disk_gib: _Size
    ephemeral_gib: _Size = 0
    swap_mib: _Size = 0
    public: bool = True
    projects: Names = msgspec.field(default_factory=list)
    extra_specs: str | None = None
    description: str | None = None
    flavor_id: Annotated[str, Meta(min_length=1, max_length=255)] | None = None


def plan_creation(ctx: Context, cloud: Cloud, options: FlavorOptions) -> Plan:
    """Return the plan that makes a flavor, or the reasons why it cannot be made.

    What is there as it is asked for is skipped. Raises NotFound and Ambiguous for projects.
    """
    plan = Plan(f"Create flavor {clean(options.name)}")
    ctx.claim(NewFlavor(options.name))
    facts = {
        "vcpus": options.vcpus,
        "ram": options.ram_mib,
        "disk": options.disk_gib,
        "ephemeral": options.ephemeral_gib,
        "swap": options.swap_mib,
        "is_public": options.public,
        "description": options.description,
    }
    specs = pairs("extra_specs", options.extra_specs)
    projects = [things.find(cloud, "project", wanted) for wanted in options.projects]
    known = things.of_query(cloud, query("flavor"))
    there = next((flavor for flavor in known if flavor.name == options.name), None)
    if there is not None:
        found = list(differences(facts, specs, there))
        plan.refuse(f"it is there already ({clean(there.id)}), and {why}" for why in found)
        plan.skip(options.name, f"it is there already as it is asked for: {clean(there.id)}")
        return plan
    plan.refuse(_against(options, known))
    add_flavor(
        plan,
        cloud,
        options.name,
        facts,
        specs,
        flavor_id=options.flavor_id,
        projects=named_projects(projects),
    )
    return plan


def _against(options: FlavorOptions, known: list[Thing]) -> Iterator[str]:
    for flavor in known:
        if flavor.id == options.flavor_id:
            yield f"the id {clean(flavor.id)} is that of flavor {clean(flavor.name)}"
    if options.public and options.projects:
        yield "it is to be public, so every project may use it: give public=false"

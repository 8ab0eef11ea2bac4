"""What Placement holds: who provides resources, and who has taken them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

from query_api.language.schema import Link, Listing, Resource, exact
from query_api.resources.properties import integer, mapping, text

# Providers say what they are a part of, and are found by it.
_PLACEMENT = "1.14"


def _uuid(text: str) -> str | None:
    """Return a UUID; Placement refuses to look for anything else."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return None


RESOURCE_PROVIDER = Resource(
    name="resource_provider",
    plural="resource_providers",
    about="What has resources to give: a hypervisor, a part of one such as a GPU, shared storage.",
    listings=(
        Listing(
            service="placement",
            path="/resource_providers",
            collection="resource_providers",
            microversion=_PLACEMENT,
        ),
    ),
    default=("id", "name", "root_id"),
    properties=(
        text(
            "id",
            "Its UUID; a hypervisor's is the hypervisor's id.",
            "uuid",
            filters=exact("uuid", encode=_uuid),
        ),
        text("name", "Its name, unique.", filters=exact("name")),
        text("parent_id", "What it is a part of, if of anything.", "parent_provider_uuid"),
        text(
            "root_id",
            "What it is at last a part of: itself, or a hypervisor.",
            "root_provider_uuid",
            filters=exact("in_tree", encode=_uuid),
        ),
        integer("generation", "A number that grows with each change of it."),
    ),
    links=(
        Link("hypervisor", "hypervisor", "root_id"),
        Link("parent", "resource_provider", "parent_id"),
        Link("allocations", "allocation", "id", "provider_id", many=True),
    ),
)


def _taken(answer: Any) -> Iterator[dict[str, Any]]:
    for consumer, allocation in answer["allocations"].items():
        resources = allocation["resources"]
        yield {
            "consumer_id": consumer,
            "resources": resources,
            "vcpus": resources.get("VCPU"),
            "pcpus": resources.get("PCPU"),
            "memory": resources.get("MEMORY_MB"),
            "disk": resources.get("DISK_GB"),
        }


ALLOCATION = Resource(
    name="allocation",
    plural="allocations",
    about="What one consumer (a server, or a migration that holds room) has of one provider.",
    listings=(
        Listing(
            service="placement",
            path="/resource_providers/{provider_id}/allocations",
            microversion=_PLACEMENT,
            unpack=_taken,
        ),
    ),
    # A consumer may have something of several providers.
    key="",
    needs={"provider_id": "resource_provider.id"},
    default=("consumer_id", "provider_id", "vcpus", "memory", "disk"),
    properties=(
        text("provider_id", "The resource provider, usually a hypervisor.", asked=True),
        text("consumer_id", "The server, or the migration, by its UUID."),
        integer("vcpus", "Shared vCPUs."),
        integer("pcpus", "Dedicated host CPUs."),
        integer("memory", "Memory.", unit="MiB"),
        integer("disk", "Local disk.", unit="GiB"),
        mapping("resources", "The amount of each resource class, custom ones too."),
    ),
    links=(
        Link("provider", "resource_provider", "provider_id"),
        Link("hypervisor", "hypervisor", "provider_id"),
        Link("server", "server", "consumer_id"),
        Link("migration", "migration", "consumer_id", "uuid"),
    ),
)

RESOURCES = {"resource_provider": RESOURCE_PROVIDER, "allocation": ALLOCATION}

"""server.show: one server with its state, place, size, addresses and owner."""

from __future__ import annotations

import json
from typing import Any

from accounts.cloud import Cloud
from query_api.lookups import compute
from query_api.lookups.compute_types import Server
from workflow_api import Context, Table, clean, workflow
from workflow_api.parameters import ServerName


@workflow("server.show")
def show_server(ctx: Context, cloud: Cloud, server: ServerName) -> Table:
    """Show one server with its state, place, size, addresses and owner."""
    found = compute.find_server(cloud, server)
    flavor = found.flavor
    facts: dict[str, Any] = {
        "name": clean(found.name),
        "id": found.id,
        "status": found.status,
        "task": found.task_state,
        "fault": clean(found.fault.message) if found.fault else None,
        "hypervisor": found.host,
        "zone": found.zone,
        "flavor": f"{clean(flavor.original_name)}: {flavor.vcpus} vCPU, {flavor.ram} MiB, "
        f"{flavor.disk} GiB",
        "addresses": ", ".join(found.ips),
        "image": found.image["id"] if isinstance(found.image, dict) else "boots from a volume",
        "volumes": ", ".join(volume["id"] for volume in found.volumes),
        **_whose(cloud, found),
        "locked": found.locked,
        "tags": ", ".join(map(clean, found.tags)),
        "metadata": clean(json.dumps(found.metadata)) if found.metadata else None,
        "created": found.created,
        "updated": found.updated,
    }
    rows = [{"property": name, "value": value} for name, value in facts.items()]
    return Table(("property", "value"), rows, summary=f"{facts['name']} is {found.status}")


def _whose(cloud: Cloud, server: Server) -> dict[str, Any]:
    """Return names and ids of the project and the user of a server; ids where there is no name."""
    from query_api.lookups import people
    from query_api.wire.reading import Reading

    reading = Reading(cloud)
    asked = [("project", people.project, server.project_id), ("user", people.user, server.user_id)]
    tried = reading.tried(lambda one: one[1](reading, one[2]) if one[2] else None, asked)
    told: dict[str, Any] = {}
    for (word, _, id), known in zip(asked, tried, strict=True):
        # Where a name cannot be read the id says it too.
        name = clean(known.name) if isinstance(known, people.Account) else id
        told |= {word: name, f"{word}_id": id}
    return told

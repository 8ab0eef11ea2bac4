"""Servers, as Nova lists those of all projects."""

from __future__ import annotations

from typing import Any

from query_api.language.schema import Filter, Link, Listing, Resource, Source, exact
from query_api.resources import server_values as values
from query_api.resources import since
from query_api.resources.properties import (
    address,
    addresses,
    boolean,
    integer,
    mapping,
    or_none,
    text,
    texts,
    time,
)
from query_api.wire import nova_patterns
from query_api.wire.objects import Id

_BY_NAME = {
    "equal_to": Filter(param="name", encode=nova_patterns.whole),
    "starts_with": Filter(param="name", encode=nova_patterns.start),
    "contains": Filter(param="name", encode=nova_patterns.part),
    "glob": Filter(param="name", encode=nova_patterns.glob),
    "matches_regex": Filter(param="name", encode=nova_patterns.regex),
}
# Not tags-any for several: a server that has two of them would count twice on a page, and a page
# that looks short has no link to the next one.
_TAG = Filter(param="tags", encode=nova_patterns.literal)
_IP = Filter(param="ip", encode=values.version_4)
# Nova adds what was deleted since then.
_SINCE = Filter(param="changes-since", unless=("status", "DELETED"))
_NETWORKS: dict[str, Any] = {"wire": "addresses", "shape": values.Networks | None}

SERVER = Resource(
    name="server",
    plural="servers",
    about="A virtual machine, or a bare-metal one, of any project.",
    listings=(
        Listing(
            service="compute",
            path="/servers/detail",
            collection="servers",
            # The flavor as it was at boot; tags and the description came earlier.
            microversion="2.47",
            params={"all_tenants": "1"},
            paging="links",
            brief="/servers",
            # Nova's own order is the newest first, and by rising UUID what is of the same second.
            backwards={"sort_key": ("created_at", "uuid"), "sort_dir": ("asc", "desc")},
            proof="OS-EXT-SRV-ATTR:host",
        ),
    ),
    default=(
        "id",
        "name",
        "status",
        "project.name",
        "user.name",
        "host",
        "flavor.name",
        "created_at",
    ),
    # Nova's filter `hostname` is by the name made fit for DNS, never by the name. The one by zone
    # is by the zone that was wished for: that is not what is shown, so it is not asked for.
    properties=(
        text("id", "Its UUID.", filters=exact("uuid")),
        text("name", "Its name; others may have the same.", filters=_BY_NAME),
        text(
            "status",
            "Its state in one word, such as ACTIVE, SHUTOFF or ERROR.",
            case="upper",
            filters=exact("status", encode=values.known_status, many="repeat"),
        ),
        text(
            "task_state",
            "What Nova is doing with it now; missing if nothing.",
            "OS-EXT-STS:task_state",
            case="lower",
            filters=exact("task_state"),
        ),
        text(
            "vm_state",
            "Its state apart from what is being done, such as active or stopped.",
            "OS-EXT-STS:vm_state",
            case="lower",
        ),
        text(
            "power_state",
            "What the hypervisor said of it: NOSTATE, RUNNING, PAUSED, SHUTDOWN, CRASHED, "
            "SUSPENDED.",
            "OS-EXT-STS:power_state",
            shape=int | None,
            of=values.power_state,
            case="upper",
        ),
        text("fault", "Why it is in ERROR.", "fault/message", of=str.strip),
        time("fault_at", "When that was.", "fault/created"),
        text(
            "host", "The compute service it is on.", "OS-EXT-SRV-ATTR:host", filters=exact("host")
        ),
        text(
            "hypervisor_hostname",
            "The hypervisor it is on, by name.",
            "OS-EXT-SRV-ATTR:hypervisor_hostname",
            filters=exact("node", encode=nova_patterns.whole),
        ),
        text("host_status", "UP, DOWN, MAINTENANCE or UNKNOWN.", case="upper", of=or_none),
        text(
            "availability_zone",
            "The availability zone of its host.",
            "OS-EXT-AZ:availability_zone",
            of=or_none,
        ),
        text("project_id", "Whose it is.", "tenant_id", filters=exact("project_id")),
        text("user_id", "Who made it.", filters=exact("user_id")),
        time("created_at", "When it was made.", "created"),
        time("updated_at", "When it last changed.", "updated", filters={"younger_than": _SINCE}),
        time("launched_at", "When it last began on a host.", "OS-SRV-USG:launched_at"),
        time("terminated_at", "When its end began.", "OS-SRV-USG:terminated_at"),
        time(
            "off_since",
            "Since when it has been SHUTOFF, by its own actions; missing if they do not tell.",
            source="actions",
            of=since.off_since,
            only=("status", "SHUTOFF"),
        ),
        time(
            "error_since",
            "Since when it has been in ERROR, by its own actions; missing if none of them failed.",
            source="actions",
            of=since.error_since,
            only=("status", "ERROR"),
        ),
        text(
            "image_id",
            "The image it was booted from; missing if it was from a volume.",
            "image",
            shape=Id | str | None,
            of=values.image_id,
            filters=exact("image"),
        ),
        text(
            "flavor.name",
            "The flavor it was booted with, by the name it then had.",
            "flavor/original_name",
        ),
        integer("flavor.vcpus", "The vCPUs it was booted with.", "flavor/vcpus"),
        integer("flavor.ram", "The memory it was booted with.", "flavor/ram", unit="MiB"),
        integer("flavor.disk", "The root disk of its flavor.", "flavor/disk", unit="GiB"),
        integer(
            "flavor.ephemeral", "The other disks of its flavor.", "flavor/ephemeral", unit="GiB"
        ),
        integer("flavor.swap", "The swap of its flavor.", "flavor/swap", unit="MiB"),
        mapping("flavor.extra_specs", "What else its flavor said at boot.", "flavor/extra_specs"),
        mapping("metadata", "What its owner says of it."),
        texts("tags", "Its tags.", filters={"equal_to": _TAG, "has_tag": _TAG, "contains": _TAG}),
        addresses("addresses", "All its addresses.", of=values.all_addresses, **_NETWORKS),
        addresses(
            "fixed_addresses",
            "The addresses of its ports.",
            of=values.fixed,
            **_NETWORKS,
            filters={"equal_to": _IP, "contains": _IP},
        ),
        addresses(
            "floating_addresses", "Its floating IP addresses.", of=values.floating, **_NETWORKS
        ),
        texts("mac_addresses", "The MAC addresses of its ports.", of=values.macs, **_NETWORKS),
        texts("networks", "The names of the networks it is on.", of=list, **_NETWORKS),
        address("access_ipv4", "The address its owner says it has.", "accessIPv4", of=or_none),
        address("access_ipv6", "The same for IPv6.", "accessIPv6", of=or_none),
        texts(
            "security_groups",
            "The names of its ports' security groups.",
            shape=list[values.Name] | None,
            of=values.names,
        ),
        texts(
            "volume_ids",
            "The volumes attached to it.",
            "os-extended-volumes:volumes_attached",
            shape=list[Id] | None,
            of=values.ids,
        ),
        text(
            "key_name",
            "The key pair it was booted with.",
            filters=exact("key_name", encode=nova_patterns.whole),
        ),
        boolean("locked", "Whether its users may do nothing to it."),
        text("description", "What its owner says it is for."),
        boolean("config_drive", "Whether it has one.", shape=str | None, of=values.is_true),
        integer("progress", "How far a running task is, in percent."),
        text(
            "hostname",
            "Its name made fit for DNS.",
            "OS-EXT-SRV-ATTR:hostname",
            filters=exact("hostname", encode=nova_patterns.whole),
        ),
        text("instance_name", "Its name on the host.", "OS-EXT-SRV-ATTR:instance_name"),
        text("reservation_id", "The request it came from.", "OS-EXT-SRV-ATTR:reservation_id"),
        text("root_device_name", "Its root disk.", "OS-EXT-SRV-ATTR:root_device_name"),
    ),
    links=(
        Link("project", "project", "project_id"),
        Link("user", "user", "user_id"),
        Link("image", "image", "image_id"),
        Link("flavor", "flavor", "flavor.name", "name"),
        Link("hypervisor", "hypervisor", "hypervisor_hostname", "name"),
        Link("aggregates", "aggregate", "host", "hosts", many=True),
        Link("ports", "port", "id", "device_id", many=True),
        Link("volumes", "volume", "volume_ids"),
        Link("actions", "server_action", "id", "server_id", many=True),
        Link("migrations", "migration", "id", "server_id", many=True),
        Link("server_group", "server_group", "id", "members"),
        Link("allocations", "allocation", "id", "consumer_id", many=True),
    ),
    sources={
        "actions": Source(
            key="id",
            read=since.actions,
            cost="one request for each server that is SHUTOFF, or in ERROR, and passes all other "
            "conditions",
            each=True,
        )
    },
)

RESOURCES = {"server": SERVER}

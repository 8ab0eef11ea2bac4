"""Audits: what is in a cloud that should not be. They change nothing, and say how to act."""

from __future__ import annotations

from accounts.cloud import Cloud
from accounts.clouds import Clouds
from workflow_api import Context, Duration, Table, UserError, workflow
from workflow_api.parameters import AllowPartial, Names

# What each audit is made of is imported when it is asked for.

_MONTH = Duration.parse("30d")
_DOORS = "22, 23, 445, 1433, 2375, 2379, 3306, 3389, 5432, 5900-5910, 6379, 9200, 11211, 27017"


@workflow("audit.orphans")
def orphans(
    ctx: Context,
    clouds: Clouds,
    kinds: list[str] = [],  # noqa: B006 - never changed; the signature is the action's default
    older_than: Duration | None = None,
    allow_partial: AllowPartial = False,
) -> Table:
    """Find objects of deleted projects, and objects that nothing uses or nobody owns.

    Nothing of a cloud is called an orphan if its projects cannot all be read; allocations and
    ports of servers that are gone are not judged without all servers. Left out are Neutron's own
    ports, ports whose address another port may use too, and, unless ``older_than`` says
    otherwise, ports and floating IPs that are bound to nothing for less than a day. How old an
    allocation is, Placement does not say.

    Costs one listing of each kind (two of images), and of servers, projects and domains; of each
    service a look at whether it shows everything; for allocations a listing of resource providers,
    and a request for each; if there are suspects, a listing of soft-deleted servers, at most
    eleven requests for migrations, and the allocations of their providers once more; and the
    users, a listing a domain, if any are to be named.

    kinds: Which kinds to look at, such as server, volume, image, network or port; all if empty.
    older_than: Only objects older than this, as 30d; any age if empty, one day for unused objects.
    """
    from audits import orphans as audit
    from audits.findings import audited, chosen

    wanted = chosen("kinds", kinds, [*audit.KINDS, audit.ALLOCATION])
    return audited(
        clouds,
        lambda part: audit.orphans(part, wanted, older_than),
        "orphan",
        allow_partial=allow_partial,
    )


@workflow("audit.security_groups")
def security_groups(
    ctx: Context,
    clouds: Clouds,
    ports: str = _DOORS,
    protocols: list[str] = ["tcp", "udp"],  # noqa: B006
    allow_partial: AllowPartial = False,
) -> Table:
    """Find security group rules that open sensitive ports to the world, with their servers.

    Open to the world is what names 0.0.0.0/0 or ::/0, or neither a range nor a group. A rule for
    all ports, for a range with one of them in it, or for any protocol, opens it.

    Costs a listing of the rules that let in; of the groups and ports that have one of those found,
    a request for a hundred groups; of the servers behind these ports and, to name whose they are,
    projects, domains, and the users of each domain.

    ports: The ports that the world should not reach, as: 22, 3389, 8000-8100.
    protocols: The protocols: tcp, udp, sctp, dccp or udplite; all if empty.
    """
    from audits import rules as audit
    from audits.findings import audited, chosen

    ranges, wanted = audit.parse_ports(ports), chosen("protocols", protocols, audit.PROTOCOLS)
    return audited(
        clouds,
        lambda part: audit.open_rules(part, ranges, wanted),
        "open rule",
        allow_partial=allow_partial,
        more=("servers",),
        extra=("server_ids", "server_projects", "security_group_id"),
    )


@workflow("audit.old_snapshots")
def old_snapshots(
    ctx: Context,
    clouds: Clouds,
    older_than: Duration = _MONTH,
    allow_partial: AllowPartial = False,
) -> Table:
    """Find snapshots of volumes and servers that are old, or were to be kept until an earlier day.

    Those that our runbooks took say until when they are kept (openstack_ops:keep_until); until
    then they are left out, however old they are. Snapshots of volumes are said to be of the
    volume's user.

    Costs a listing of volume snapshots and two of images; of the volumes, projects and, a listing
    a domain, the users of what was found.

    older_than: The age at which a snapshot counts as old, as 30d.
    """
    from audits import snapshots as audit
    from audits.findings import audited

    return audited(
        clouds,
        lambda part: audit.old_snapshots(part, older_than),
        "snapshot",
        allow_partial=allow_partial,
        more=("size",),
        extra=("of",),
        units={"size": "bytes"},
    )


@workflow("audit.roles")
def roles(
    ctx: Context,
    clouds: Clouds,
    roles: Names = [],  # noqa: B006
    allow_partial: AllowPartial = False,
) -> Table:
    """Find who has powerful roles, and roles of users who are disabled or deleted.

    Powerful are admin, manager and service, unless ``roles`` names others. A role is found however
    it is had: itself, through a group, from above, implied by another, or on the whole system.
    Beside these: disabled users who have any role, projects on which no user has one, and
    assignments of users, groups, projects and domains that no longer exist.

    Costs two listings of role assignments, and one each of roles, projects, domains and, a domain,
    users and groups (which list the domains again); if there are roles on the system, one request
    for what roles imply, and one for each group that has such a role there.

    roles: The powerful roles, by name; admin, manager and service if empty.
    """
    from audits import roles as audit
    from audits.findings import audited

    return audited(
        clouds,
        lambda part: audit.roles(part, roles),
        "finding",
        allow_partial=allow_partial,
        extra=("project_ids",),
    )


@workflow("audit.drift")
def drift(
    ctx: Context,
    cloud_a: Cloud,
    cloud_b: Cloud,
    what: list[str] = [],  # noqa: B006
    allow_partial: AllowPartial = False,
) -> Table:
    """Find flavors, images and aggregates that differ from those of another cloud.

    Things are compared by name, and ``cloud_a`` is what ``cloud_b`` should be like. Of images only
    public ones that are not hidden, the newest of each name; of aggregates the metadata and the
    zone, for other clouds have other hosts.

    Costs a listing of each in each cloud (two of images), and of its projects if images are found.

    cloud_a: The reference cloud; the default cloud if empty.
    cloud_b: The cloud to compare it with, as the configuration calls it.
    what: Which of flavors, images and aggregates to compare; all if empty.
    """
    from audits import drift as audit
    from audits.findings import chosen, parts_of, table

    wanted = chosen("what", what, audit.WHAT)
    if cloud_a.name == cloud_b.name:
        raise UserError(f"{cloud_a.name} cannot differ from itself.", advice="Give two clouds.")
    model, other = parts_of((cloud_a, cloud_b))
    audit.drift(model, other, wanted)
    for part in (model, other):
        part.say_whose()
    return table(
        (model, other),
        "difference",
        allow_partial=allow_partial,
        extra=("differences", "other_id"),
    )


@workflow("audit.server_groups")
def server_groups(ctx: Context, clouds: Clouds, allow_partial: AllowPartial = False) -> Table:
    """Find server groups whose members violate their policy.

    Members of an affinity group that are on several hosts, and those of an anti-affinity group of
    which more are on one host than it allows (one, or max_server_per_host). Groups with a soft
    policy are told of as a remark. What is deleted, shelved or on no host breaks nothing.

    Costs a listing of server groups and, if they have members, one of servers (for few members a
    request each), projects, and the users of each domain.
    """
    from audits import server_groups as audit
    from audits.findings import audited

    return audited(
        clouds,
        audit.broken_groups,
        "broken group",
        allow_partial=allow_partial,
        more=("servers", "hosts"),
        extra=("policy",),
    )


@workflow("audit.allocations")
def allocations(
    ctx: Context,
    clouds: Clouds,
    every_host: bool = False,
    allow_partial: AllowPartial = False,
) -> Table:
    """Find allocations in Placement that no server explains, and servers that lack theirs.

    An allocation is orphaned if its consumer is neither a server (a softly deleted one counts) nor
    a migration in progress. A server's is missing if it is on a hypervisor and holds nothing of
    it, and elsewhere if it holds something of another one. What is being moved is not judged, and
    what was found is read once more before it is told. Nothing is changed.

    Costs a listing of hypervisors, resource providers and servers, and one to three requests for
    what of each hypervisor is given away. Only where that is not what the flavors of its servers
    say, its allocations are read: a request for such a hypervisor, and another one before
    something is told of it; then also a listing of softly deleted servers, at most eleven requests
    for migrations, and projects and users. What cancels out on one hypervisor (an allocation too
    many and a like one too few) shows up with every_host alone.

    every_host: Read the allocations of each hypervisor, also where the sums agree.
    """
    from audits import allocations as audit
    from audits.findings import audited

    return audited(
        clouds,
        lambda part: audit.allocations(part, every_host=every_host),
        "finding",
        allow_partial=allow_partial,
        more=("hypervisor",),
    )

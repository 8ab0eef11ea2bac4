"""Who may do much, and roles that should not be there any more."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from audits.findings import Finding, Part, named
from audits.grants import Effect, Estate, Grant, effects, grants, read_estate
from query_api.lookups.membership import implying, members
from query_api.wire.reading import Reading
from workflow_api import CloudError, clean, count, near

# What is looked for if no roles are given, where a cloud has it.
POWERFUL = ("admin", "manager", "service")


class Spared(NamedTuple):
    """The users whose roles are left alone: those of the cloud's own services, and our own."""

    services: frozenset[str]
    own: str | None


def roles(part: Part, wanted: Sequence[str]) -> Iterator[Finding]:
    """Yield what there is to say of the roles in one cloud; ``wanted`` names the powerful ones.

    Raises CloudError if its roles cannot all be read.
    """
    (granted, _), (effective, all_effective) = part.read_all([grants(), effects()])
    # Whom and what they are about is read after them: it was there before.
    estate = read_estate(part, [Grant(*row) for row in granted])
    found = [Effect(*row) for row in effective]
    part.service_users = service_users(estate, found, part.cloud.config.service_projects)
    powerful = _powerful(part, estate, wanted)
    spared = Spared(part.service_users, _own_account(part))
    yield from held(estate, found, powerful, spared)
    yield from on_system(part, estate, powerful, spared)
    if estate.all_of("user"):
        yield from disabled(estate, found)
    if all_effective and estate.all_of("user") and estate.all_of("project"):
        yield from ownerless(estate, found)
    yield from stale(estate)


def service_users(
    estate: Estate, effective: Iterable[Effect], projects: Sequence[str]
) -> frozenset[str]:
    """Return the users of the cloud's own services: who has a role of its own on their project.

    A role that comes from above, as an administrator's can, does not make one of them.
    """
    theirs = {id for id, name in estate.names["project"].items() if name in projects}
    granted = {
        grant.id: grant.user
        for grant in estate.grants.values()
        if grant.project in theirs and not grant.inherited
    }
    through_groups = {one.user for one in effective if one.grant in granted and one.group}
    return frozenset(through_groups | {user for user in granted.values() if user})


def _own_account(part: Part) -> str | None:
    """Return the user that the audit itself has logged in as; None if it logs in nowhere."""
    access = part.cloud.access()
    return str(access.user_id) if access and access.user_id else None


def _powerful(part: Part, estate: Estate, wanted: Sequence[str]) -> set[str]:
    """Return the ids of the roles that are asked for; says which do not exist."""
    known = estate.names["role"]
    for name in wanted:
        if name not in known.values():
            likely = near(name, known.values())
            advice = f"; did you mean {' or '.join(likely)}?" if likely else ""
            part.lacks(f"role {clean(name)} of {part.cloud.name}", f"there is none{advice}")
    return {id for id, name in known.items() if name in (wanted or POWERFUL)}


# -- who may do much -------------------------------------------------------------------------------


def held(
    estate: Estate, effective: Sequence[Effect], powerful: set[str], spared: Spared
) -> Iterator[Finding]:
    """Yield each user's powerful roles on projects and domains, those of one grant together."""
    members: dict[str, set[str]] = {}
    for one in effective:
        if one.group:
            members.setdefault(one.group, set()).add(one.user)
    by_grant: dict[tuple[str, str | None, str | None], list[Effect]] = {}
    for one in effective:
        if one.role in powerful:
            by_grant.setdefault((one.user, one.grant, one.group), []).append(one)
    for (user, grant_id, group), found in by_grant.items():
        grant = estate.grants.get(grant_id or "")
        projects = sorted({one.project for one in found if one.project})
        where = estate.place(projects[0] if projects else None, found[0].domain)
        if grant is not None and grant.inherited:
            above = estate.place(grant.project, grant.domain)
            where = f"{count(len(projects), 'project')} below {above}"
        names = sorted({estate.name("role", one.role) for one in found})
        said = f"has {' and '.join(names)} on {where}"
        if group:
            said += f", through group {estate.name('group', group)}"
        source = found[0].granted_role
        if source and source not in {one.role for one in found}:
            said += f", implied by {estate.name('role', source)}"
        yield _may(estate, user, said, grant, projects, spared, members.get(group or "", ()))


def on_system(part: Part, estate: Estate, powerful: set[str], spared: Spared) -> Iterator[Finding]:
    """Yield each user's powerful roles on the system, which Keystone does not spread out."""
    system = [grant for grant in estate.grants.values() if grant.system]
    if not system:
        return
    reading = Reading(part.cloud)
    try:
        implied = implying(reading, powerful)
        system = [grant for grant in system if grant.role in implied]
        known = members(reading, sorted({grant.group for grant in system if grant.group}))
    except CloudError as error:
        part.lacks(f"roles on the system of {part.cloud.name}", str(error))
        return
    for what, why in reading.reasons:
        part.lacks(what, why)
    for grant in system:
        said = f"has {estate.name('role', implied[grant.role])} on the whole system"
        if grant.group:
            said += f", through group {estate.name('group', grant.group)}"
        if implied[grant.role] != grant.role:
            said += f", implied by {estate.name('role', grant.role)}"
        users = known.get(grant.group, ()) if grant.group else [grant.user or ""]
        for user in users:
            yield _may(estate, user, said, grant, [], spared, users if grant.group else ())


def _may(
    estate: Estate,
    user: str,
    said: str,
    grant: Grant | None,
    projects: Sequence[str],
    spared: Spared,
    members: Collection[str],
) -> Finding:
    """Return the finding; ``members`` are all who would lose the role with the group that has it.

    A command that takes it from one of those who are spared is not shown for any of them.
    """
    disabled = "; the user is disabled" if user in estate.disabled else ""
    shared = not spared.services.isdisjoint(members)
    ours = estate.name("user", spared.own) if spared.own in {user, *members} else ""
    return Finding(
        kind="powerful_role",
        id=user,
        name=estate.names["user"].get(user),
        why=said + disabled,
        act=grant.taken_back if grant else f"see openstack role assignment list --user {user}",
        project_id=projects[0] if len(projects) == 1 else None,
        user_id=user,
        service="one of their accounts is in that group" if shared else "",
        ours=ours if spared.own == user or not ours else f"{ours}, who is in that group,",
        more={"project_ids": projects},
    )


# -- roles that should not be there ----------------------------------------------------------------


def disabled(estate: Estate, effective: Iterable[Effect]) -> Iterator[Finding]:
    """Yield users who cannot log in and still have roles; those that these imply are not told."""
    found: dict[str, dict[str, None]] = {}
    # Those on the system are only among the grants; others are there too, in the same words.
    direct = (one for one in estate.grants.values() if one.user and not one.inherited)
    granted = (one for one in effective if one.granted_role in (None, one.role))
    had: Iterable[Effect | Grant] = (*granted, *direct)
    for one in had:
        if one.user and one.user in estate.disabled:
            where = estate.place(one.project, one.domain)
            said = f"{estate.name('role', one.role)} on {where}"
            found.setdefault(one.user, {})[said] = None
    for user, its in found.items():
        id = clean(user)
        yield Finding(
            kind="disabled_user",
            id=user,
            name=estate.names["user"].get(user),
            why=f"is disabled and has {count(len(its), 'role')}: {named(its)}",
            act=f"openstack role assignment list --user {id} shows what to take back; or openstack "
            f"user delete {id}",
            user_id=user,
        )


def ownerless(estate: Estate, effective: Iterable[Effect]) -> Iterator[Finding]:
    """Yield projects in which nobody can work."""
    able: dict[str, bool] = {}
    for one in effective:
        if one.project and one.user in estate.names["user"]:
            able[one.project] = able.get(one.project, False) or one.user not in estate.disabled
    for id, name in estate.names["project"].items():
        if not able.get(id):
            who = "only disabled users have" if id in able else "no user has"
            yield Finding(
                kind="ownerless_project",
                id=id,
                name=name,
                why=f"{who} a role on it",
                act=f"openstack role add --user USER --project {clean(id)} ROLE; or, when it is "
                f"empty: openstack project delete {clean(id)}",
                project_id=id,
            )


def stale(estate: Estate) -> Iterator[Finding]:
    """Yield assignments of users, groups, projects and domains that no longer exist."""
    for grant in estate.grants.values():
        gone = [
            f"its {kind} {clean(id)} no longer exists"
            for kind in ("user", "group", "project", "domain")
            if (id := getattr(grant, kind)) is not None and estate.is_gone(kind, id)
        ]
        if gone:
            yield Finding(
                kind="stale_assignment",
                id=grant.id,
                name=estate.name("role", grant.role),
                why=", and ".join(gone),
                act=grant.taken_back,
                project_id=grant.project,
                user_id=grant.user,
            )

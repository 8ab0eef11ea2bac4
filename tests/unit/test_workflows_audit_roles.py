"""audit.roles: who may do much, however it came about, and which roles are left over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.audit_cloud import DOMAIN, LIVING, USER, AuditCloud

ADMIN, MEMBER, BOSS = "role-admin", "role-member", "role-boss"
Json = dict[str, Any]


@pytest.fixture
def cloud() -> Iterator[AuditCloud]:
    """A cloud with roles, of which boss implies admin; everybody is a member of its project."""
    with AuditCloud() as cloud:
        names = {ADMIN: "admin", MEMBER: "member", BOSS: "boss"}
        cloud.rows["role"] = [{"id": id, "name": name} for id, name in names.items()]
        cloud.rows["group"] = [{"id": "group-1", "name": "ops", "domain_id": DOMAIN}]
        cloud.rows["role_inference"] = [{"prior_role": {"id": BOSS}, "implies": [{"id": ADMIN}]}]
        cloud.rows["user"] += [
            {"id": "bob", "name": "bob", "enabled": False, "email": "bob@example.org"},
            {"id": "cy", "name": "cy", "enabled": True},
        ]
        grant(cloud, MEMBER, ("user", USER), ("project", LIVING))
        yield cloud


def grant(
    cloud: AuditCloud,
    role: str,
    who: tuple[str, str],
    where: tuple[str, str],
    *,
    members: tuple[str, ...] = (),
    below: tuple[str, ...] = (),
    implied: tuple[str, ...] = (),
) -> None:
    """Grant a role as Keystone would show it, and what comes of it for whom and where."""
    scope: Json = (
        {where[0]: {"id": where[1]}} if where[0] != "system" else {"system": {"all": True}}
    )
    path = f"{where[0]}s/{where[1]}/{who[0]}s/{who[1]}/roles/{role}"
    if below:
        scope["OS-INHERIT:inherited_to"] = "projects"
        path = f"OS-INHERIT/{path}/inherited_to_projects"
    link = {"assignment": f"http://cloud/identity/v3/{path}"}
    row = {"role": {"id": role}, who[0]: {"id": who[1]}, "scope": scope, "links": link}
    cloud.rows.setdefault("role_assignment", []).append(row)
    if where[0] == "system":
        return
    for user in members if who[0] == "group" else (who[1],):
        more = {"membership": f"http://cloud/identity/v3/groups/{who[1]}/users/{user}"}
        for project in below or (None,):
            for had in (role, *implied):
                there = {"project": {"id": project}} if project else scope
                if project:
                    there = {**there, "OS-INHERIT:inherited_to": ["projects"]}
                links = {**link, **(more if who[0] == "group" else {})}
                cloud.effective.append(
                    {"role": {"id": had}, "user": {"id": user}, "scope": there, "links": links}
                )


def powerful(cloud: AuditCloud, **parameters: Any) -> list[tuple[str, str]]:
    rows = cloud.done("roles", **parameters)
    return [(row["name"], row["why"]) for row in rows if row["kind"] == "powerful_role"]


def of(cloud: AuditCloud, kind: str) -> list[Json]:
    return [row for row in cloud.done("roles") if row["kind"] == kind]


def test_a_cloud_in_order(cloud: AuditCloud) -> None:
    assert cloud.done("roles") == []


def test_roles_that_are_had_directly(cloud: AuditCloud) -> None:
    grant(cloud, ADMIN, ("user", USER), ("project", LIVING))
    grant(cloud, ADMIN, ("user", "cy"), ("domain", DOMAIN))
    first, second = cloud.done("roles")
    assert (first["why"], first["project"]) == ("has admin on project living", "living")
    assert (first["user"], first["mail"]) == ("ann", "ann@example.org")
    assert first["act"] == f"openstack role remove --user {USER} --project {LIVING} {ADMIN}"
    assert (second["name"], second["why"]) == ("cy", "has admin on domain Default")
    assert second["act"] == f"openstack role remove --user cy --domain {DOMAIN} {ADMIN}"


LEAVE = "leave it to those who run the cloud: it belongs to the cloud's own services"


def test_accounts_of_the_clouds_own_services_are_left_their_roles(cloud: AuditCloud) -> None:
    cloud.rows["project"].append({"id": "p-service", "name": "service"})
    cloud.rows["user"] += [
        {"id": "nova", "name": "nova", "enabled": True},
        {"id": "heat", "name": "heat", "enabled": False},
    ]
    cloud.rows["group"].append({"id": "group-2", "name": "daemons", "domain_id": DOMAIN})
    grant(cloud, ADMIN, ("user", "nova"), ("project", "p-service"))
    grant(cloud, ADMIN, ("user", "nova"), ("project", LIVING))
    grant(cloud, MEMBER, ("user", "heat"), ("project", "p-service"))
    members = ("nova", "cy")
    grant(cloud, ADMIN, ("group", "group-2"), ("domain", DOMAIN), members=members)
    # One who has a role there from above is no account of a service.
    above = ("p-service", LIVING)
    grant(cloud, ADMIN, ("user", USER), ("domain", DOMAIN), below=above)
    rows = cloud.done("roles")
    left = {(row["kind"], row["name"]) for row in rows if row["act"].startswith(LEAVE)}
    assert left == {
        ("powerful_role", "nova"),
        ("powerful_role", "cy"),
        ("disabled_user", "heat"),
    }
    (told,) = [row for row in rows if not row["act"].startswith(LEAVE)]
    assert (
        told["act"] == f"openstack role remove --user {USER} --domain {DOMAIN} --inherited {ADMIN}"
    )


def test_the_project_of_the_services_is_never_to_be_deleted(cloud: AuditCloud) -> None:
    cloud.rows["project"].append({"id": "p-service", "name": "service"})
    (row,) = of(cloud, "ownerless_project")
    assert row["act"].startswith(LEAVE)


OURS = "leave it as long as openstack_ops asks this cloud: it logs in as admin"


def test_the_account_that_asks_is_left_its_roles(cloud: AuditCloud) -> None:
    cloud.rows["user"].append({"id": "user-1", "name": "admin", "enabled": True})
    grant(cloud, ADMIN, ("user", "user-1"), ("project", LIVING))
    grant(cloud, ADMIN, ("user", USER), ("project", LIVING))
    # Taken from the group it would be taken from the account, whoever it is shown for.
    grant(cloud, ADMIN, ("group", "group-1"), ("domain", DOMAIN), members=("user-1", "cy"))
    grant(cloud, ADMIN, ("group", "group-1"), ("system", "all"))
    cloud.members["group-1"] = ["user-1", "cy"]
    acts = {(row["name"], row["why"].split()[3]): row["act"] for row in of(cloud, "powerful_role")}
    assert acts.pop(("ann", "project")).startswith("openstack role remove --user ")
    assert acts.pop(("admin", "project")) == f"{OURS} there"
    assert acts == {
        ("admin", "domain"): f"{OURS} there",
        ("cy", "domain"): f"{OURS}, who is in that group, there",
        ("admin", "the"): f"{OURS} there",
        ("cy", "the"): f"{OURS}, who is in that group, there",
    }


def test_through_a_group_and_from_above(cloud: AuditCloud) -> None:
    cloud.rows["project"] += [{"id": f"p-{n}", "name": f"p{n}"} for n in range(2)]
    group = ("group", "group-1")
    grant(cloud, ADMIN, group, ("project", LIVING), members=(USER, "cy"))
    grant(cloud, ADMIN, group, ("domain", DOMAIN), members=("cy",), below=("p-0", "p-1"))
    assert powerful(cloud) == [
        ("ann", "has admin on project living, through group ops"),
        ("cy", "has admin on project living, through group ops"),
        ("cy", "has admin on 2 projects below domain Default, through group ops"),
    ]
    row = cloud.done("roles")[2]
    assert row["project_ids"] == ["p-0", "p-1"]
    assert row["act"].startswith(f"openstack role remove --group group-1 --domain {DOMAIN} --inher")


def test_implied_by_another(cloud: AuditCloud) -> None:
    grant(cloud, BOSS, ("user", USER), ("project", LIVING), implied=(ADMIN,))
    assert powerful(cloud) == [("ann", "has admin on project living, implied by boss")]
    assert powerful(cloud, roles=["boss", "admin"]) == [
        ("ann", "has admin and boss on project living")
    ]


def test_on_the_system(cloud: AuditCloud) -> None:
    system = ("system", "all")
    grant(cloud, ADMIN, ("user", USER), system)
    grant(cloud, BOSS, ("group", "group-1"), system)
    grant(cloud, MEMBER, ("user", "cy"), system)
    cloud.members["group-1"] = ["cy", "bob"]
    implied = "has admin on the whole system, through group ops, implied by boss"
    assert powerful(cloud) == [
        ("ann", "has admin on the whole system"),
        ("cy", implied),
        ("bob", f"{implied}; the user is disabled"),
    ]


def test_system_roles_that_cannot_be_judged_are_said_to_be_missing(cloud: AuditCloud) -> None:
    grant(cloud, ADMIN, ("user", USER), ("system", "all"))
    cloud.fail("GET .*/role_inferences", 403, times=9)
    ended, result = cloud.audit("roles")
    assert (ended, result["rows"]) == ("failed", [])
    assert result["left"][0]["what"] == "roles on the system of fake"


def test_a_role_that_is_not_there(cloud: AuditCloud) -> None:
    ended, result = cloud.audit("roles", roles=["admn"])
    assert (ended, result["rows"]) == ("failed", [])
    assert result["left"] == [
        {"what": "role admn of fake", "why": "there is none; did you mean admin?"}
    ]


def test_disabled_users_with_roles(cloud: AuditCloud) -> None:
    grant(cloud, MEMBER, ("user", "bob"), ("project", LIVING))
    grant(cloud, MEMBER, ("user", "bob"), ("system", "all"))
    grant(cloud, MEMBER, ("group", "group-1"), ("domain", DOMAIN), members=("bob",))
    (row,) = of(cloud, "disabled_user")
    assert row["why"] == (
        "is disabled and has 3 roles: member on project living, member on domain Default, "
        "member on the whole system"
    )
    assert (row["id"], row["mail"]) == ("bob", "bob@example.org")
    assert "openstack user delete bob" in row["act"]


def test_projects_in_which_nobody_can_work(cloud: AuditCloud) -> None:
    cloud.rows["project"] += [{"id": id, "name": id} for id in ("empty", "asleep", "of-nobody")]
    grant(cloud, MEMBER, ("user", "bob"), ("project", "asleep"))
    grant(cloud, MEMBER, ("user", "gone"), ("project", "of-nobody"))
    found = {row["id"]: row["why"] for row in of(cloud, "ownerless_project")}
    assert found == {
        "empty": "no user has a role on it",
        "asleep": "only disabled users have a role on it",
        "of-nobody": "no user has a role on it",
    }


def test_assignments_of_what_is_gone(cloud: AuditCloud) -> None:
    grant(cloud, MEMBER, ("user", "gone-user"), ("project", LIVING))
    grant(cloud, MEMBER, ("group", "gone-group"), ("domain", DOMAIN))
    grant(cloud, MEMBER, ("user", USER), ("project", "gone-project"))
    grant(cloud, MEMBER, ("user", USER), ("domain", "gone-domain"))
    grant(cloud, MEMBER, ("user", USER), ("project", DOMAIN))  # which is one too
    found = of(cloud, "stale_assignment")
    assert [row["why"] for row in found] == [
        "its user gone-user no longer exists",
        "its group gone-group no longer exists",
        "its project gone-project no longer exists",
        "its domain gone-domain no longer exists",
    ]
    assert [row["name"] for row in found] == ["member"] * 4
    assert found[0]["act"] == f"openstack role remove --user gone-user --project {LIVING} {MEMBER}"


@pytest.mark.parametrize(
    ("cut", "kinds"),
    [
        ("users", {"powerful_role", "stale_assignment"}),
        ("projects", {"powerful_role", "disabled_user", "stale_assignment"}),
        ("groups", {"powerful_role", "disabled_user", "ownerless_project", "stale_assignment"}),
    ],
)
def test_what_is_not_known_wholly_is_not_called_gone(
    cloud: AuditCloud, cut: str, kinds: set[str]
) -> None:
    cloud.rows["project"].append({"id": "empty", "name": "empty"})
    grant(cloud, ADMIN, ("user", "bob"), ("project", LIVING))
    gone = {"user": "gone-user", "group": "gone-group", "project": "gone-project"}
    grant(cloud, MEMBER, ("user", gone["user"]), ("project", LIVING))
    grant(cloud, MEMBER, ("group", gone["group"]), ("project", LIVING))
    grant(cloud, MEMBER, ("user", USER), ("project", gone["project"]))
    cloud.more[cut.removesuffix("s")] = {"truncated": True}
    ended, result = cloud.audit("roles")
    assert (ended, {row["kind"] for row in result["rows"]}) == ("failed", kinds)
    told = " ".join(row["why"] for row in result["rows"] if row["kind"] == "stale_assignment")
    assert gone.pop(cut.removesuffix("s")) not in told
    assert all(id in told for id in gone.values())


def test_the_cost_does_not_depend_on_the_rows(cloud: AuditCloud) -> None:
    costs = []
    for many in (1, 40):
        for n in range(many):
            grant(cloud, ADMIN, ("user", f"u-{many}-{n}"), ("project", f"p-{many}-{n}"))
            cloud.rows["user"].append({"id": f"u-{many}-{n}", "name": "it", "enabled": n % 2 == 0})
        cloud.requests.clear()
        cloud.audit("roles")
        costs.append(cloud.asked_for())
    assert costs[0] == costs[1]
    # Assignments twice, roles, projects, domains; users and groups, which list domains again.
    assert costs[0] == 9

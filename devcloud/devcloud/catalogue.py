"""What a new cloud needs before its services can talk to one another: accounts and addresses."""

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import product

from devcloud.rest import Admin, Refused
from devcloud.settings import Settings

SERVICES = (
    ("keystone", "identity", "keystone", "/v3", "/"),
    ("nova", "compute", "nova", "/v2.1", "/"),
    ("placement", "placement", "placement", "", "/"),
    ("glance", "image", "glance", "", "/"),
    ("neutron", "network", "neutron", "", "/"),
    ("cinder", "block-storage", "cinder", "/v3", "/"),
    ("cinderv3", "volumev3", "cinder", "/v3", "/v3"),
)
"""Name and type in the catalogue, the port, and the path of the endpoint in each region."""

REGIONS = ("RegionOne", "RegionTwo")
"""The second one is the same services once more, with endpoints that name no version: what a client
has to discover. Whoever names no region finds that there are two."""

INTERFACES = ("public", "internal", "admin")
ACCOUNTS = ("nova", "placement", "glance", "neutron", "cinder")
ROLES = ("admin", "service")

UNLIMITED_COMPUTE = ("instances", "cores", "ram", "key_pairs", "metadata_items")
UNLIMITED_COMPUTE += ("server_groups", "server_group_members")
UNLIMITED_NETWORK = ("network", "subnet", "port", "router", "floatingip")
UNLIMITED_NETWORK += ("security_group", "security_group_rule")
UNLIMITED_VOLUME = ("volumes", "gigabytes", "snapshots")


def make_catalogue(settings: Settings) -> None:
    """Service accounts, services and endpoints; what exists is left alone."""
    done = settings.var / "done" / "catalogue"
    made = json.dumps([SERVICES, REGIONS])
    if done.exists() and done.read_text() == made:
        return
    admin = Admin(settings)
    _make_accounts(admin, settings.passwords["service"])
    _make_regions(admin)
    _make_endpoints(admin, settings)
    done.write_text(made)


def lift_limits(settings: Settings) -> None:
    """No quota for the administrator's own project, and the volume type that Cinder defaults to."""
    done = settings.var / "done" / "limits"
    if done.exists():
        return
    admin = Admin(settings)
    admin.get("keystone", "/v3/auth/projects")
    project = admin.project_id
    requests = (
        ("PUT", "nova", f"/v2.1/os-quota-sets/{project}", "quota_set", UNLIMITED_COMPUTE),
        ("PUT", "neutron", f"/v2.0/quotas/{project}", "quota", UNLIMITED_NETWORK),
        ("PUT", "cinder", f"/v3/{project}/os-quota-sets/{project}", "quota_set", UNLIMITED_VOLUME),
    )
    with ThreadPoolExecutor() as pool:
        answers = [
            pool.submit(admin.request, method, api, path, {key: dict.fromkeys(names, -1)})
            for method, api, path, key, names in requests
        ]
        answers.append(pool.submit(_make_volume_type, admin))
    for answer in answers:
        answer.result()
    done.touch()


def has_volume_pools(settings: Settings) -> bool:
    """Whether Cinder's scheduler knows a backend that can take volumes."""
    admin = Admin(settings)
    admin.get("keystone", "/v3/auth/projects")
    path = f"/v3/{admin.project_id}/scheduler-stats/get_pools"
    return bool(admin.get("cinder", path)["pools"])


def _make_accounts(admin: Admin, password: str) -> None:
    projects = _by_name(admin.get("keystone", "/v3/projects")["projects"])
    project = projects.get("service") or _create(
        admin, "projects", "project", name="service", domain_id="default"
    )
    users = _by_name(admin.get("keystone", "/v3/users")["users"])
    roles = _by_name(admin.get("keystone", "/v3/roles")["roles"])
    for name in ACCOUNTS:
        user = users.get(name) or _create(
            admin, "users", "user", name=name, password=password, domain_id="default"
        )
        for role in ROLES:
            path = f"/v3/projects/{project['id']}/users/{user['id']}/roles/{roles[role]['id']}"
            admin.request("PUT", "keystone", path)


def _make_regions(admin: Admin) -> None:
    there = {row["id"] for row in admin.get("keystone", "/v3/regions")["regions"]}
    for region in REGIONS:
        if region not in there:
            _create(admin, "regions", "region", id=region)


def _make_endpoints(admin: Admin, settings: Settings) -> None:
    services = {row["type"]: row for row in admin.get("keystone", "/v3/services")["services"]}
    endpoints = {
        (row["service_id"], row["interface"], row["region_id"])
        for row in admin.get("keystone", "/v3/endpoints")["endpoints"]
    }
    for name, kind, port, *paths in SERVICES:
        service = services.get(kind) or _create(admin, "services", "service", name=name, type=kind)
        for (region, path), interface in product(zip(REGIONS, paths, strict=True), INTERFACES):
            if (service["id"], interface, region) not in endpoints:
                _create(
                    admin,
                    "endpoints",
                    "endpoint",
                    service_id=service["id"],
                    interface=interface,
                    url=settings.url(port, path),
                    region_id=region,
                )


def _make_volume_type(admin: Admin) -> None:
    kind = {"name": "fake", "extra_specs": {"volume_backend_name": "fake"}}
    try:
        admin.request("POST", "cinder", f"/v3/{admin.project_id}/types", {"volume_type": kind})
    except Refused as error:
        if error.status != 409:
            raise


def _create(admin: Admin, path: str, key: str, **fields: str) -> dict:
    return admin.request("POST", "keystone", f"/v3/{path}", {key: fields})[key]


def _by_name(rows: Iterable[dict]) -> dict[str, dict]:
    return {row["name"]: row for row in rows}

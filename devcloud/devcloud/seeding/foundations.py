"""What servers stand on: projects, users, flavors, images, host aggregates and traits."""

from devcloud.seeding.site import Collection, Site, answer

DEFAULT_DOMAIN = {"domain_id": "default"}
BYTES_OF_AN_IMAGE = b"devcloud image "


def seed_identity(site: Site, estate: dict) -> None:
    """Projects with a contact address, users with a mail address, and their roles."""
    projects = Collection(site, "identity", "/projects", "project")
    users = Collection(site, "identity", "/users", "user")
    roles = Collection(site, "identity", "/roles", "role")
    for wanted in estate["projects"]:
        project = projects.ensure({"name": wanted["name"], **DEFAULT_DOMAIN}, wanted)
        site.ids["project", wanted["name"]] = project["id"]
    for role in roles.rows:
        site.ids["role", role["name"]] = role["id"]

    def seed_user(wanted: dict) -> None:
        fields = {name: value for name, value in wanted.items() if name != "roles"}
        password = {"password": site.settings.passwords["users"]}
        user = users.ensure({"name": wanted["name"], **DEFAULT_DOMAIN}, fields | password)
        site.ids["user", wanted["name"]] = user["id"]

    site.each(seed_user, estate["users"])
    _seed_roles(site, estate)


def _seed_roles(site: Site, estate: dict) -> None:
    held = {
        (row["user"]["id"], row["scope"]["project"]["id"], row["role"]["id"])
        for row in answer(site.admin.identity.get("/role_assignments"))["role_assignments"]
        if "user" in row and "project" in row["scope"]
    }
    for user in estate["users"]:
        for project, role in user["roles"].items():
            if role_key(site, user["name"], project, role) not in held:
                grant(site, user["name"], project, role)
                site.did(f"role {role} for {user['name']} in {project}")
            # left by a seed that was killed: see servers.as_administrators
            if role_key(site, user["name"], project, "admin") in held:
                revoke(site, user["name"], project, "admin")
                site.did(f"role admin taken from {user['name']} in {project}")


def role_key(site: Site, user: str, project: str, role: str) -> tuple[str, str, str]:
    """The ids of an assignment."""
    return site.ids["user", user], site.ids["project", project], site.ids["role", role]


def grant(site: Site, user: str, project: str, role: str) -> None:
    answer(site.admin.identity.put(_assignment(site, user, project, role)))


def revoke(site: Site, user: str, project: str, role: str) -> None:
    answer(site.admin.identity.delete(_assignment(site, user, project, role)))


def _assignment(site: Site, user: str, project: str, role: str) -> str:
    user_id, project_id, role_id = role_key(site, user, project, role)
    return f"/projects/{project_id}/users/{user_id}/roles/{role_id}"


def seed_hosts(site: Site, estate: dict) -> None:
    """Aggregates, without availability zones: hosts in use could not join one; and traits."""
    aggregates = Collection(site, "compute", "/os-aggregates", "aggregate")
    for wanted in estate["aggregates"]:
        aggregate = aggregates.ensure({"name": wanted["name"]})
        path = f"/os-aggregates/{aggregate['id']}/action"
        for host in wanted["hosts"]:
            if host not in aggregate.get("hosts", ()):
                answer(site.admin.compute.post(path, json={"add_host": {"host": host}}))
                site.did(f"host {host} in aggregate {wanted['name']}")
        metadata = wanted.get("metadata", {})
        if not metadata.items() <= aggregate.get("metadata", {}).items():
            answer(site.admin.compute.post(path, json={"set_metadata": {"metadata": metadata}}))
            site.did(f"metadata of aggregate {wanted['name']}")
    for trait, hosts in estate["traits"].items():
        _seed_trait(site, trait, hosts)


def _seed_trait(site: Site, trait: str, hosts: list[str]) -> None:
    placement = site.admin.placement
    headers = {"OpenStack-API-Version": "placement 1.6"}
    answer(placement.put(f"/traits/{trait}", headers=headers))
    listing = answer(placement.get("/resource_providers"))["resource_providers"]
    for provider in listing:
        path = f"/resource_providers/{provider['uuid']}/traits"
        current = answer(placement.get(path, headers=headers))
        if provider["name"] in hosts and trait not in current["traits"]:
            body = {
                "traits": [*current["traits"], trait],
                "resource_provider_generation": current["resource_provider_generation"],
            }
            answer(placement.put(path, json=body, headers=headers))
            site.did(f"trait {trait} of {provider['name']}")


def seed_quotas(site: Site, estate: dict) -> None:
    """What each project may use of Nova."""

    def seed_quota(project: dict) -> None:
        path = f"/os-quota-sets/{site.ids['project', project['name']]}"
        now = answer(site.admin.compute.get(path))["quota_set"]
        if not estate["quota"].items() <= now.items():
            answer(site.admin.compute.put(path, json={"quota_set": estate["quota"]}))
            site.did(f"quota of {project['name']}")

    site.each(seed_quota, estate["projects"])


def seed_flavors(site: Site, estate: dict) -> None:
    """Flavors with their extra specs."""
    flavors = Collection(site, "compute", "/flavors", "flavor", "/detail?is_public=None")
    for wanted in estate["flavors"]:
        sizes = {name: wanted[name] for name in ("vcpus", "ram", "disk")}
        flavor = flavors.ensure({"name": wanted["name"]}, sizes)
        site.ids["flavor", wanted["name"]] = flavor["id"]
        specs = wanted.get("extra_specs", {})
        if not specs.items() <= flavor.get("extra_specs", {}).items():
            path = f"/flavors/{flavor['id']}/os-extra_specs"
            answer(site.admin.compute.post(path, json={"extra_specs": specs}))
            site.did(f"extra specs of flavor {wanted['name']}")


def seed_images(site: Site, estate: dict) -> None:
    """Public images of a few bytes. One that was left without its bytes is made anew."""
    there = {image.name: image for image in site.admin.image.images()}

    def seed_image(wanted: dict) -> None:
        image = there.get(wanted["name"])
        if image and image.status != "active":
            site.admin.image.delete_image(image)
            image = None
        if image is None:
            image = site.admin.image.create_image(
                name=wanted["name"],
                disk_format="raw",
                container_format="bare",
                visibility="public",
                min_disk=wanted["min_disk"],
                data=BYTES_OF_AN_IMAGE + wanted["name"].encode(),
                **wanted["properties"],
            )
            site.did(f"image {wanted['name']}")
        site.ids["image", wanted["name"]] = image.id

    site.each(seed_image, estate["images"])

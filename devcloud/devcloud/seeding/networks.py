"""Networks, routers, security groups and unused floating IPs, each in its owner's project."""

from devcloud.seeding.site import Collection, Site, answer


def seed_networks(site: Site, estate: dict) -> None:
    """The external network, and behind a router of its own the network of every project."""
    networks = Collection(site, "network", "/networks", "network")
    subnets = Collection(site, "network", "/subnets", "subnet")
    routers = Collection(site, "network", "/routers", "router")
    inside = Collection(site, "network", "/ports", "port", "?device_owner=network:router_interface")
    external = _seed_external_network(site, estate["external_network"], networks, subnets)

    def seed_network(wanted: dict) -> None:
        project = {"project_id": site.ids["project", wanted["project"]]}
        network = networks.ensure({"name": wanted["name"], **project})
        site.ids["network", wanted["project"]] = network["id"]
        subnet = subnets.ensure(
            {"name": wanted["name"], "network_id": network["id"]},
            {"cidr": wanted["cidr"], "ip_version": 4, **project},
        )
        router = routers.ensure(
            {"name": f"{wanted['project']}-router", **project},
            {"external_gateway_info": {"network_id": external}},
        )
        if not inside.find(device_id=router["id"], network_id=network["id"]):
            path = f"/routers/{router['id']}/add_router_interface"
            answer(site.admin.network.put(path, json={"subnet_id": subnet["id"]}))
            site.did(f"router {router['name']} in {wanted['name']}")

    site.each(seed_network, estate["networks"])


def _seed_external_network(
    site: Site, wanted: dict, networks: Collection, subnets: Collection
) -> str:
    network = networks.ensure(
        {"name": wanted["name"]},
        {
            "router:external": True,
            "provider:network_type": "flat",
            "provider:physical_network": "physnet1",
        },
    )
    subnets.ensure(
        {"name": wanted["name"], "network_id": network["id"]},
        {"cidr": wanted["cidr"], "ip_version": 4, "enable_dhcp": False},
    )
    site.ids["network", "external"] = network["id"]
    return network["id"]


def seed_security_groups(site: Site, estate: dict) -> None:
    """Groups that open a few TCP ports to everyone."""
    groups = Collection(site, "network", "/security-groups", "security_group")
    for wanted in estate["security_groups"]:
        project = {"project_id": site.ids["project", wanted["project"]]}
        group = groups.ensure({"name": wanted["name"], **project})
        is_open = {rule["port_range_min"] for rule in group["security_group_rules"]}
        rules = [
            {
                "security_group_id": group["id"],
                "direction": "ingress",
                "protocol": "tcp",
                "port_range_min": port,
                "port_range_max": port,
                "remote_ip_prefix": "0.0.0.0/0",
                **project,
            }
            for port in wanted["tcp_ports"]
            if port not in is_open
        ]
        if rules:
            body = {"security_group_rules": rules}
            answer(site.admin.network.post("/security-group-rules", json=body))
            site.did(f"{len(rules)} rules of security group {wanted['name']}")


def seed_floating_ips(site: Site, estate: dict, ports_of: dict[str, str]) -> None:
    """A floating IP for every server that wants one (server -> port), and some for nobody."""
    addresses = Collection(site, "network", "/floatingips", "floatingip")
    wanted = [
        {"port_id": ports_of[server["name"]], "project": server["project"]}
        for server in estate["servers"]
        if server.get("floating_ip")
    ]
    wanted += [{"port_id": None, "project": project} for project in estate["spare_floating_ips"]]

    def seed_address(address: dict) -> None:
        addresses.ensure(
            {
                "port_id": address["port_id"],
                "project_id": site.ids["project", address["project"]],
                "floating_network_id": site.ids["network", "external"],
            }
        )

    site.each(seed_address, wanted)

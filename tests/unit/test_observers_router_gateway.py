"""Gateways of routers in ranges of addresses."""

from __future__ import annotations

import pytest

from common.errors import UserError
from observers.router_gateway import within
from support.audit_cloud import AuditCloud
from support.fake_cloud_estate import Json
from support.looking import facts, look, settings_of, states

NAME = "router_gateway"


@pytest.mark.parametrize(
    ("addresses", "ranges", "found"),
    [
        (["192.0.2.17"], ["192.0.2.0/24"], {"192.0.2.17": ["192.0.2.0/24"]}),
        (["192.0.3.17"], ["192.0.2.0/24"], {}),
        (["192.0.2.17"], ["192.0.2.17/32", "192.0.0.0/16", "10.0.0.0/8"], {
            "192.0.2.17": ["192.0.2.17/32", "192.0.0.0/16"]
        }),
        (["2001:db8::5", "192.0.2.17"], ["2001:db8::/32"], {"2001:db8::5": ["2001:db8::/32"]}),
        (["2001:db8::5"], ["0.0.0.0/0"], {}),
        ([], ["0.0.0.0/0", "::/0"], {}),
    ],
)  # fmt: skip
def test_addresses_in_ranges(
    addresses: list[str], ranges: list[str], found: dict[str, list[str]]
) -> None:
    assert within(addresses, ranges) == found


def router(name: str, *addresses: str) -> Json:
    outside = {
        "network_id": "net-1",
        "external_fixed_ips": [{"subnet_id": "s", "ip_address": one} for one in addresses],
    }
    return {
        "id": f"id-{name}",
        "name": name,
        "status": "ACTIVE",
        "admin_state_up": True,
        "project_id": "project-1",
        "external_gateway_info": outside if addresses else None,
    }


def test_routers_in_a_range_are_told() -> None:
    with AuditCloud() as cloud:
        cloud.rows["router"] = [
            router("in", "192.0.2.17", "198.51.100.4"),
            router("out", "198.51.100.5"),
            router("inner"),
        ]
        sight = look(cloud, NAME, ranges=["10.0.0.0/8", "192.0.2.0/24"])
        assert states(sight) == {"in": "IN_RANGE"}
        told = facts(sight.conditions, "in")
        assert (told["addresses"], told["ranges"]) == (["192.0.2.17"], ["192.0.2.0/24"])
        assert (told["network_id"], told["project_id"]) == ("net-1", "project-1")
        assert len(cloud.asked("/routers")) == 1


def test_nothing_is_asked_without_ranges() -> None:
    with AuditCloud() as cloud:
        assert states(look(cloud, NAME)) == {}
        assert cloud.requests == []


@pytest.mark.parametrize("wrong", ["192.0.2.0/33", "192.0.2.1/24", "rack 3", ""])
def test_what_is_no_range_is_refused_with_why(wrong: str) -> None:
    with pytest.raises(UserError, match="router_gateway"):
        settings_of(NAME, ranges=[wrong])

"""Services and agents: who is up, who is down, and who is meant to be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from common.errors import CloudError
from support.audit_cloud import AuditCloud
from support.fake_cloud_estate import Json
from support.fake_cloud_http import Answer
from support.looking import facts, look, settings_of, states

NAME = "agent_state"


def service(binary: str, state: str = "up", status: str = "enabled", **more: Any) -> Json:
    told = {"zone": "nova", "updated_at": "2026-11-28T03:59:30.000000", "disabled_reason": None}
    return {"binary": binary, "host": "ctl-1", "state": state, "status": status, **told, **more}


def agent(alive: bool = True, enabled: bool = True, **more: Any) -> Json:
    return {
        "id": "agent-1",
        "binary": "neutron-l3-agent",
        "agent_type": "L3 agent",
        "host": "net-1",
        "alive": alive,
        "admin_state_up": enabled,
        "availability_zone": "nova",
        "heartbeat_timestamp": "2026-11-28 03:59:30",
        **more,
    }


class Site:
    """A cloud whose services and agents a test puts together."""

    def __init__(self, cloud: AuditCloud) -> None:
        self.cloud = cloud
        self.nova = [service("nova-scheduler", id="service-1")]
        self.cinder, self.neutron = [service("cinder-scheduler")], [agent()]
        for path, word, rows in (
            ("/compute/v2.1/os-services", "services", self.nova),
            ("/volume/v3/os-services", "services", self.cinder),
            ("/network/v2.0/agents", "agents", self.neutron),
        ):
            cloud.route(f"GET {path}", self._listed(word, rows), first=True)

    @staticmethod
    def _listed(word: str, rows: list[Json]) -> Any:
        return lambda request: Answer({word: rows})


@pytest.fixture
def site() -> Iterator[Site]:
    with AuditCloud() as cloud:
        yield Site(cloud)


def test_all_is_up(site: Site) -> None:
    assert states(look(site.cloud, NAME)) == {
        "nova-scheduler on ctl-1": "UP",
        "cinder-scheduler on ctl-1": "UP",
        "neutron-l3-agent on net-1": "UP",
    }


SERVICES = [
    ("up", "enabled", "UP"),
    ("up", "disabled", "UP"),
    ("down", "enabled", "DOWN"),
    ("down", "disabled", "OUT"),
    ("down", "unknown", "DOWN"),
    ("unknown", "enabled", "UNKNOWN"),
]
AGENTS = [
    (True, True, "UP"),
    (True, False, "UP"),
    (False, True, "DOWN"),
    (False, False, "OUT"),
]


def test_states(site: Site) -> None:
    """All in one look: each is told by itself."""
    wanted = {}
    site.nova.clear()
    site.cinder.clear()
    site.neutron.clear()
    for number, (state, status, told) in enumerate(SERVICES):
        host = f"host-{number}"
        of_it = {"state": state, "status": status, "host": host}
        site.nova.append(service("nova-compute", id=f"id-{number}", **of_it))
        site.cinder.append(service("cinder-volume", **of_it))
        wanted |= {f"nova-compute on {host}": told, f"cinder-volume on {host}": told}
    for number, (alive, enabled, told) in enumerate(AGENTS):
        site.neutron.append(agent(alive, enabled, id=f"id-{number}", host=f"host-{number}"))
        wanted[f"neutron-l3-agent on host-{number}"] = told
    assert states(look(site.cloud, NAME)) == wanted


def test_what_is_told_of_them(site: Site) -> None:
    sight = look(site.cloud, NAME)
    assert [one.subject for one in sight.conditions] == [
        "compute_service:service-1",
        "network_agent:agent-1",
        "volume_service:cinder-scheduler@ctl-1",
    ]
    told = facts(sight.conditions, "neutron-l3-agent on net-1")
    assert (told["type"], told["enabled"]) == ("L3 agent", True)
    assert told["heard_of"] == "2026-11-28T03:59:30Z"


def test_what_is_left_out(site: Site) -> None:
    found = states(look(site.cloud, NAME, leave_out=["neutron-*", "nova-scheduler"]))
    assert found == {"cinder-scheduler on ctl-1": "UP"}


def test_a_cloud_without_cinder(site: Site) -> None:
    del site.cloud.services["block-storage"]
    assert "cinder-scheduler on ctl-1" not in states(look(site.cloud, NAME))


def test_a_service_that_does_not_answer_is_said(site: Site, no_back_off: None) -> None:
    site.cloud.fail("GET /network/v2.0/agents", 503, times=99)
    sight = look(site.cloud, NAME)
    assert {one.kind for one in sight.conditions} == {"compute_service", "volume_service"}
    assert any("network agents" in one and "503" in one for one in sight.unread)
    site.cloud.fail("GET /(compute|volume).*/os-services", 503, times=99)
    with pytest.raises(CloudError):
        look(site.cloud, NAME)


def test_what_comes_and_goes_is_damped_by_default() -> None:
    assert settings_of(NAME).steady_looks == 3

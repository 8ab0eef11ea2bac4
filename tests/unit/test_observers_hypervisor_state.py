"""The states of hypervisors, and what each is told by."""

from __future__ import annotations

from typing import Any

import pytest

from observers.observer import Sight
from query_api.resources.hypervisor_sources import seconds_up
from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Aggregate, Hypervisor, Server
from support.fake_cloud_http import Answer, Request
from support.fake_cloud_tables import Tables
from support.looking import look

DAY = 86400


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (" 08:32:11 up 93 days, 18:25, 12 users,  load average: 0.20, 0.12, 0.14", 8101500),
        ("08:32:11 up 1 day,  2:03,  1 user,  load average: 0.20", 93780),
        (" 10:00:00 up 5 min,  0 users,  load average: 0.00", 300),
        (" 10:00:00 up 3 days, 7 min,  1 user", 259620),
        (" 10:00:00 up 2 hours, 1 user", 7200),
        (" 10:00:00 up 0:07,  0 users,  load average: 0.00, 0.00, 0.00", 420),
        ("", None),
        (None, None),
        ("no idea", None),
        ("up", None),
    ],
)
def test_uptimes_are_read_as_hosts_tell_them(said: str | None, seconds: int | None) -> None:
    assert seconds_up(said) == seconds


class Site:
    """A fake cloud that tells uptimes and traits."""

    def __init__(self, fake: FakeCloud) -> None:
        self.fake, self.uptimes, self.marked = fake, dict[str, str](), list[str]()
        fake.part(Tables)
        path = "/compute/v2.1/os-hypervisors/detail"
        fake.route(f"GET {path}", self._hypervisors, first=True)
        fake.route("GET /placement/resource_providers", self._providers, first=True)

    def _hypervisors(self, request: Request) -> Answer:
        rows = [
            host.as_json(self.fake.servers)
            | {"uptime": self.uptimes.get(host.name), "servers": self._guests(host)}
            for host in self.fake.hypervisors
        ]
        return Answer({"hypervisors": rows})

    def _guests(self, host: Hypervisor) -> list[dict[str, str]]:
        return [{"uuid": one.id} for one in self.fake.servers if one.host == host.host]

    def _providers(self, request: Request) -> Answer:
        if "required" not in request.query:
            return Answer({"resource_providers": []})
        if not self.marked:
            return Answer({"errors": [{"detail": "No such trait(s)"}]}, 400)
        rows = [{"uuid": h.id} for h in self.fake.hypervisors if h.name in self.marked]
        return Answer({"resource_providers": rows})

    def look(self, runs: dict[str, str] | None = None, **settings: Any) -> Sight:
        return look(self.fake, "hypervisor_state", runs=runs, **settings)

    def states(self, **how: Any) -> dict[str, str]:
        return {one.name: one.state for one in self.look(**how).conditions}


@pytest.fixture
def site() -> Any:
    hosts = [Hypervisor("cmp-1"), Hypervisor("cmp-2"), Hypervisor("cmp-3")]
    with FakeCloud(hosts, [Server("web-1", "cmp-1")]) as fake:
        yield Site(fake)


def test_what_stands_in_nova_is_what_is_told(site: Site) -> None:
    assert site.states() == {"cmp-1": "RUNNING", "cmp-2": "EMPTY", "cmp-3": "EMPTY"}
    first, second, third = site.fake.hypervisors
    first.status, first.reason = "disabled", "new memory"
    second.status, second.reason = "disabled", "new memory"
    third.state = "down"
    assert site.states() == {"cmp-1": "DISABLED", "cmp-2": "DRAINED", "cmp-3": "DOWN"}
    first.reason = "Draining for new memory"
    assert site.states()["cmp-1"] == "DRAINING"


def test_what_a_run_holds_is_being_drained(site: Site) -> None:
    first, *_ = site.fake.hypervisors
    first.status, first.reason = "disabled", "new memory"
    assert site.states(runs={f"hypervisor:{first.id}": "run"})["cmp-1"] == "DRAINING"


def test_uptimes_say_who_is_due_and_who_is_back(site: Site) -> None:
    site.uptimes = {"cmp-1": " 10:00:00 up 91 days,  1:00", "cmp-2": " 10:00:00 up 5 min"}
    assert site.states() == {
        "cmp-1": "PENDING_MAINTENANCE",
        "cmp-2": "REBOOTED",
        "cmp-3": "EMPTY",
    }
    (facts,) = (one.facts for one in site.look().conditions if one.name == "cmp-1")
    assert facts.due == "it has been up for 91 days"
    assert facts.uptime == 91 * DAY + 3600


def test_marks_say_who_is_due(site: Site) -> None:
    site.marked = ["cmp-1"]
    site.fake.aggregates = [
        Aggregate("rack-2", ["cmp-2"], {"openstack_ops:maintenance": "new firmware"}),
        Aggregate("rack-3", ["cmp-3"], {"openstack_ops:maintenance": "no"}),
    ]
    states = site.states()
    assert states == {
        "cmp-1": "PENDING_MAINTENANCE",
        "cmp-2": "PENDING_MAINTENANCE",
        "cmp-3": "EMPTY",
    }
    due = {one.name: one.facts.due for one in site.look().conditions}
    assert due["cmp-1"] == "trait CUSTOM_OPENSTACK_OPS_MAINTENANCE"
    assert due["cmp-2"] == "aggregate rack-2 has openstack_ops:maintenance"


def test_what_could_not_be_made_out_is_left_out_and_said(site: Site, no_back_off: None) -> None:
    site.fake.fail(r"GET /placement/resource_providers", 503, times=99)
    site.fake.hypervisors[2].state = "down"
    sight = site.look()
    assert {one.name: one.state for one in sight.conditions} == {"cmp-3": "DOWN"}
    assert len(sight.unread) == 1
    assert "503" in sight.unread[0]


def test_what_nova_does_not_know_is_unknown(site: Site) -> None:
    site.fake.hypervisors[0].state = "unknown"
    assert site.states()["cmp-1"] == "UNKNOWN"


def test_an_older_nova_tells_uptimes_one_by_one(site: Site) -> None:
    site.fake.compute_version = "2.87"
    first = site.fake.hypervisors[0]
    up = {"hypervisor": {"id": first.id, "uptime": " 10:00:00 up 91 days,  1:00"}}
    path = f"/compute/v2.1/os-hypervisors/{first.id}/uptime"
    site.fake.route(f"GET {path}", lambda request: Answer(up), first=True)
    shown = "GET /compute/v2.1/os-hypervisors/detail"
    site.fake.route(shown, site.fake.nova._hypervisors, first=True)
    due = {"cmp-1": "PENDING_MAINTENANCE", "cmp-2": "EMPTY", "cmp-3": "EMPTY"}
    assert site.states() == due
    site.fake.requests.clear()
    assert site.states() == due
    assert len(site.fake.asked(shown)) == 1, "what it has refused is not tried again"


def test_hypervisors_of_one_service_have_their_own_servers(site: Site) -> None:
    for host in site.fake.hypervisors[:2]:
        host.host = "ironic-1"
    site.fake.servers[0].host, site.fake.servers[0].node = "ironic-1", "cmp-2"
    assert site.states() == {"cmp-1": "EMPTY", "cmp-2": "RUNNING", "cmp-3": "EMPTY"}


def test_a_cell_that_does_not_answer_is_said(site: Site) -> None:
    services = {"services": [{"id": "s", "host": "cmp-9", "status": "UNKNOWN"}]}
    path = "/compute/v2.1/os-services"
    site.fake.route(f"GET {path}", lambda request: Answer(services), first=True)
    assert any("cell" in one and "cmp-9" in one for one in site.look().unread)


@pytest.mark.long
def test_a_thousand_hypervisors_cost_a_handful_of_requests() -> None:
    hosts = [Hypervisor(f"cmp-{number:04}") for number in range(1000)]
    with FakeCloud(hosts) as fake:
        site = Site(fake)
        assert len(site.look().conditions) == 1000
        assert len(fake.requests) <= 8, "the login included"

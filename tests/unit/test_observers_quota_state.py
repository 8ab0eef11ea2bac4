"""Quotas: from which share on they are told, and how many projects are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from observers.changes import Known, Memory, changes
from observers.observer import Surroundings
from observers.quota_state import OBSERVER, level
from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Json, Project
from support.fake_cloud_http import Answer, Request
from support.looking import NOW, facts, look, settings_of, states

NAME = "quota_state"


@pytest.mark.parametrize(
    ("limit", "used", "state"),
    [
        (None, 10**6, None),
        (10, 8, None),
        (10, 9, "NEAR"),
        (10, 10, "FULL"),
        (10, 11, "FULL"),
        (0, 0, None),
        (0, 1, "FULL"),
        (1, 0, None),
        (1, 1, "FULL"),
        (1000, 899, None),
        (1000, 900, "NEAR"),
    ],
)
def test_states(limit: int | None, used: int, state: str | None) -> None:
    assert level(limit, used, 90) == state


class Site:
    """A cloud with the quotas of its projects: limit, in use and reserved by service and thing."""

    def __init__(self, fake: FakeCloud) -> None:
        self.fake = fake
        fake.services |= {"network": "/network", "block-storage": "/volume/v3"}
        self.quotas: dict[tuple[str, str, str], tuple[int, int, int]] = {}
        for path, service, around, used in (
            ("/compute/v2.1/os-quota-sets/([^/]+)/detail", "compute", "quota_set", "in_use"),
            ("/volume/v3/os-quota-sets/([^/]+)", "block-storage", "quota_set", "in_use"),
            ("/network/v2.0/quotas/([^/]+)/details", "network", "quota", "used"),
        ):
            fake.route(f"GET {path}", self._told(service, around, used), first=True)

    def _told(self, service: str, around: str, used: str) -> Any:
        def answer(request: Request) -> Answer:
            rows: Json = {
                thing: {"limit": limit, used: in_use, "reserved": reserved}
                for (project, of, thing), (limit, in_use, reserved) in self.quotas.items()
                if (project, of) == (request.parts[0], service)
            }
            return Answer({around: rows})

        return answer


@pytest.fixture
def site() -> Iterator[Site]:
    with FakeCloud(projects=[Project("physics"), Project("biology")]) as fake:
        yield Site(fake)


def id_of(site: Site, name: str) -> str:
    (found,) = (project.id for project in site.fake.projects if project.name == name)
    return found


def test_what_is_used_with_what_is_reserved(site: Site) -> None:
    physics, biology = id_of(site, "physics"), id_of(site, "biology")
    site.quotas |= {
        (physics, "compute", "cores"): (20, 10, 8),
        (physics, "compute", "ram"): (-1, 99999, 0),
        (biology, "block-storage", "gigabytes"): (1000, 1000, 0),
        (biology, "network", "floatingip"): (50, 3, 0),
    }
    sight = look(site.fake, NAME)
    assert states(sight) == {"physics: cores": "NEAR", "biology: gigabytes": "FULL"}
    told = facts(sight.conditions, "physics: cores")
    assert (told["limit"], told["used"], told["percent"]) == (20, 18, 90)
    assert {one.id for one in sight.conditions} == {
        f"{physics}/compute/cores",
        f"{biology}/block-storage/gigabytes",
    }
    left = look(site.fake, NAME, leave_out=["compute/*"], services=["compute", "block-storage"])
    assert states(left) == {"biology: gigabytes": "FULL"}
    assert states(look(site.fake, NAME, above_percent=91)) == {"biology: gigabytes": "FULL"}


def test_a_request_for_each_project_and_service_and_no_more(site: Site) -> None:
    look(site.fake, NAME, services=["compute"])
    assert len(site.fake.asked("quota")) == 2
    site.fake.projects += [Project(f"more-{number}") for number in range(20)]
    site.fake.requests.clear()
    look(site.fake, NAME, services=["compute"], most_projects=5)
    assert len(site.fake.asked("quota")) == 5


def test_others_are_looked_at_the_next_time_and_none_of_them_is_gone(site: Site) -> None:
    site.fake.projects += [Project(f"more-{number}") for number in range(8)]
    asked = set()
    for turn in range(15):
        site.fake.requests.clear()
        sight = look(site.fake, NAME, services=["compute"], most_projects=4, now=NOW + turn)
        now = {request.parts[0] for request in site.fake.asked("quota")}
        assert len(now) == 4
        asked |= now
        assert sight.covers is not None
        for project in site.fake.projects:
            subject = f"project_quota:{project.id}/compute/cores"
            assert sight.covers(subject) == (project.id in now)
        assert sight.covers("project_quota:of-a-deleted-project/compute/cores")
    assert len(asked) == 10, "each has had its turn"


def test_of_what_was_not_looked_at_nothing_is_decided(site: Site) -> None:
    known = {
        f"project_quota:{project.id}/compute/cores": Known(project.name, "FULL", 1.0, NOW)
        for project in site.fake.projects
    }
    settings = settings_of(NAME, steady_looks=1, services=["compute"], most_projects=1)
    sight = look(site.fake, NAME, services=["compute"], most_projects=1)
    memory, around = Memory(known=known), Surroundings(NOW)
    news = changes(OBSERVER, "fake", settings, memory, sight, around)
    assert [event.payload["change"] for event in news.events] == ["gone"]
    assert len(news.memory.known) == 1


def test_what_was_not_read_is_said(site: Site, no_back_off: None) -> None:
    physics = id_of(site, "physics")
    site.quotas[physics, "network", "port"] = (10, 10, 0)
    site.fake.fail(f"GET /compute/.*/{physics}/detail", 503, times=99)
    sight = look(site.fake, NAME)
    assert [one.name for one in sight.conditions] == ["physics: port"]
    assert any("compute quotas of project physics" in one for one in sight.unread)


def test_a_cloud_without_cinder(site: Site) -> None:
    del site.fake.services["block-storage"]
    assert states(look(site.fake, NAME)) == {}
    assert site.fake.asked("/volume") == []

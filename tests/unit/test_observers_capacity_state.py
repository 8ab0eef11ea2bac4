"""Room for flavors: how much there has to be, anywhere or in an aggregate."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from common.errors import UserError
from observers.capacity_state import level
from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Aggregate, Hypervisor, Json
from support.fake_cloud_tables import Tables
from support.looking import facts, look, settings_of, states

NAME = "capacity_state"


@pytest.mark.parametrize(
    ("more", "least", "state"),
    [(5, 5, "ENOUGH"), (6, 5, "ENOUGH"), (4, 5, "SHORT"), (1, 5, "SHORT"), (0, 5, "NONE")],
)
def test_states(more: int, least: int, state: str) -> None:
    assert level(more, least) == state


def flavor(name: str, ram: int) -> Json:
    sizes = {"vcpus": 1, "ram": ram, "disk": 10, "OS-FLV-EXT-DATA:ephemeral": 0, "swap": ""}
    public = {"os-flavor-access:is_public": True, "extra_specs": {}}
    return {"id": f"id-of-{name}", "name": name, **sizes, **public}


@pytest.fixture
def fake() -> Iterator[FakeCloud]:
    holds = {"VCPU": 16, "MEMORY_MB": 8192, "DISK_GB": 1000}
    hosts = [Hypervisor(f"cmp-{number}", holds=dict(holds)) for number in range(1, 4)]
    with FakeCloud(hosts, aggregates=[Aggregate("gpu", ["cmp-1"])]) as fake:
        fake.part(Tables).flavors += [flavor("small", 1024), flavor("large", 4096)]
        yield fake


def room(flavor: str, least: int, aggregate: str | None = None) -> Json:
    return {"flavor": flavor, "least": least, **({"aggregate": aggregate} if aggregate else {})}


def test_room_anywhere_and_in_an_aggregate(fake: FakeCloud) -> None:
    wanted = [room("small", 24), room("id-of-large", 7), room("large", 3, "gpu")]
    sight = look(fake, NAME, room=wanted)
    assert states(sight) == {"small": "ENOUGH", "large": "SHORT", "large in aggregate gpu": "SHORT"}
    told = facts(sight.conditions, "large in aggregate gpu")
    assert (told["more"], told["least"], told["hosts"]) == (2, 3, 1)
    assert told["aggregate"] == "gpu"
    assert len({one.subject for one in sight.conditions}) == 3
    assert len(fake.asked("/allocation_candidates")) == 2, "one for each flavor"


def test_hosts_that_take_none_do_not_count(fake: FakeCloud) -> None:
    fake.hypervisors[0].status, fake.hypervisors[1].state = "disabled", "down"
    wanted = [room("large", 6), room("large", 1, "gpu")]
    found = {"large": "SHORT", "large in aggregate gpu": "NONE"}
    assert states(look(fake, NAME, room=wanted)) == found


def test_what_is_not_there_is_said_and_the_others_are_seen(fake: FakeCloud) -> None:
    wanted = [room("smal", 1), room("large", 1, "gpus"), room("small", 1)]
    sight = look(fake, NAME, room=wanted)
    assert [one.name for one in sight.conditions] == ["small"]
    assert any("Did you mean small" in one for one in sight.unread)
    assert any("gpus" in one for one in sight.unread)


def test_what_placement_does_not_say_is_not_told(fake: FakeCloud, no_back_off: None) -> None:
    fake.fail("GET /placement/allocation_candidates", 503, times=99)
    sight = look(fake, NAME, room=[room("small", 1)])
    assert list(sight.conditions) == []
    assert any("where flavor small fits" in one for one in sight.unread)


def test_where_aggregates_cannot_be_read_only_plenty_is_told(
    fake: FakeCloud, no_back_off: None
) -> None:
    fake.fail("GET /compute/v2.1/os-aggregates", 503, times=99)
    sight = look(fake, NAME, room=[room("small", 1), room("large", 99)])
    assert [(one.name, one.state) for one in sight.conditions] == [("small", "ENOUGH")]
    assert sight.unread


def test_nothing_is_asked_without_flavors(fake: FakeCloud) -> None:
    assert states(look(fake, NAME)) == {}
    assert fake.requests == []


@pytest.mark.parametrize("wrong", [{"flavor": "a"}, {"flavor": "a", "least": 0}, {"least": 1}])
def test_what_is_no_room_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="capacity_state"):
        settings_of(NAME, room=[wrong])

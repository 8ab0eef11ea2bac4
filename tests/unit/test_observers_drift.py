"""What differs from another cloud: each difference is told, and each by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from accounts.cloud import Cloud
from accounts.config import load
from common.errors import UserError
from observers.observer import Sight
from support.audit_cloud import AuditCloud
from support.fake_cloud_estate import Json
from support.looking import facts, look, states

Pair = tuple[AuditCloud, AuditCloud]
NAME = "drift"


@pytest.fixture
def pair() -> Iterator[Pair]:
    with AuditCloud() as one, AuditCloud() as other:
        yield one, other


def seen(pair: Pair, *, of: str = "west", like: str | None = "east", **settings: Any) -> Sight:
    entries = [pair[0].entry(name="east"), pair[1].entry(name="west")]
    given = {"like": like} if like else {}
    cloud = Cloud.from_config(load({"clouds": entries}), of)
    return look(cloud, NAME, **given, **settings)


def flavor(name: str, **more: Any) -> Json:
    return {"id": f"id-{name}", "name": name, "vcpus": 1, "ram": 512, "disk": 0, "swap": "", **more}


def test_every_difference_is_told_by_itself(pair: Pair) -> None:
    pair[0].rows["flavor"] = [
        flavor("big", ram=1024, extra_specs={"a": "1", "b": "2"}),
        flavor("old"),
        flavor("same"),
    ]
    pair[1].rows["flavor"] = [
        flavor("big", id="other", ram=2048, extra_specs={"a": "1", "b": "3"}),
        flavor("new"),
        flavor("same", id="another"),
    ]
    pair[1].rows["aggregate"] = [{"id": 7, "name": "ssd", "hosts": [], "metadata": {}}]
    sight = seen(pair)
    assert states(sight) == {
        "flavor/old": "MISSING",
        "flavor/new": "EXTRA",
        "aggregate/ssd": "EXTRA",
        "flavor/big/ram": "DIFFERS",
        "flavor/big/extra_specs.b": "DIFFERS",
    }
    told = facts(sight.conditions, "flavor/big/ram")
    assert (told["here"], told["there"]) == ("2048", "1024")
    assert (told["id"], told["other_id"], told["like"]) == ("other", "id-big", "east")
    assert len({one.subject for one in sight.conditions}) == 5
    assert all("/" not in one.id and "big" not in one.id for one in sight.conditions)


def test_a_difference_stays_the_same_when_the_thing_is_made_anew(pair: Pair) -> None:
    pair[0].rows["flavor"], pair[1].rows["flavor"] = [flavor("big")], [flavor("big", ram=1)]
    (before,) = seen(pair).conditions
    pair[1].rows["flavor"] = [flavor("big", id="made-anew", ram=2)]
    (after,) = seen(pair).conditions
    assert before.subject == after.subject


@pytest.mark.parametrize("how", [{"like": None}, {"of": "east"}])
def test_nothing_is_compared_without_another_cloud(pair: Pair, how: dict[str, Any]) -> None:
    pair[0].rows["flavor"] = [flavor("big")]
    assert states(seen(pair, **how)) == {}
    assert pair[0].requests == pair[1].requests == []


def test_what_is_meant_to_differ(pair: Pair) -> None:
    pair[0].rows["flavor"] = [flavor("big"), flavor("gpu.a"), flavor("gpu.b")]
    pair[1].rows["flavor"] = [flavor("big", ram=1, vcpus=2), flavor("gpu.b", ram=1)]
    left = states(seen(pair, leave_out=["flavor/gpu.*", "flavor/*/ram"]))
    assert left == {"flavor/big/vcpus": "DIFFERS"}
    assert states(seen(pair, what=["images"])) == {}


def test_what_cannot_be_read_is_not_compared(pair: Pair, no_back_off: None) -> None:
    pair[0].rows["flavor"] = [flavor("big")]
    pair[1].rows["aggregate"] = [{"id": 7, "name": "ssd", "hosts": [], "metadata": {}}]
    pair[0].fail("GET /compute/v2.1/flavors/detail", 503, times=99)
    sight = seen(pair)
    assert [one.name for one in sight.conditions] == ["aggregate/ssd"]
    assert any("flavors of east" in one for one in sight.unread)


def test_a_cloud_that_is_not_configured(pair: Pair) -> None:
    with pytest.raises(UserError, match="north"):
        seen(pair, like="north")

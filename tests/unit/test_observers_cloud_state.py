"""Whether a cloud can be logged in to, and whether its services do their work."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.fake_cloud import FakeCloud
from support.fake_cloud_http import Answer
from support.looking import facts, look, states

NAME = "cloud_state"
#: What is asked of each service of the fake cloud.
ASKED = {
    "compute": "/compute/v2.1/os-availability-zone",
    "image": "/image/v2/images",
    "placement": "/placement/resource_classes",
    "network": "/network/v2.0/extensions",
}


@pytest.fixture
def fake() -> Iterator[FakeCloud]:
    with FakeCloud() as fake:
        fake.services["network"] = "/network/v2.0"
        for path in ASKED.values():
            fake.route(f"GET {path}", lambda request: Answer({}), first=True)
        yield fake


def test_all_is_well(fake: FakeCloud) -> None:
    up = dict.fromkeys(ASKED, "UP")
    assert states(look(fake, NAME)) == {"fake": "REACHABLE", **up}
    subjects = {one.subject for one in look(fake, NAME).conditions}
    assert {"cloud:fake", "cloud_service:fake/compute"} < subjects


@pytest.mark.parametrize(
    ("status", "state"), [(500, "DOWN"), (503, "DOWN"), (403, "UP"), (404, "UP"), (None, "DOWN")]
)
def test_who_refuses_is_at_work_and_who_fails_is_not(
    fake: FakeCloud, no_back_off: None, status: int | None, state: str
) -> None:
    for service in ("compute", "network", "placement"):
        fake.fail(f"GET {ASKED[service]}", status, times=99, cut=status is None)
    sight = look(fake, NAME)
    told = {"compute": state, "network": state, "placement": state, "image": "UP"}
    assert states(sight) == {"fake": "REACHABLE", **told}
    for service, one in told.items():
        assert (facts(sight.conditions, service)["why"] is None) == (one == "UP")


@pytest.mark.parametrize("status", [401, 503])
def test_a_cloud_that_lets_nobody_in(fake: FakeCloud, no_back_off: None, status: int) -> None:
    fake.fail("POST /identity/v3/auth/tokens", status, times=99)
    sight = look(fake, NAME)
    (cloud,) = sight.conditions
    assert (cloud.kind, cloud.state) == ("cloud", "UNREACHABLE")
    assert facts(sight.conditions, "fake")["why"]
    assert sight.unread, "its services are not called gone"


def test_a_service_that_a_cloud_does_not_have_is_not_told(fake: FakeCloud) -> None:
    del fake.services["network"]
    assert "network" not in states(look(fake, NAME))

"""server.snapshot against a fake cloud: its plan, its marks, lost answers."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Server
from support.fake_cloud_runs import Clock, FakeAttempt, drawn, look_up, perform
from workflow_api import Refused, UnknownOutcome
from workflow_api.planned import PlannedStep


@pytest.fixture
def fake(clock: Clock) -> Iterator[FakeCloud]:
    with FakeCloud([], [Server("web-1")], now=clock.monotonic) as fake:
        yield fake


def planned(fake: FakeCloud, **options: str) -> PlannedStep:
    (step,) = drawn(fake.account(), "server.snapshot", server="web-1", **options).steps()
    return step


def test_the_image_is_named_and_marked(fake: FakeCloud, attempt: FakeAttempt) -> None:
    perform(planned(fake), fake.account(), attempt)
    (image,) = fake.images
    assert re.fullmatch(r"web-1 of \d{4}-\d\d-\d\d", image["name"])
    assert image["openstack_ops:run"] == attempt.run
    assert image["openstack_ops:keep_until"] > image["name"][-10:]


def test_a_name_can_be_given(fake: FakeCloud, attempt: FakeAttempt) -> None:
    perform(planned(fake, name="golden"), fake.account(), attempt)
    assert [image["name"] for image in fake.images] == ["golden"]


def test_a_lost_answer_is_looked_up(fake: FakeCloud, attempt: FakeAttempt) -> None:
    step = planned(fake)
    assert look_up(step, fake.account(), attempt) is None
    fake.fail("POST .*/action", cut=True, late=True)
    with pytest.raises(UnknownOutcome):
        perform(step, fake.account(), attempt)
    assert look_up(step, fake.account(), attempt)["image"] == fake.images[0]["id"]
    assert fake.count("POST .*/action") == 1


@pytest.mark.parametrize(
    ("server", "why"),
    [
        (Server("web-1", status="ERROR"), "it is ERROR"),
        (Server("web-1", task="rebooting"), r"a task is under way on it \(rebooting\)"),
    ],
)
def test_what_nova_would_not_save_is_refused(fake: FakeCloud, server: Server, why: str) -> None:
    fake.servers = [server]
    with pytest.raises(Refused, match=f"web-1 cannot be saved: {why}"):
        planned(fake)


def test_what_is_not_expected_of_a_snapshot_is_said(fake: FakeCloud) -> None:
    fake.servers = [Server("web-1", image="", project="another")]
    notes = drawn(fake.account(), "server.snapshot", server="web-1").notes
    assert [note.partition(":")[0] for note in notes] == [
        "It boots from a volume",
        "The image will belong to the account's project, not to the server's.",
    ]

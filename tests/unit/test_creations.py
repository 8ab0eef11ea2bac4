"""Everything that is created, from its row in a table, against a fake cloud."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from examples import example
from support.fake_cloud import FakeCloud
from support.fake_cloud_runs import Clock, FakeAttempt, drawn, look_up, perform, take_back
from support.verb_stands import BIRTHS, CREATIONS, Birth
from verbs.creation import Creation
from verbs.new_volumes import VOLUME_CREATION
from workflow_api import Begun, CloudError, Refused, StepFailed, UnknownOutcome
from workflow_api.plan import PlannedStep

each_row = pytest.mark.parametrize("row", CREATIONS, ids=lambda row: row.name)
slow_ones = [row for row in CREATIONS if row.ready]
each_slow = pytest.mark.parametrize("row", slow_ones, ids=lambda row: row.name)


@pytest.fixture
def fake(clock: Clock) -> Iterator[FakeCloud]:
    with FakeCloud(now=clock.monotonic) as fake:
        yield fake


def birth(fake: FakeCloud, row: Creation) -> Birth:
    found: Birth = BIRTHS[row.subject.name](fake)
    return found


def planned(fake: FakeCloud, row: Creation, **options: Any) -> PlannedStep:
    (step,) = drawn(fake.account(), row.name, **{**example(row.name), **options}).steps()
    return step


@each_row
def test_a_plan_changes_nothing(fake: FakeCloud, row: Creation) -> None:
    birth(fake, row)
    step = planned(fake, row)
    assert example(row.name)["name"] in step.sentence
    assert fake.changes == []


@each_row
def test_it_is_created_once_however_often_it_is_asked_for(
    fake: FakeCloud, attempt: FakeAttempt, row: Creation
) -> None:
    service = birth(fake, row)
    step = planned(fake, row)
    first = perform(step, fake.account(), attempt)
    assert perform(step, fake.account(), attempt) == first
    assert look_up(step, fake.account(), attempt) == first
    assert len(service.there()) == 1
    assert first["said"].endswith(first["id"])
    assert fake.count(service.creates) == 1


@each_row
def test_a_lost_answer_is_looked_up(fake: FakeCloud, attempt: FakeAttempt, row: Creation) -> None:
    service = birth(fake, row)
    step = planned(fake, row)
    fake.fail(service.creates, cut=True, late=True)
    with pytest.raises(UnknownOutcome):
        perform(step, fake.account(), attempt)
    found = look_up(step, fake.account(), attempt)
    if isinstance(found, Begun):
        perform(step, fake.account(), attempt)
    else:
        assert found is not None
    assert (len(service.there()), fake.count(service.creates)) == (1, 1)


@each_row
def test_a_request_that_never_arrived_is_known_not_to_have(
    fake: FakeCloud, attempt: FakeAttempt, row: Creation
) -> None:
    service = birth(fake, row)
    step = planned(fake, row)
    fake.fail(service.creates, cut=True)
    with pytest.raises(UnknownOutcome):
        perform(step, fake.account(), attempt)
    assert look_up(step, fake.account(), attempt) is None


@each_row
def test_what_another_run_made_is_not_taken_for_ours(
    fake: FakeCloud, attempt: FakeAttempt, row: Creation
) -> None:
    birth(fake, row)
    step = planned(fake, row)
    perform(step, fake.account(), attempt)
    other = FakeAttempt(wait=attempt.wait, run="22222222-2222-4222-8222-222222222222")
    assert look_up(step, fake.account(), other) is None


@each_row
def test_what_the_cloud_refuses_is_told_with_its_words(
    fake: FakeCloud, attempt: FakeAttempt, row: Creation
) -> None:
    service = birth(fake, row)
    step = planned(fake, row)
    said = {"forbidden": {"message": "Policy doesn't allow it.", "code": 403}}
    fake.fail(service.creates, 403, body=said)
    with pytest.raises(CloudError, match=r"Policy doesn't allow it\."):
        perform(step, fake.account(), attempt)
    assert list(service.there()) == []


@each_slow
@pytest.mark.parametrize("asked", [False, True])
def test_one_that_fails_is_left_unless_it_is_to_be_deleted(
    fake: FakeCloud, attempt: FakeAttempt, row: Creation, asked: bool
) -> None:
    service = birth(fake, row)
    broken = service.go(ends="broken")
    step = planned(fake, row, delete_failed=asked)
    said = "It was deleted again" if asked else "It is left as it is"
    with pytest.raises(StepFailed, match=rf"is left {broken}: .* {said}"):
        perform(step, fake.account(), attempt)
    assert fake.count(service.deletes) == asked


@pytest.mark.long
@each_slow
def test_one_that_never_becomes_whole_is_told_as_not_known(
    fake: FakeCloud, attempt: FakeAttempt, row: Creation
) -> None:
    birth(fake, row).go(seconds=None)
    with pytest.raises(UnknownOutcome, match="is still"):
        perform(planned(fake, row), fake.account(), attempt)


@each_row
def test_it_is_taken_back(fake: FakeCloud, attempt: FakeAttempt, row: Creation) -> None:
    service = birth(fake, row)
    step = planned(fake, row)
    perform(step, fake.account(), attempt)
    take_back(step, fake.account(), attempt)
    assert fake.count(service.deletes) == 1


@each_row
def test_a_name_that_is_taken_is_refused_or_is_there_already(
    fake: FakeCloud, attempt: FakeAttempt, row: Creation
) -> None:
    birth(fake, row)
    perform(planned(fake, row), fake.account(), attempt)
    if row.differs is not None:
        plan = drawn(fake.account(), row.name, **example(row.name))
        assert [entry["what"] for entry in plan.skipped] == [example(row.name)["name"]]
        return
    with pytest.raises(Refused, match="already"):
        planned(fake, row)
    if "same_name" in row.options.__struct_fields__:
        assert planned(fake, row, same_name=True).changes


def test_a_volume_beyond_the_quota_is_refused_with_the_figures(fake: FakeCloud) -> None:
    birth(fake, VOLUME_CREATION)
    with pytest.raises(Refused, match="quota of gigabytes is 1000, of which 1000 are free"):
        planned(fake, VOLUME_CREATION, size_gib=1001)

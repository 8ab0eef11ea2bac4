"""volume.detach_stuck against a fake cloud: each way in which Nova and Cinder can disagree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Hypervisor, Json, Server
from support.fake_cloud_runs import Clock, FakeAttempt, drawn, look_up, perform
from support.fake_cloud_volume import FakeCinder
from workflow_api import Plan, Refused, StepFailed, UnknownOutcome

GONE = "0d15ea5e-0000-4000-8000-000000000000"


@pytest.fixture
def fake(clock: Clock) -> Iterator[FakeCloud]:
    estate = [Hypervisor("cmp-1")], [Server("web-1"), Server("web-2")]
    with FakeCloud(*estate, now=clock.monotonic) as fake:
        yield fake


@dataclass(frozen=True)
class Case:
    """What Cinder and Nova say: servers by name, "gone" for one that is no more, "" for a host.

    ``other`` are servers on which Nova has the volume by an attachment that Cinder does not know.
    """

    id: str
    status: str
    cinder: tuple[str, ...] = ()
    nova: tuple[str, ...] = ()
    other: tuple[str, ...] = ()
    does: tuple[str, ...] = ()
    ends: str = ""
    skipped: bool = False
    refused: str = ""
    notes: tuple[str, ...] = field(default=())


FORGET_GONE = (
    f"delete Cinder's attachment {{gone}} of volume data-1 to server {GONE}, which is gone"
)
CASES = [
    Case("server gone", "in-use", ("gone",), does=("forget gone",), ends="available"),
    Case("server gone while detaching", "detaching", ("gone",), does=("forget gone",),
         ends="available"),
    Case("reserved for one that failed", "reserved", ("gone",), does=("forget gone",),
         ends="available"),
    Case("nova has none", "in-use", ("web-1",), does=("forget web-1",), ends="available"),
    Case("nova has one of two", "in-use", ("web-1", "web-2"), ("web-2",),
         does=("forget web-1",), ends="in-use"),
    Case("nobody has any", "detaching", does=("call available",), ends="available"),
    Case("nobody has any, in use", "in-use", does=("call available",), ends="available"),
    Case("both have it, detaching", "detaching", ("web-1",), ("web-1",), does=("call in-use",),
         ends="in-use"),
    Case("both agree", "in-use", ("web-1",), ("web-1",), skipped=True),
    Case("attached to a host", "in-use", ("",), skipped=True),
    Case("free", "available", skipped=True),
    Case("in error, attached nowhere", "error", skipped=True),
    Case("nova alone", "available", nova=(), other=("web-1",),
         refused="Nova has it on server web-1 .* by an attachment that Cinder does not know"),
    Case("another attachment", "in-use", ("web-1",), other=("web-1",),
         refused="nova-manage volume_attachment refresh"),
]  # fmt: skip


def made(fake: FakeCloud, case: Case) -> Json:
    """Make the volume of a case; return its row."""
    cinder = fake.part(FakeCinder)
    volume = cinder.volume("data-1")
    for name in case.cinder:
        id = {"gone": GONE, "": None}.get(name) if name in ("gone", "") else fake.server(name).id
        record = cinder.records.attach(volume, id)
        if name in case.nova:
            cinder.records.have_at_nova(fake.server(name), volume, record["id"])
    for name in case.other:
        cinder.records.have_at_nova(fake.server(name), volume, "another")
    volume["status"] = case.status
    return volume


def plan_of(fake: FakeCloud, **options: str) -> Plan:
    return drawn(fake.account(), "volume.detach_stuck", volume="data-1", **options)


def does(fake: FakeCloud, plan: Plan) -> tuple[str, ...]:
    """Return the changes of a plan in the words of the cases."""
    names = {server.id: server.name for server in fake.servers} | {GONE: "gone"}
    records = {
        row["id"]: names.get(row["instance"], "")
        for row in fake.part(FakeCinder).records.attachments
    }
    said = []
    for step in plan.steps():
        if step.name == "volume.forget_attachment":
            said.append(f"forget {records[step.data['attachment']]}")
        elif step.name == "volume.call":
            said.append(f"call {step.data['to']}")
    return tuple(said)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_what_both_say_is_brought_together(
    fake: FakeCloud, attempt: FakeAttempt, case: Case
) -> None:
    volume = made(fake, case)
    if case.refused:
        with pytest.raises(Refused, match=case.refused):
            plan_of(fake)
        assert fake.changes == []
        return
    plan = plan_of(fake)
    assert fake.changes == []
    assert bool(plan.skipped) is case.skipped
    assert does(fake, plan) == case.does
    assert plan.notes[0] == f"Cinder calls it {case.status}"
    for step in plan.steps():
        perform(step, fake.account(), attempt)
    assert volume["status"] == (case.ends or case.status)
    assert plan_of(fake).skipped, "then there is nothing to do"


@pytest.mark.parametrize("arrived", [True, False])
@pytest.mark.parametrize("case", [one for one in CASES if one.does], ids=lambda case: case.id)
def test_a_lost_answer_is_looked_up(
    fake: FakeCloud, attempt: FakeAttempt, case: Case, arrived: bool
) -> None:
    made(fake, case)
    step, *_ = plan_of(fake).steps()
    fake.fail("(DELETE .*/attachments/|POST .*/action)", cut=True, late=arrived)
    with pytest.raises(UnknownOutcome):
        perform(step, fake.account(), attempt)
    assert (look_up(step, fake.account(), attempt) is not None) is arrived
    perform(step, fake.account(), attempt)
    assert len(fake.changes) == (1 if arrived else 2)


def test_what_is_shown_of_both(fake: FakeCloud) -> None:
    made(fake, Case("", "detaching", ("gone", "web-1"), ("web-1",)))
    web = fake.server("web-1").id
    notes = plan_of(fake).notes
    assert f"to server {GONE}, which is gone" in notes[1] + notes[2]
    assert any(note.startswith(f"Nova has it on server web-1 ({web}) by the") for note in notes)


def test_what_was_changed_lately_is_left_alone(fake: FakeCloud) -> None:
    volume = made(fake, CASES[0])
    volume["updated_at"] = "2999-01-01T00:00:00.000000"
    with pytest.raises(Refused, match="it was changed 0s ago, less than 1h"):
        plan_of(fake)
    assert does(fake, plan_of(fake, older_than="0s")) == ("forget gone",)


def test_a_protected_one_is_left_alone(fake: FakeCloud) -> None:
    made(fake, CASES[0])["metadata"] = {"openstack_ops:protected": "yes"}
    with pytest.raises(Refused, match="it is protected by its metadata") as refused:
        plan_of(fake)
    assert refused.value.kept, "one of many rows is skipped for that"


@pytest.mark.long
def test_one_that_does_not_settle_is_a_failure(fake: FakeCloud, attempt: FakeAttempt) -> None:
    volume = made(fake, CASES[0])
    first, check = plan_of(fake).steps()
    perform(first, fake.account(), attempt)
    volume["status"] = "detaching"
    with pytest.raises(StepFailed, match="data-1 is still detaching"):
        perform(check, fake.account(), attempt)

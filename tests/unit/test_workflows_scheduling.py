"""hypervisor.disable and enable, their steps, look-ups and undo; what hypervisor.* shows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Hypervisor, Server
from support.fake_cloud_plans import drain, hosts
from support.fake_cloud_runs import (
    FakeAttempt,
    Remembered,
    call,
    drawn,
    look_up,
    perform,
    read,
    take_back,
)
from workflow_api import CloudError, NotFound, StepFailed, UnknownOutcome, UserError

ATTEMPT = FakeAttempt()


@pytest.fixture
def fake() -> Iterator[FakeCloud]:
    with FakeCloud(hosts(), [Server("a"), Server("b")]) as fake:
        yield fake


def disabled(reason: str | None = None) -> Hypervisor:
    return Hypervisor("cmp-1", status="disabled", reason=reason)


@pytest.mark.parametrize(
    ("before", "name", "asked", "steps", "skipped"),
    [
        (Hypervisor("cmp-1"), "disable", {"reason": " new\tRAM "},
         ["disable scheduling of cmp-1: new RAM"], []),
        (disabled("old"), "disable", {"reason": "new"},
         ["disable scheduling of cmp-1 (now disabled: old): new"], []),
        (disabled("new"), "disable", {"reason": "new"}, [],
         ["it is disabled for this reason already"]),
        (disabled("old"), "enable", {}, ["enable scheduling of cmp-1 (now disabled: old)"], []),
        (disabled(), "enable", {}, ["enable scheduling of cmp-1 (now disabled)"], []),
        (Hypervisor("cmp-1"), "enable", {}, [], ["it is enabled already"]),
    ],
)  # fmt: skip
def test_what_is_planned(
    before: Hypervisor, name: str, asked: dict[str, Any], steps: list[str], skipped: list[str]
) -> None:
    with FakeCloud([before]) as fake:
        claims, cloud = Remembered(), fake.account()
        plan = call(cloud, f"hypervisor.{name}", claims, hypervisor="cmp-1", **asked)
        assert fake.changes == []
    assert [step.sentence for step in plan.steps()] == steps
    assert plan.skipped == [{"what": "cmp-1", "why": why} for why in skipped]
    assert claims.subjects == [f"hypervisor:{before.id}"]


def test_a_host_that_is_down_can_be_enabled_and_that_is_said() -> None:
    with FakeCloud([Hypervisor("cmp-1", state="down", status="disabled")]) as fake:
        plan = drawn(fake.account(), "hypervisor.enable", hypervisor="cmp-1")
    assert plan.notes == ["cmp-1 is down: nothing is scheduled there until it is up."]


@pytest.mark.parametrize("reason", ["", "\t\n", "x" * 256, "\x1b[31m"])
def test_a_reason_that_nova_would_not_take(reason: str, fake: FakeCloud) -> None:
    with pytest.raises(UserError, match="reason must have 1 to 255 characters"):
        drawn(fake.account(), "hypervisor.disable", hypervisor="cmp-1", reason=reason)


def test_an_unknown_hypervisor(fake: FakeCloud) -> None:
    with pytest.raises(NotFound, match=r"Did you mean cmp-\d or cmp-\d\?"):
        drawn(fake.account(), "hypervisor.enable", hypervisor="cmp-3")


@pytest.mark.parametrize("host", [Hypervisor("cmp-1"), disabled("old"), disabled()], ids=repr)
def test_disabling_is_done_found_and_taken_back(host: Hypervisor) -> None:
    was, unsaid = (host.status, host.reason), "disabled"
    with FakeCloud([host]) as fake:
        cloud = fake.account()
        (step,) = drawn(cloud, "hypervisor.disable", hypervisor="cmp-1", reason="new").steps()
        assert look_up(step, cloud, ATTEMPT) is None
        assert perform(step, cloud, ATTEMPT) == {"said": "cmp-1 is disabled"}
        assert (host.status, host.reason) == ("disabled", "new")
        assert look_up(step, cloud, ATTEMPT) == {"said": "cmp-1 is disabled"}
        for _ in range(2):
            take_back(step, cloud, ATTEMPT)
            assert (host.status, host.reason or unsaid) == (was[0], was[1] or unsaid)


def test_enabling_is_done_found_and_taken_back() -> None:
    host = disabled("burnt")
    with FakeCloud([host]) as fake:
        cloud = fake.account()
        (step,) = drawn(cloud, "hypervisor.enable", hypervisor="cmp-1").steps()
        assert look_up(step, cloud, ATTEMPT) is None
        perform(step, cloud, ATTEMPT)
        assert (host.status, host.reason) == ("enabled", None)
        assert look_up(step, cloud, ATTEMPT) == {"host": "cmp-1", "said": "cmp-1 is enabled"}
        take_back(step, cloud, ATTEMPT)
        assert (host.status, host.reason) == ("disabled", "burnt")


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        ({"status": 403}, CloudError, "Cloud fake: disabling a compute service: 403: It hurts."),
        ({"status": 404}, CloudError, "404"),
        ({"status": 500}, UnknownOutcome, "500"),
        ({"cut": True}, UnknownOutcome, "whether it was done is not known"),
        ({"cut": True, "late": True}, UnknownOutcome, "whether it was done is not known"),
    ],
    ids=str,
)
def test_disabling_that_fails(
    fault: dict[str, Any], error: type[Exception], words: str, fake: FakeCloud
) -> None:
    cloud = fake.account()
    (step,) = drawn(cloud, "hypervisor.disable", hypervisor="cmp-1", reason="new").steps()
    fake.fail("PUT .*/os-services/", **fault)
    with pytest.raises(error) as raised:
        perform(step, cloud, ATTEMPT)
    assert type(raised.value) is error
    assert words in str(raised.value)
    assert (look_up(step, cloud, ATTEMPT) is not None) == fault.get("late", False)


def test_a_refusal_says_what_to_do(fake: FakeCloud) -> None:
    cloud = fake.account()
    (step,) = drawn(cloud, "hypervisor.disable", hypervisor="cmp-1", reason="new").steps()
    fake.fail("PUT .*/os-services/", 403)
    with pytest.raises(CloudError) as refused:
        perform(step, cloud, ATTEMPT)
    assert refused.value.advice.startswith("The account has no right to do this: see cloud.check")
    assert refused.value.request_id


# -- the check at the end of a drain -----------------------------------------------------------


def test_a_host_is_empty_or_it_is_not(fake: FakeCloud) -> None:
    cloud = fake.account()
    *_, verify = drain(fake).steps()
    with pytest.raises(StepFailed) as failed:
        perform(verify, cloud, ATTEMPT)
    assert str(failed.value) == "cmp-1 still holds 2 servers: a (ACTIVE), b (ACTIVE)."
    assert not verify.changes
    for server in fake.servers:
        server.host = "cmp-2"
    assert perform(verify, cloud, ATTEMPT) == {"said": "cmp-1 is empty"}


@pytest.mark.long
def test_what_was_moved_arrived_well_or_it_did_not(fake: FakeCloud) -> None:
    *_, verify, _ = drain(fake).steps()
    cloud = fake.account()
    with pytest.raises(StepFailed, match="a is still on cmp-1"):
        perform(verify, cloud, ATTEMPT)
    for server in fake.servers:
        server.host = "cmp-2"
    assert perform(verify, cloud, ATTEMPT) == {"said": "2 servers looked at"}
    fake.servers.append(Server("foreign", status="ERROR", host="cmp-2"))
    assert perform(verify, cloud, ATTEMPT) == {"said": "2 servers looked at"}
    broken = fake.server("a")
    broken.status, broken.host, broken.fault = "ERROR", "cmp-2", "no such port"
    with pytest.raises(StepFailed, match=r"a is in ERROR on cmp-2 \(no such port\)"):
        perform(verify, cloud, ATTEMPT)
    assert not verify.changes


@pytest.mark.long
@pytest.mark.parametrize("few", [1, 0], ids=["few", "many"])
def test_a_cloud_that_does_not_answer_for_a_while_is_asked_again(
    few: int, fake: FakeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was moved is moved: a run that failed for want of an answer would help nobody."""
    monkeypatch.setattr("migration.move._FEW", 2 * few)
    *_, verify, _ = drain(fake).steps()
    for server in fake.servers:
        server.host = "cmp-2"
    monkeypatch.setattr("migration.move._LOOK", 0.0)
    # More often than the session itself repeats a request.
    fault = fake.fail("GET .*/servers(/|$)", 503, times=12)
    assert perform(verify, fake.account(), FakeAttempt(lambda _: None)) == {
        "said": "2 servers looked at"
    }
    assert fault.times == 0, "all of them were met"


def test_what_was_excluded_may_be_there(fake: FakeCloud) -> None:
    *_, verify = drain(fake, exclude=["a", fake.server("b").id]).steps()
    assert perform(verify, fake.account(), ATTEMPT) == {
        "said": "cmp-1 holds only what was excluded"
    }
    fake.servers.append(Server("late"))
    with pytest.raises(StepFailed, match=r"still holds 1 server: late \(ACTIVE\)"):
        perform(verify, fake.account(), ATTEMPT)


# -- reading -----------------------------------------------------------------------------------


def test_a_hypervisor_is_shown_with_its_servers() -> None:
    servers = [Server("b"), Server("a\x1b]0;x\x07", locked=True), Server("c", "cmp-2")]
    with FakeCloud([disabled("burnt"), Hypervisor("cmp-2")], servers) as fake:
        table = read(fake.account(), "hypervisor.show", hypervisor="cmp-1")
    assert [(row["name"], row["locked"]) for row in table.rows] == [("a", True), ("b", False)]
    assert "up, disabled: burnt; 2/16 vCPUs and 2/16 GiB used" in table.title
    assert table.summary.endswith("; 2 servers")

"""Every verb of servers, from its row in the table, against a fake cloud that has Nova's rules."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.dispatch import dispatch
from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Hypervisor, Server
from support.fake_cloud_power import Power
from support.fake_cloud_runs import Clock, FakeAttempt, drawn, look_up, perform, take_back
from verbs.servers import SERVER, SERVER_VERBS
from verbs.verb import Verb
from workflow_api import Begun, CloudError, Refused, StepFailed, UnknownOutcome
from workflow_api.plan import PlannedStep

ALL = sorted({"ACTIVE", "SHUTOFF", "PAUSED", "SUSPENDED", "SHELVED_OFFLOADED", "ERROR", "RESCUE"})
TAG = "openstack-ops-protected"
WAITING = [verb for verb in SERVER_VERBS if verb.begins]
each_verb = pytest.mark.parametrize("verb", SERVER_VERBS, ids=lambda verb: verb.name)
each_waiting = pytest.mark.parametrize("verb", WAITING, ids=lambda verb: verb.name)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fake(clock: Clock) -> Iterator[FakeCloud]:
    server = Server("web-1")
    with FakeCloud([Hypervisor("cmp-1")], [server], now=clock.monotonic) as fake:
        yield fake


def ready(fake: FakeCloud, verb: Verb) -> Server:
    """Return the server in a state in which the verb has something to do."""
    server = fake.server("web-1")
    server.locked = verb.name == "server.unlock"
    if verb.begins:
        server.status = sorted(verb.begins(verb.options()))[0]
    return server


def planned(fake: FakeCloud, verb: Verb, **options: Any) -> PlannedStep:
    """Return the one step of the verb's plan."""
    (step,) = drawn(fake.account(), verb.name, server="web-1", **options).steps()
    return step


def others(verb: Verb) -> list[str]:
    """Return the states in which there is something to refuse."""
    begins = verb.begins(verb.options()) if verb.begins else frozenset(ALL)
    return [state for state in ALL if state not in begins and not is_end(verb, state)]


def is_end(verb: Verb, state: str) -> bool:
    return verb.record is None and verb.ends(Server("x", status=state))


# -- the plan ----------------------------------------------------------------------------------


@each_verb
def test_a_plan_is_one_change_and_drawing_it_changes_nothing(fake: FakeCloud, verb: Verb) -> None:
    ready(fake, verb)
    step = planned(fake, verb)
    assert step.sentence == verb.sentence.format(name="web-1", options={"how": "soft"})
    assert fake.changes == []


@each_verb
def test_what_is_so_already_is_skipped(fake: FakeCloud, clock: Clock, verb: Verb) -> None:
    server = ready(fake, verb)
    if verb.record:
        pytest.skip("it can be done again and again")
    perform(planned(fake, verb), fake.account(), FakeAttempt(wait=clock.wait))
    sent = len(fake.changes)
    plan = drawn(fake.account(), verb.name, server="web-1")
    assert list(plan.steps()) == []
    why = f"it is {verb.said(server) if verb.said else server.status} already"
    assert plan.skipped == [{"what": "web-1", "why": why}]
    assert len(fake.changes) == sent


@pytest.mark.parametrize(
    ("verb", "state"),
    [(verb, state) for verb in SERVER_VERBS for state in others(verb)],
    ids=lambda given: given if isinstance(given, str) else given.name,
)
def test_what_nova_would_refuse_is_refused_before(fake: FakeCloud, verb: Verb, state: str) -> None:
    fake.server("web-1").status = state
    with pytest.raises(Refused, match=f"web-1 cannot be {verb.participle}: "):
        drawn(fake.account(), verb.name, server="web-1")
    assert fake.changes == []


@each_waiting
def test_a_task_under_way_is_not_disturbed(fake: FakeCloud, verb: Verb) -> None:
    ready(fake, verb).task = "image_uploading"
    with pytest.raises(Refused, match=r"a task is under way on it \(image_uploading\)"):
        drawn(fake.account(), verb.name, server="web-1")


@each_verb
@pytest.mark.parametrize("how", ["locked", "protected"])
def test_who_wants_no_disturbance_has_none(fake: FakeCloud, verb: Verb, how: str) -> None:
    server = ready(fake, verb)
    server.tags = [TAG] if how == "protected" else []
    server.locked = server.locked or (how == "locked" and verb.name != "server.lock")
    if verb.disturbs:
        with pytest.raises(Refused, match=f"it is {how}"):
            drawn(fake.account(), verb.name, server="web-1")
    else:
        assert planned(fake, verb).changes


# -- the step ----------------------------------------------------------------------------------


@each_verb
def test_it_is_asked_for_once_and_waited_for(fake: FakeCloud, clock: Clock, verb: Verb) -> None:
    server = ready(fake, verb)
    step = planned(fake, verb)
    told = perform(step, fake.account(), FakeAttempt(wait=clock.wait))
    assert len(fake.changes) == 1
    assert server.task is None
    assert verb.ends(server)
    assert told["said"] == f"web-1 is {verb.said(server) if verb.said else server.status}"


@each_verb
def test_a_lost_answer_is_looked_up_and_not_repeated(
    fake: FakeCloud, clock: Clock, verb: Verb
) -> None:
    server = ready(fake, verb)
    step, attempt = planned(fake, verb), FakeAttempt(wait=clock.wait)
    fake.fail("POST .*/action", cut=True, late=True)
    with pytest.raises(UnknownOutcome):
        perform(step, fake.account(), attempt)
    found = look_up(step, fake.account(), attempt)
    if isinstance(found, Begun):
        perform(step, fake.account(), attempt)
    else:
        assert found is not None
    assert (server.task, len(fake.changes)) == (None, 1)
    assert verb.ends(server)


@each_verb
def test_a_request_that_never_arrived_is_known_not_to_have(
    fake: FakeCloud, clock: Clock, verb: Verb
) -> None:
    ready(fake, verb)
    step, attempt = planned(fake, verb), FakeAttempt(wait=clock.wait)
    fake.fail("POST .*/action", cut=True)
    with pytest.raises(UnknownOutcome):
        perform(step, fake.account(), attempt)
    assert look_up(step, fake.account(), attempt) is None
    assert look_up(step, fake.account(), FakeAttempt(wait=clock.wait)) is None


@each_verb
def test_what_the_cloud_refuses_is_told_with_its_words(
    fake: FakeCloud, clock: Clock, verb: Verb
) -> None:
    ready(fake, verb)
    step = planned(fake, verb)
    said = {"forbidden": {"message": "Policy doesn't allow it.", "code": 403}}
    fake.fail("POST .*/action", 403, body=said)
    with pytest.raises(CloudError, match=r"Policy doesn't allow it\."):
        perform(step, fake.account(), FakeAttempt(wait=clock.wait))


@each_waiting
def test_what_nova_gives_up_is_a_failure_with_its_fault(
    fake: FakeCloud, clock: Clock, verb: Verb
) -> None:
    server = ready(fake, verb)
    fake.nova.power.courses[server.id] = Power(ends="ERROR", fault="libvirt went away")
    with pytest.raises(StepFailed, match=r"web-1 is left ERROR: .*\(libvirt went away\)"):
        perform(planned(fake, verb), fake.account(), FakeAttempt(wait=clock.wait))


@each_waiting
def test_what_never_ends_is_told_as_not_known(fake: FakeCloud, clock: Clock, verb: Verb) -> None:
    server = ready(fake, verb)
    fake.nova.power.courses[server.id] = Power(seconds=None)
    attempt = FakeAttempt(wait=clock.wait)
    patient = {"hard_after": "1d"} if verb.escalate else {}
    with pytest.raises(UnknownOutcome, match="web-1 is still"):
        perform(planned(fake, verb, **patient), fake.account(), attempt)
    assert attempt.said, "progress is told meanwhile"


@pytest.mark.parametrize("verb", [v for v in WAITING if not v.record], ids=lambda verb: verb.name)
def test_what_nova_drops_without_a_word_is_noticed(
    fake: FakeCloud, clock: Clock, verb: Verb
) -> None:
    server = ready(fake, verb)
    fake.nova.power.courses[server.id] = Power(task=False)
    with pytest.raises(StepFailed, match=f"web-1 is left {server.status}"):
        perform(planned(fake, verb), fake.account(), FakeAttempt(wait=clock.wait))


@pytest.mark.parametrize(
    "verb", [verb for verb in SERVER_VERBS if verb.undo], ids=lambda verb: verb.name
)
def test_it_is_taken_back_once(fake: FakeCloud, clock: Clock, verb: Verb) -> None:
    server = ready(fake, verb)
    step, attempt = planned(fake, verb), FakeAttempt(wait=clock.wait)
    perform(step, fake.account(), attempt)
    take_back(step, fake.account(), attempt)
    take_back(step, fake.account(), attempt)
    assert _named(str(verb.undo)).ends(server)
    assert len(fake.changes) == 2


def test_a_server_that_is_gone_is_a_failure(fake: FakeCloud, clock: Clock) -> None:
    step = planned(fake, _named("server.stop"))
    fake.servers.clear()
    with pytest.raises(StepFailed, match="server web-1 is gone"):
        perform(step, fake.account(), FakeAttempt(wait=clock.wait))


# -- the table ---------------------------------------------------------------------------------


@each_verb
def test_what_undoes_is_a_verb_too(verb: Verb) -> None:
    assert verb.undo is None or verb.undo in {known.name for known in SERVER_VERBS}
    assert verb.name.startswith(f"{SERVER.name}.")


# -- what is particular to reboots -------------------------------------------------------------


def _named(name: str) -> Verb:
    return next(verb for verb in SERVER_VERBS if verb.name == name)


def test_a_soft_reboot_that_takes_too_long_is_made_a_hard_one(
    fake: FakeCloud, clock: Clock
) -> None:
    verb = _named("server.reboot")
    server = ready(fake, verb)
    fake.nova.power.courses[server.id] = Power(seconds=None)
    attempt = FakeAttempt(wait=clock.wait)
    perform(planned(fake, verb, hard_after="30s"), fake.account(), attempt)
    kinds = [request.body["reboot"]["type"] for request in fake.changes]
    assert kinds == ["SOFT", "HARD"]
    assert any("hard" in said for said in attempt.said)


def test_a_hard_reboot_is_asked_for_once(fake: FakeCloud, clock: Clock) -> None:
    verb = _named("server.reboot")
    server = ready(fake, verb)
    fake.nova.power.courses[server.id] = Power(seconds=300)
    perform(planned(fake, verb, how="hard"), fake.account(), FakeAttempt(wait=clock.wait))
    assert [request.body["reboot"]["type"] for request in fake.changes] == ["HARD"]


def test_a_name_is_shown_as_it_is_written(fake: FakeCloud) -> None:
    fake.server("web-1").name = "Web-ÄB"
    assert drawn(fake.account(), "server.stop", server="Web-ÄB").title == "Stop Web-ÄB"


def test_a_hard_reboot_starts_what_is_shut_off(fake: FakeCloud, clock: Clock) -> None:
    fake.server("web-1").status = "SHUTOFF"
    step = planned(fake, _named("server.reboot"), how="hard")
    perform(step, fake.account(), FakeAttempt(wait=clock.wait))
    assert fake.server("web-1").status == "ACTIVE"


def test_a_lock_keeps_its_reason(fake: FakeCloud, clock: Clock) -> None:
    step = planned(fake, _named("server.lock"), reason="under investigation")
    perform(step, fake.account(), FakeAttempt(wait=clock.wait))
    assert fake.server("web-1").locked_reason == "under investigation"


# -- as an action ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["server.stop", "server.reboot"])
def test_a_run_goes_on_by_itself_after_a_lost_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with FakeCloud([Hypervisor("cmp-1")], [Server("web-1")]) as fake:
        fake.nova.power.courses[fake.server("web-1").id] = Power(seconds=0.1)
        fake.fail("POST .*/action", cut=True, late=True)
        config = fake.config(state_url=f"sqlite:///{tmp_path}/state.db")
        kind, result = dispatch(name, {"server": "web-1", "dry_run": False}, config)
        assert (kind, len(fake.changes)) == ("done", 1), result["text"]

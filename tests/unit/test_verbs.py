"""Every verb, from its row in a table, against a fake cloud that has the services' own rules."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from query_api.lookups import things
from query_api.resources.server_values import known_status
from support.fake_cloud import FakeCloud
from support.fake_cloud_runs import Clock, FakeAttempt, drawn, look_up, perform, take_back
from support.sampling import dealt, sampled
from support.verb_stands import (
    NAME,
    STANDS,
    SUBJECT,
    VERBS,
    options_of,
    parameters_of,
    ready,
)
from verbs.verb import Verb
from workflow_api import Begun, CloudError, NotFound, Refused, StepFailed, UnknownOutcome
from workflow_api.planned import PlannedStep

NAMED = {verb.name: verb for verb in VERBS}


# Every day a verb is in every fourth test, and in all of them with ``make test-long``.
_HANDS = itertools.cycle(range(4))


def each(verbs: list[Verb]) -> pytest.MarkDecorator:
    dealt_out = dealt(verbs, 4)[next(_HANDS)]
    return pytest.mark.parametrize("verb", dealt_out, ids=lambda verb: verb.name)


# Those that take their time, and so can be given up on the way.
TASKS = [verb for verb in VERBS if verb.tasks]


@pytest.fixture
def fake(clock: Clock) -> Iterator[FakeCloud]:
    with FakeCloud(now=clock.monotonic) as fake:
        yield fake


def planned(fake: FakeCloud, verb: Verb, **options: Any) -> PlannedStep:
    """Return the one step of the verb's plan."""
    (step,) = drawn(fake.account(), verb.name, **{**parameters_of(verb), **options}).steps()
    return step


def seen(fake: FakeCloud, verb: Verb) -> Any:
    """Return the thing as the cloud shows it now, None if it is gone."""
    subject, cloud = SUBJECT[verb.name], fake.account()
    try:
        thing = subject.find(cloud, NAME)
    except NotFound:
        return None
    return verb.look(cloud, thing.id) if verb.look else thing


def meant(fake: FakeCloud, verb: Verb, thing: Any) -> Any:
    """Return the options of the verb's example as a plan has them: ids for names, and complete."""
    options, cloud = options_of(verb), fake.account()
    others = {
        word: things.find(cloud, kind, getattr(options, word)).id
        for word, kind in verb.others.items()
        if getattr(options, word) is not None
    }
    options = msgspec.structs.replace(options, **others)
    return options if thing is None else verb.completed(cloud, thing, options)


def is_there(fake: FakeCloud, verb: Verb) -> bool:
    """Return whether the thing is where the verb leads."""
    thing = seen(fake, verb)
    return verb.is_over(SUBJECT[verb.name], thing, meant(fake, verb, thing))


def outcome(fake: FakeCloud, verb: Verb) -> str:
    thing = seen(fake, verb)
    return verb.outcome_of(SUBJECT[verb.name], thing, meant(fake, verb, thing))


def elsewhere(verb: Verb) -> list[str]:
    """Return the states of the subject in which the verb does not begin."""
    begins = verb.begins(options_of(verb)) if verb.begins else frozenset()
    states = STANDS[SUBJECT[verb.name].name].states if verb.begins else ()
    return [state for state in states if state not in begins]


@each([verb for verb in VERBS if verb.begins and SUBJECT[verb.name].name == "server"])
def test_a_server_is_in_each_state_at_times(verb: Verb) -> None:
    """Nova's API reference also has names of its database, which no server shows: RESIZED."""
    assert verb.begins
    for state in verb.begins(options_of(verb)):
        assert known_status(state), f"Nova shows no server as {state}"


# -- the plan ----------------------------------------------------------------------------------


@each(VERBS)
def test_a_plan_is_one_change_and_drawing_it_changes_nothing(fake: FakeCloud, verb: Verb) -> None:
    ready(fake, verb)
    plan = drawn(fake.account(), verb.name, **parameters_of(verb))
    (step,) = plan.steps()
    assert NAME in step.sentence
    assert plan.title == step.sentence[0].upper() + step.sentence[1:]
    assert step.changes
    assert fake.changes == []


@each([verb for verb in VERBS if not verb.record and not verb.gone])
def test_what_is_so_already_is_skipped(fake: FakeCloud, attempt: FakeAttempt, verb: Verb) -> None:
    ready(fake, verb)
    perform(planned(fake, verb), fake.account(), attempt)
    sent = len(fake.changes)
    plan = drawn(fake.account(), verb.name, **parameters_of(verb))
    assert list(plan.steps()) == []
    assert plan.skipped == [{"what": NAME, "why": f"it is {outcome(fake, verb)} already"}]
    assert len(fake.changes) == sent


STATES = [(verb, state) for verb in VERBS for state in elsewhere(verb)]


@pytest.mark.parametrize(
    ("verb", "state"),
    sampled(STATES, len(STATES) // 6),
    ids=lambda given: given if isinstance(given, str) else given.name,
)
def test_what_the_cloud_would_refuse_is_refused_before(
    fake: FakeCloud, verb: Verb, state: str
) -> None:
    ready(fake, verb).set(state)
    if is_there(fake, verb) and not verb.record:
        plan = drawn(fake.account(), verb.name, **parameters_of(verb))
        assert [entry["what"] for entry in plan.skipped] == [NAME]
    else:
        with pytest.raises(Refused, match=f"{NAME} {verb.refused}: "):
            drawn(fake.account(), verb.name, **parameters_of(verb))
    assert fake.changes == []


@each([verb for verb in VERBS if verb.begins])
def test_a_task_under_way_is_not_disturbed(fake: FakeCloud, verb: Verb) -> None:
    task = ready(fake, verb).disturb()
    with pytest.raises(Refused, match=rf"a task is under way on it \({task}\)"):
        drawn(fake.account(), verb.name, **parameters_of(verb))


@pytest.mark.parametrize(
    ("verb", "how"),
    [(verb, how) for verb in VERBS for how in STANDS[SUBJECT[verb.name].name].marks],
    ids=lambda given: given if isinstance(given, str) else given.name,
)
def test_who_wants_no_disturbance_has_none(fake: FakeCloud, verb: Verb, how: str) -> None:
    stand = ready(fake, verb)
    if verb.disturbs:
        stand.mark(how)
        with pytest.raises(Refused, match=f"it is {how}"):
            drawn(fake.account(), verb.name, **parameters_of(verb))
    else:
        stand.mark("protected")  # which one of them is about
        plan = drawn(fake.account(), verb.name, **parameters_of(verb))
        already = is_there(fake, verb)
        assert [entry["what"] for entry in plan.skipped] == [NAME] * already
        assert len(list(plan.steps())) == (0 if already else 1)


# -- the step ----------------------------------------------------------------------------------


@each(VERBS)
def test_it_is_asked_for_once_and_waited_for(
    fake: FakeCloud, attempt: FakeAttempt, verb: Verb
) -> None:
    stand = ready(fake, verb)
    told = perform(planned(fake, verb), fake.account(), attempt)
    assert len(fake.changes) == 1
    assert not stand.is_busy()
    assert is_there(fake, verb)
    assert told["said"] == f"{NAME} is {outcome(fake, verb)}"


@each(VERBS)
def test_a_lost_answer_is_looked_up_and_not_repeated(
    fake: FakeCloud, attempt: FakeAttempt, verb: Verb
) -> None:
    stand = ready(fake, verb)
    step = planned(fake, verb)
    fake.fail(stand.changes, cut=True, late=True)
    with pytest.raises(UnknownOutcome):
        perform(step, fake.account(), attempt)
    found = look_up(step, fake.account(), attempt)
    if isinstance(found, Begun):
        perform(step, fake.account(), attempt)
    else:
        assert found is not None
    assert len(fake.changes) == 1
    assert not stand.is_busy()
    assert is_there(fake, verb)


@each(VERBS)
def test_a_request_that_never_arrived_is_known_not_to_have(
    fake: FakeCloud, attempt: FakeAttempt, clock: Clock, verb: Verb
) -> None:
    stand = ready(fake, verb)
    step = planned(fake, verb)
    fake.fail(stand.changes, cut=True)
    with pytest.raises(UnknownOutcome):
        perform(step, fake.account(), attempt)
    assert look_up(step, fake.account(), attempt) is None
    assert look_up(step, fake.account(), FakeAttempt(wait=clock.wait)) is None


@each(VERBS)
def test_what_the_cloud_refuses_is_told_with_its_words(
    fake: FakeCloud, attempt: FakeAttempt, verb: Verb
) -> None:
    stand = ready(fake, verb)
    step = planned(fake, verb)
    said = {"forbidden": {"message": "Policy doesn't allow it.", "code": 403}}
    fake.fail(stand.changes, 403, body=said)
    with pytest.raises(CloudError, match=r"Policy doesn't allow it\."):
        perform(step, fake.account(), attempt)


@each(TASKS)
def test_what_the_cloud_gives_up_is_a_failure(
    fake: FakeCloud, attempt: FakeAttempt, verb: Verb
) -> None:
    stand = ready(fake, verb)
    broken = stand.go(ends="broken")
    with pytest.raises(StepFailed, match=f"{NAME} is left {broken}"):
        perform(planned(fake, verb), fake.account(), attempt)


@pytest.mark.long
@each(TASKS)
def test_what_never_ends_is_told_as_not_known(fake: FakeCloud, clock: Clock, verb: Verb) -> None:
    ready(fake, verb).go(seconds=None)
    # Each wait takes longer than it should, as on a busy machine: that makes fewer of them.
    attempt = FakeAttempt(wait=lambda seconds, **how: clock.wait(20 * seconds, **how))
    patient = {"hard_after": "1d"} if verb.escalate else {}
    with pytest.raises(UnknownOutcome, match=f"{NAME} is still"):
        perform(planned(fake, verb, **patient), fake.account(), attempt)
    assert attempt.said, "progress is told meanwhile"


@each([verb for verb in VERBS if verb.tasks and not verb.record])
def test_what_the_cloud_drops_without_a_word_is_noticed(
    fake: FakeCloud, attempt: FakeAttempt, verb: Verb
) -> None:
    ready(fake, verb).go(task=False)
    with pytest.raises(StepFailed, match=f"{NAME} is left "):
        perform(planned(fake, verb), fake.account(), attempt)


@each([verb for verb in VERBS if verb.undo])
def test_it_is_taken_back_once(fake: FakeCloud, attempt: FakeAttempt, verb: Verb) -> None:
    ready(fake, verb)
    step = planned(fake, verb)
    perform(step, fake.account(), attempt)
    take_back(step, fake.account(), attempt)
    take_back(step, fake.account(), attempt)
    assert is_there(fake, NAMED[str(verb.undo)])
    assert len(fake.changes) == 2


@each(VERBS)
def test_a_thing_that_is_gone_is_a_failure_unless_it_was_to_go(
    fake: FakeCloud, attempt: FakeAttempt, verb: Verb
) -> None:
    stand = ready(fake, verb)
    step = planned(fake, verb)
    stand.remove()
    if verb.gone:
        assert perform(step, fake.account(), attempt)["said"] == f"{NAME} is gone"
    else:
        with pytest.raises(StepFailed, match=f"{NAME} is gone"):
            perform(step, fake.account(), attempt)


# -- the tables --------------------------------------------------------------------------------


@each(VERBS)
def test_a_row_is_sound(verb: Verb) -> None:
    assert verb.name.startswith(f"{SUBJECT[verb.name].name}.")
    assert verb.undo is None or verb.undo in NAMED
    assert set(verb.others) <= set(verb.options.__struct_fields__)
    assert verb.claims <= set(verb.others)
    assert verb.begins is not None or not verb.tasks, "what takes time begins in a state"

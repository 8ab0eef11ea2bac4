"""The algebra of resume: wherever a run is broken off, it comes to what it would have come to."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from state.journal import Journal
from state.schema import runs as runs_table
from state.store import Store
from support.runs import House, new_state, toy_house
from support.sample_runbooks import WORLD, Fault, World

NAMES = "abcdef"
FAULTS: list[Fault] = ["lost", "dropped", "busy", "bug_after", "failed", "refused"]


@st.composite
def plans(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Plans of a few stages over distinct things, some in a child run."""
    names = list(draw(st.permutations(NAMES)))
    stages: list[dict[str, Any]] = []
    while names:
        many = draw(st.integers(1, min(3, len(names))))
        on_failure = draw(st.sampled_from(["stop", "continue"]))
        stage: dict[str, Any] = {
            "do": "paint",
            "to": [names.pop() for _ in range(many)],
            # What has begun beside a step that fails is a matter of moments.
            "at_most": draw(st.integers(1, 2)) if on_failure == "continue" else 1,
            "on_failure": on_failure,
        }
        stages.append({"run": [stage]} if draw(st.integers(0, 3)) == 0 else stage)
    return stages


# One a thing: a break can use a passing fault up before it does anything, and a lasting one that
# stood behind it would then befall a later try instead.
faults = st.dictionaries(
    st.sampled_from(NAMES), st.lists(st.sampled_from(FAULTS), min_size=1, max_size=1), max_size=3
)
# How many writes each process gets to make before it is gone.
breaks = st.lists(st.integers(1, 25), max_size=4)


class Gone(BaseException):
    """The process ends here."""


def broken_off(writes: int) -> Any:
    """Let everything fail from the ``writes``-th write on, as if the process were gone."""
    left = [writes]

    def at(where: str) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Gone

    return at


def ask(house: House, name: str, at: Any, **parameters: Any) -> dict[str, Any] | None:
    """Dispatch in this process, which is gone for the journal and the world at some write."""
    originals = {}
    watched = ("take", "claim", "store_plan", "begin_attempt", "end_attempt", "set_step", "finish")
    for method in watched:
        originals[method] = getattr(Journal, method)

        def around(self: Any, *args: Any, _do: Any = originals[method], **more: Any) -> Any:
            at("journal")
            return _do(self, *args, **more)

        setattr(Journal, method, around)
    World.pause = staticmethod(at)  # type: ignore[assignment]
    try:
        return house.ask(name, **parameters)[1]
    except Gone:
        return None
    finally:
        for method, original in originals.items():
            setattr(Journal, method, original)
        World.pause = staticmethod(lambda where: None)  # type: ignore[assignment]


def expire(house: House) -> None:
    """Let every lease end, as time would."""
    store = Store(house.state_url)
    with store.transaction() as tx:
        tx.execute(update(runs_table).values(lease_until=1.0))
    store.close()


def to_the_end(house: House, stages: list[dict[str, Any]], breaks: list[int]) -> str:
    """Start, and go on after each break, until there is an end; return the state of the run."""
    for writes in [*breaks, 10_000, 10_000, 10_000]:
        with house.journal() as journal:
            found = [run for run in journal.recent(limit=9) if run.plan is not None]
        unfinished = [run for run in found if run.state in ("running", "interrupted")]
        if found and not unfinished:
            return found[0].state
        if unfinished:
            ask(house, "run.resume", broken_off(writes), run=unfinished[0].id)
        else:
            ask(house, "toy.work", broken_off(writes), stages=stages)
        expire(house)
    with house.journal() as journal:
        return journal.recent(limit=1)[0].state


@pytest.mark.long
@settings(
    max_examples=int(os.environ.get("RESUME_EXAMPLES", "5")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(plans(), faults, breaks)
def test_breaks_change_nothing(
    stages: list[dict[str, Any]], faults: dict[str, list[Fault]], breaks: list[int]
) -> None:
    told: list[tuple[str, Counter[str]]] = []
    for points in ([], breaks):
        with toy_house(**faults) as (house, world):
            os.environ[WORLD] = str(world.path)
            state = to_the_end(house, stages, points)
            told.append((state, world.effects))
            with house.journal() as journal:
                ended = journal.recent(limit=9)[0].id
                assert journal.claims_of(ended) == []
            assert all(times == 1 for times in world.effects.values()), world.effects
    straight, broken = told
    assert broken == straight


def test_new_state_is_empty(tmp_path: Any) -> None:
    url = new_state(tmp_path / "state.db")
    store = Store(url)
    assert Journal(store).recent(limit=1) == []
    store.close()

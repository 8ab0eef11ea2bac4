"""Plans and steps as data."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support import sample_runbooks as toys
from workflow_api import Attempt, Duration, Plan, Ref, Refused, step
from workflow_api.ref import as_plain, as_stored, references, resolve

Yard = toys.Yard


@step("test_workflow_api_plan.fetch", "fetch {what[name]} for {whom}", key="{what[id]}")
def fetch(yard: Yard, what: dict[str, Any], whom: str = "ann", wait: float = 0) -> dict[str, Any]:
    """Fetch something."""
    return {"id": "x"}


def small() -> Plan:
    plan = Plan("Paint")
    first = plan.add(toys.paint, undo="on_cancel", name="a")
    plan.each(toys.paint, [{"name": n, "color": first["color"]} for n in "bc"], at_most=2)
    plan.leave("d", "it is protected")
    plan.skip("e", "it is green")
    plan.note("It takes a day.")
    plan.bind({"yard": "home"})
    return plan


def test_a_plan_is_read_back_as_it_was_stored() -> None:
    stored = json.loads(json.dumps(small().as_data()))
    assert Plan.from_data(stored).as_data() == small().as_data()
    assert small().differences(Plan.from_data(stored)) == []
    assert stored["stages"][0]["steps"][0] == {
        "key": "toys.paint:a",
        "name": "toys.paint",
        "sentence": "paint a green",
        "data": {"name": "a"},
        "accounts": {"yard": "home"},
        "version": 1,
        "changes": True,
        "undo": "on_cancel",
    }
    assert stored["stages"][1]["steps"][0]["data"]["color"] == {
        "$result": ["toys.paint:a", "color"]
    }
    with pytest.raises(ValueError, match="plan format 99 is not 1"):
        Plan.from_data({**stored, "format": 99})


def changed(change: Callable[[Plan], Any]) -> Plan:
    plan = Plan.from_data(json.loads(json.dumps(small().as_data())))
    change(plan)
    return plan


FIRST = "planned otherwise: paint a green"
OTHERS = [f"planned otherwise: paint {name} <toys.paint:a.color>" for name in "bc"]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda p: p.stages[1].steps.reverse(), []),
        (lambda p: setattr(p.stages[0].steps[0], "sentence", "other words"), []),
        (lambda p: p.stages[1].steps.pop(), ["no longer planned: paint c <toys.paint:a.color>"]),
        (lambda p: p.stages[0].steps[0].data.update(color="red"), [FIRST]),
        (lambda p: setattr(p.stages[0].steps[0], "undo", "never"), [FIRST]),
        (lambda p: setattr(p.stages[0].steps[0], "version", 2), [FIRST]),
        (lambda p: setattr(p.stages[0].steps[0], "name", "toys.sweep"), [FIRST]),
        (lambda p: p.stages[0].steps[0].accounts.update(yard="far"), [FIRST]),
        (lambda p: setattr(p.stages[1], "at_most", 1), OTHERS),
        (lambda p: setattr(p.stages[1], "on_failure", "continue"), OTHERS),
        (lambda p: p.stages.reverse(), [FIRST, *OTHERS]),
        (lambda p: p.where.append("cloud far"), ["planned for no cloud, and now for cloud far"]),
        (lambda p: p.add(toys.sweep, name="z"), ["newly planned: sweep z"]),
    ],
)  # fmt: skip
def test_differences(change: Callable[[Plan], Any], found: list[str]) -> None:
    assert small().differences(changed(change)) == found


def test_all_reasons_at_once() -> None:
    with pytest.raises(Refused) as refused:
        Plan("Paint").refuse(["it rains", "the \x1b[31mpaint\x1b[0m is old"], advice="Wait.")
    assert refused.value.reasons == ["it rains", "the paint is old"]
    assert str(refused.value) == "Paint is refused: it rains; the paint is old. Wait."
    Plan("Paint").refuse([])


USES: list[Callable[[Ref], object]] = [
    str, bool, len, iter, int, float, hash, list,
    lambda ref: f"{ref}", lambda ref: f"{ref:>5}", lambda ref: f"{ref['id']}",
    lambda ref: ref == "x", lambda ref: ref != "x", lambda ref: ref < 1, lambda ref: ref >= 1,
    lambda ref: "x" in ref, lambda ref: ref + "x", lambda ref: "x" + ref,
    lambda ref: not ref, lambda ref: {ref: 1}, lambda ref: [1, 2][ref], lambda ref: ref in ["x"],
]  # fmt: skip


@pytest.mark.parametrize("use", USES, ids=range(len(USES)))
def test_a_reference_cannot_be_used_while_planning(use: Callable[[Ref], object]) -> None:
    with pytest.raises(TypeError, match="known only when the plan runs"):
        use(Ref("network", ("id",)))


def test_a_reference_is_of_this_plan() -> None:
    other = Plan("Other").add(toys.paint, name="a")
    with pytest.raises(ValueError, match=r"refers to toys\.paint:a, which is no step"):
        Plan("Paint").add(toys.paint, name="b", color=other["color"])


def test_a_sentence_shows_references_and_defaults() -> None:
    plan = small()
    ref = next(iter(plan.each(toys.paint, [{"name": "z"}])))
    plan.add(fetch, what=ref)
    assert [s.sentence for s in plan.steps()][-1] == "fetch <toys.paint:z.name> for ann"


@pytest.mark.parametrize(
    ("what", "said"),
    [
        (lambda p: p.add(toys.paint, name="a"), "two steps of the plan have the key toys.paint:a"),
        (lambda p: p.add(toys.knock, name="z", undo="on_cancel"), "registered without undo"),
        (lambda p: p.add(toys.paint, name="z", undo="perhaps"), "undo is one of never"),
        (lambda p: p.each(toys.paint, [], at_most=0), "at_most is at least 1"),
        (lambda p: p.each(toys.paint, [], on_failure="retry"), "on_failure is stop or continue"),
        (lambda p: p.add(toys.paint), "missing a required argument: 'name'"),
        (lambda p: p.add(toys.paint, name="z", nome="z"), "unexpected keyword argument 'nome'"),
        (lambda p: p.add(toys.paint, name={1, 2}), "plain JSON, not set"),
        (lambda p: p.add(toys.paint, name=b"x"), "plain JSON, not bytes"),
        (lambda p: p.add(toys.paint, name="z", seconds=float("nan")), "plain JSON, not float"),
        (lambda p: p.add(small), "is not a step: decorate it"),
        (lambda p: (p.add(toys.sweep, name="y"), p.bind({})), "takes the account 'yard'"),
    ],
)  # fmt: skip
def test_what_a_plan_does_not_take(what: Callable[[Plan], Any], said: str) -> None:
    with pytest.raises((ValueError, TypeError), match=said):
        what(small())


def test_what_a_step_cannot_be() -> None:
    def reads(attempt: Attempt, nome: str) -> None: ...

    for sentence, find, said in (
        ("paint {nome}", None, "has no data {nome}"),
        ("paint {yard}", None, "has no data {yard}"),
        ("paint {name}", reads, "asks for 'nome'"),
    ):
        with pytest.raises(TypeError, match=said):

            @step("test_workflow_api_plan.odd", sentence, find=find)
            def odd(yard: Yard, name: str) -> None: ...


def test_a_title_is_safe_to_print() -> None:
    assert Plan("Paint \x1b[31mit").title == "Paint it"


def test_a_long_key_fits_the_journal_and_stays_its_own() -> None:
    plan = Plan("Paint")
    plan.each(toys.paint, [{"name": "x" * 400 + end} for end in "ab"])
    keys = [s.key for s in plan.steps()]
    assert len(set(keys)) == 2
    assert {len(key) for key in keys} == {255}


def test_a_childs_parameters_are_those_of_its_action() -> None:
    plan = Plan("Both")
    ref = plan.add(toys.paint, name="a")
    plan.run("toy.work", wait=Duration.parse("1h30m5s"), thing=ref["id"], to=["x"], none=None)
    (child,) = list(plan.steps())[1:]
    assert child.sentence == "run toy.work wait=1h30m5s thing=<toys.paint:a.id> to=['x']"
    assert child.data["parameters"] == {
        "wait": "1h30m5s",
        "thing": {"$result": ["toys.paint:a", "id"]},
        "to": ["x"],
    }
    assert (plan.changes(), child.is_child) == (1, True)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(
        st.text() | st.sampled_from(["$result", "$literal"]), inner),
    max_leaves=10,
)  # fmt: skip


@given(json_values)
def test_data_is_never_taken_for_a_reference(value: Any) -> None:
    stored = json.loads(json.dumps(as_stored(value)))
    assert references(stored) == []
    assert resolve(stored, {}) == value
    assert as_plain(value) == value


def test_references_are_resolved_wherever_they_stand() -> None:
    data = as_stored({"one": Ref("k")["id"], "many": [Ref("k"), {"x": Ref("k")["list"][1]}]})
    assert references(data) == ["k", "k", "k"]
    result = {"id": 7, "list": ["a", "b"]}
    assert resolve(data, {"k": result}) == {"one": 7, "many": [result, {"x": "b"}]}
    with pytest.raises(KeyError):
        resolve(data, {"k": {}})

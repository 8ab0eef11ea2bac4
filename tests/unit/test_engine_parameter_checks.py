"""The door that parameters come in by: what the common ones mean, and what no parameter may be."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from msgspec import Meta

from common.redaction import Redactor
from engine.dispatch import dispatch
from engine.parameter_checks import admit
from support.runs import House, toy_house
from support.sample_runbooks import WORLD, World
from workflow_api import Context, Table, UserError, workflow
from workflow_api.parameters import Name, Names

A = {"do": "paint", "to": ["a"]}
SECRET = "correct-horse"
ODD: list[Any] = [
    None,
    "",
    0,
    1,
    0.0,
    [],
    {},
    "0",
    "no",
    "False!",
    "ja",
    [False],
    math.nan,
    "x" * 999,
]


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[House, World]]:
    with toy_house() as (house, world):
        monkeypatch.setenv(WORLD, str(world.path))
        yield house, world


@pytest.mark.parametrize("dry_run", ODD, ids=lambda value: repr(value)[:10])
def test_what_is_not_clearly_false_is_a_dry_run(place: tuple[House, World], dry_run: Any) -> None:
    house, world = place
    kind, _ = house.work(A, dry_run=dry_run)
    assert (kind in ("done", "refused"), dict(world.effects)) == (True, {})


def test_a_run_that_is_not_told_is_a_dry_run() -> None:
    assert admit({}, lambda value: False).dry_run
    assert not admit({"dry_run": False}, lambda value: False).dry_run
    assert not admit({"dry_run": "false"}, lambda value: False).dry_run


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"deadline": []}, "deadline is a number of seconds or a duration, not []."),
        ({"deadline": "soon"}, "deadline is a number of seconds or a duration, not 'soon'."),
        ({"deadline": True}, "deadline is a number of seconds or a duration, not True."),
        ({"deadline": -5}, "deadline is a number of seconds or a duration, not -5."),
        ({"deadline": math.inf}, "deadline is not a finite number."),
        ({"deadline": "inf"}, "deadline is a number of seconds or a duration, not 'inf'."),
        ({"max_changes": True}, "max_changes is a whole number, not 'True'."),
        ({"max_changes": "3"}, "max_changes is a whole number, not '3'."),
        ({"max_changes": -1}, "max_changes is a whole number, not '-1'."),
        ({"max_changes": 2**40}, "max_changes is a whole number"),
        ({"max_parallel": 0}, "max_parallel is a whole number from 1 to 1000, not 0."),
        ({"ticket": {"a": 1}}, "ticket is a text, not {'a': 1}."),
        ({"ticket": "x" * 300}, "ticket is one line of at most 255 characters."),
        ({"ticket": "a\nb"}, "ticket is one line of at most 255 characters."),
        ({"trigger_id": "x" * 70}, "trigger_id is one line of at most 64 characters."),
        ({"requested_by": 5}, "requested_by is a text, not 5."),
        ({"output": ["csv"]}, "output is one of text, markdown, html, csv, json, not ['csv']."),
        ({"output_file": 3}, "output_file must be an absolute path, not 3."),
        ({"note": "a\0b"}, "note holds a NUL character"),
        ({"note": ["\ud83d"]}, "note holds half a character (a surrogate)"),
        ({"note": "x" * 70_000}, "note is 70000 characters long; 65000 is the most."),
        ({"note": list(range(20_000))}, "note holds more than 10000 values."),
        ({"note": [[0] * 6_000] * 2}, "note holds more than 10000 values."),
        ({"note": 10**30}, "note is too large a number."),
        ({"a\nb": 1}, "'a b' is not the name of a parameter."),
    ],
)  # fmt: skip
def test_what_no_parameter_may_be(given: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as refused:
        admit(given, lambda value: False)
    assert said in str(refused.value)
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("x" * 256, "what takes names of at most 255 characters, not 256. Nothing was done."),
        (["a", "b\x1b[2J"], "what takes names of one line"),
        ("\N{ROCKET}", "Give the id instead."),
    ],
)
@pytest.mark.parametrize("kind", [Name, Name | None, Names, Annotated[Name, Meta(min_length=1)]])
def test_what_no_name_may_be(kind: Any, value: Any, said: str) -> None:
    """Whatever the parameter is called: its type says that it names something."""

    def tell(ctx: Context, what: Any, *, other: Any = None) -> Table:
        """Do nothing."""
        raise AssertionError("not to be called")

    tell.__annotations__ |= {"what": kind, "other": Any, "ctx": Context, "return": Table}
    workflow("toy.tell")(tell)
    kind_, result = dispatch("toy.tell", {"what": value, "other": value}, {})
    assert (kind_, said in f"{result['summary']}") == ("refused", True), result


def test_nothing_is_nested_without_an_end() -> None:
    deep: Any = "x"
    for _ in range(20):
        deep = [deep]
    admit({"note": deep}, lambda value: False)
    for more in (1, 5000):
        for _ in range(more):
            deep = [deep]
        with pytest.raises(UserError, match="note is nested more than 20 deep"):
            admit({"note": deep}, lambda value: False)


@pytest.mark.parametrize("name", [5, None, [], {"a": 1}, "", "x" * 70_000, "\ud83d.a"], ids=repr)
def test_what_is_no_name_of_a_workflow_is_refused(name: Any) -> None:
    kind, result = dispatch(name, {}, {})
    assert (kind, "is not a workflow's name" in result["summary"]) == ("refused", True)
    assert len(result["summary"]) < 200


@pytest.mark.parametrize(
    "value",
    [
        SECRET,
        f"see {SECRET[:7]}\n{SECRET[7:]}",
        [{"a": SECRET}],
        {SECRET: 1},
        {"password": "anything"},
        "https://me:hunter2@db/",
    ],
)
def test_a_secret_is_refused_in_any_parameter_and_not_repeated(value: Any) -> None:
    redactor = Redactor({"clouds": [{"auth": {"password": SECRET}}]})
    for name in ("note", "server", "ticket", "output_file", "dry_run", "requested_by"):
        with pytest.raises(UserError, match=f"{name} (holds a secret|takes names)") as refused:
            admit({name: value}, redactor.knows)
        assert SECRET not in str(refused.value)


def test_a_refused_secret_is_not_stored(place: tuple[House, World]) -> None:
    house, world = place
    account = {"name": "m", "host": "h", "sender": "a@b.org", "user": "u", "password": SECRET}
    config = {**house.config, "smtp_accounts": [account]}
    for dry_run in (True, False):
        asked = {"stages": [A], "ticket": f"as {SECRET} says", "dry_run": dry_run}
        kind, result = dispatch("toy.work", asked, config)
        assert (kind, "ticket holds a secret" in result["summary"]) == ("refused", True)
        assert SECRET not in json.dumps(result)
    with house.journal() as journal:
        assert journal.recent(limit=5) == []
    assert dict(world.effects) == {}


def test_a_name_that_was_left_empty_was_not_given(place: tuple[House, World]) -> None:
    house, _ = place
    kind, result = house.ask("run.show", run="  ")
    assert (kind, result["summary"]) == ("refused", "run.show needs run.")

"""Groups of child runs: drawn with their parent, side by side, capped, stopped, resumed, undone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from support.runs import House, toy_house
from support.sample_runbooks import WORLD, World


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[House, World]]:
    with toy_house() as (house, world):
        monkeypatch.setenv(WORLD, str(world.path))
        yield house, world


@pytest.fixture
def house(place: tuple[House, World]) -> House:
    return place[0]


@pytest.fixture
def world(place: tuple[House, World]) -> World:
    return place[1]


def group(*rows: Any, **more: Any) -> dict[str, Any]:
    return {"rows": list(rows), "at_most": 4, **more}


def most_at_once(house: House, groups: dict[str, str]) -> Counter[str]:
    """Return how many rows of each group, and of all (""), went on at once, as was reported."""
    busy: Counter[str] = Counter()
    most: Counter[str] = Counter()
    for line in house.reporter.lines:
        verb, _, rest = line.partition(" row ")
        name = rest.partition(":")[0]
        if name not in groups:
            continue
        change = 1 if verb == "start" else -1
        for one in {"", groups[name]}:
            busy[one] += change
            most[one] = max(most[one], busy[one])
    return most


def test_a_dry_run_shows_what_was_drawn_and_counts_all_of_it(house: House, world: World) -> None:
    kind, result = house.work(group("a", "b"), dry_run=True)
    assert kind == "done"
    assert "2 steps, 2 changes" in result["summary"]
    assert "paint a green" in result["text"]
    assert [row["row"] for row in result["rows"] if "row" in row] == [1, 2]
    assert not world.effects


def test_max_changes_counts_all_children_before_anything_is_done(
    house: House, world: World
) -> None:
    kind, result = house.work(group("a", "b", "c"), max_changes=2)
    assert kind == "refused"
    assert "it would make 3 changes and max_changes is 2" in result["text"]
    assert not world.effects


def test_a_drawn_child_is_not_drawn_again(
    house: House, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[str] = []
    monkeypatch.setattr(World, "pause", staticmethod(drawn.append))
    assert house.work(group("a", "b"))[0] == "done"
    assert drawn.count("claimed") == 3  # the parent and two children, each once


def test_an_old_plan_is_drawn_again_when_it_is_reached(
    house: House, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[str] = []
    monkeypatch.setattr("engine.children._FRESH", 0.0)
    monkeypatch.setattr(World, "pause", staticmethod(drawn.append))
    assert house.work(group("a", "b"))[0] == "done"
    assert drawn.count("claimed") == 5
    assert world.effects == {"paint a": 1, "paint b": 1}


@pytest.mark.long
def test_many_children_go_on_at_once_and_of_a_group_never_more_than_its_cap(
    house: House, world: World
) -> None:
    groups = {name: "x" if name in "abcd" else "y" for name in "abcdefgh"}
    rows = [[name, of] for name, of in groups.items()]
    kind, result = house.work(group(*rows, at_most_per=2, data={"seconds": 0.1}))
    assert kind == "done"
    assert dict(world.effects) == {f"paint {name}": 1 for name in groups}
    assert most_at_once(house, groups) == {"": 4, "x": 2, "y": 2}
    assert [row["said"] for row in result["rows"]] == [f"{name} is green" for name in groups]


@pytest.mark.long
def test_what_has_no_group_is_not_capped(house: House, world: World) -> None:
    rows = dict.fromkeys("abcd", "")
    assert house.work(group(*rows, at_most_per=1, data={"seconds": 0.1}))[0] == "done"
    assert most_at_once(house, rows)[""] == 4


@pytest.mark.parametrize(("on_failure", "painted"), [("continue", "acde"), ("stop", "a")])
def test_a_failed_child_ends_the_group_or_does_not(
    monkeypatch: pytest.MonkeyPatch, on_failure: str, painted: str
) -> None:
    with toy_house(b=["failed"]) as (house, world):
        monkeypatch.setenv(WORLD, str(world.path))
        kind, result = house.work(group(*"abcde", at_most=1, on_failure=on_failure))
        assert kind == "failed"
        assert dict(world.effects) == {f"paint {name}": 1 for name in painted}
        states = [row["state"] for row in result["rows"]]
        assert states.count("failed") == 1
        assert states.count("done") == len(painted)
        (failed,) = result["failed"]
        assert (failed["row"], failed["error"]) == (2, "b is too wet.")


def test_what_is_done_by_children_is_undone_with_the_parent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with toy_house(c=["failed"]) as (house, world):
        monkeypatch.setenv(WORLD, str(world.path))
        kind, _ = house.work(group(*"abc", at_most=1, undo="on_failure"))
        assert kind == "failed"
        assert world.effects == {"paint a": 1, "paint b": 1, "strip a": 1, "strip b": 1}


def test_a_stored_group_is_the_same_when_it_is_read_back(house: House) -> None:
    run = house.work(group(["a", "x"], at_most_per=3), dry_run=True)[1]["run"]
    stage = house.run(run).plan["stages"][0]
    assert stage["at_most_per"] == 3
    assert stage["steps"][0]["group"] == "x"
    assert house.ask("run.apply", run=run)[0] == "done"

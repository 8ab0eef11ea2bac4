"""The engine agrees with the oracle on queries of every verb and depth, wherever it runs."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from query_api.execution.query import Query, query
from query_api.language.conditions import All, Condition, test
from query_api.language.grouping import Group, Range
from support.oracle import Question, answer
from support.oracle_rows import Row, World
from support.sampling import examples
from support.synthetic import registered
from support.synthetic_cloud import SyntheticCloud
from support.synthetic_questions import FITS, NOW, ROWS, asking, questions
from support.synthetic_worlds import gone, worlds

ZONES = ("UTC", "Asia/Tokyo", "America/New_York")
OPERATORS = sorted({operator for operators in FITS.values() for operator in operators})
# The same worlds and queries each time, unless somebody wants more: ORACLE_WORLDS=1000.
MORE = int(os.environ.get("ORACLE_WORLDS", "0"))
how = settings(
    derandomize=not MORE,
    database=None,
    deadline=None,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),  # a busy machine is no slow test
)


@pytest.fixture(autouse=True, scope="module")
def _synthetic() -> Iterator[None]:
    with registered():
        yield


@contextmanager
def zone(name: str) -> Iterator[None]:
    """Be in a time zone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", name)
        time.tzset()
        yield
    time.tzset()


@st.composite
def clouds(draw: st.DrawFn) -> list[SyntheticCloud]:
    """Return one cloud, or two."""
    found = []
    for number in range(draw(st.sampled_from((1, 1, 2)))):
        page = draw(st.sampled_from((1, 2, 3, 1000)))
        again = draw(st.integers(0, min(page - 1, 2)))
        name = f"cloud-{number}"
        found.append(
            SyntheticCloud(name, draw(worlds()), page=page, again=again, gone=draw(gone()))
        )
    return found


def engine(question: Question) -> Query:
    """Return a question as the engine is asked it."""
    name, condition = question.stages[0]
    made = query(name).where(condition)
    for link, condition in question.stages[1:]:
        made = made.then(link).where(condition)
    for path, ranges in question.groups.items():
        made = made.group_by(Group(path, tuple(Range(*one) for one in ranges)))
    for function, path in question.aggregates:
        made = made.aggregate(function, path)
    for link, names in question.append:
        made = made.append_from(link, *names)
    made = made.select(*question.select).sort_by(*question.sort_by)
    made = made.distinct() if question.distinct else made
    return made if question.limit is None else made.limit(question.limit)


def settled(question: Question) -> Question:
    """Return a question that leaves nothing open: its rows are sorted to the end."""
    if question.aggregates:
        sorted_by = [text.removeprefix("-") for text in question.sort_by]
        # Groups that nothing is said of are in the order of their values.
        more = [path for path in question.groups if path not in sorted_by] if sorted_by else []
    elif question.stages[-1][0] in ("event", "events"):
        more = ["thing_id", "what", "at", "took", "cloud"]
    else:
        more = ["id", "cloud"]
    return replace(question, sort_by=(*question.sort_by, *more))


def agree(question: Question, clouds: list[SyntheticCloud], *, narrow: bool) -> None:
    """Check the engine's whole answer against the oracle's."""
    expected = answer(question, {cloud.name: cloud.world for cloud in clouds}, ROWS)
    found = engine(question).run(clouds, now=NOW, narrow=narrow)
    assert found.reasons == []
    assert [(column.name, column.kind) for column in found.columns] == expected[0]
    assert found.rows == expected[1]


def agree_but_for_order(question: Question, clouds: list[SyntheticCloud]) -> None:
    """Check an answer whose rows come as requests are answered: a limit keeps any of them."""
    worlds = {cloud.name: cloud.world for cloud in clouds}
    all_rows = answer(replace(question, limit=None), worlds, ROWS)[1]
    found = engine(question).run(clouds, now=NOW).rows
    most = len(all_rows) if question.limit is None else question.limit
    assert len(found) == min(most, len(all_rows))
    assert not Counter(map(repr, found)) - Counter(map(repr, all_rows))


@pytest.mark.long
@settings(how, max_examples=MORE or examples(25))
@given(st.lists(questions(), min_size=4, max_size=4), clouds(), st.sampled_from(ZONES))
def test_engine_and_oracle_agree(
    asked: list[Question], clouds: list[SyntheticCloud], place: str
) -> None:
    with zone(place):
        for question in asked:
            # Events are read thing by thing, in the order in which these are asked for.
            by_request = question.stages[-1][0] in ("event", "events")
            agree(settled(question) if by_request else question, clouds, narrow=False)
            agree(settled(question), clouds, narrow=True)
            if not (question.sort_by or question.groups or question.aggregates):
                agree_but_for_order(question, clouds)
            engine(question).explain(now=NOW)


@pytest.mark.parametrize("operator", OPERATORS)
@settings(how, max_examples=(MORE + 9) // 10 or 2)
@given(data=st.data(), clouds=clouds(), place=st.sampled_from(ZONES))
def test_they_agree_on_each_operator(
    operator: str, data: st.DataObject, clouds: list[SyntheticCloud], place: str
) -> None:
    conditions: list[tuple[str, Condition]] = data.draw(
        st.lists(asking(operator), min_size=4, max_size=4)
    )
    with zone(place):
        for name, condition in conditions:
            question = settled(Question([(name, condition)]))
            agree(question, clouds, narrow=False)
            agree(question, clouds, narrow=True)


def thing(number: int, **row: Any) -> Row:
    return {"id": f"t{number}", **row}


# By hand: what chance comes by too rarely.
WORLD: World = {
    "thing": [
        thing(0, name="web-1", status="ERROR", ip="10.0.0.9", labels={"n": 1}, owner_id="o0"),
        thing(1, name="Web-2", status="ACTIVE", ip="10.0.0.10", labels={"n": True}, load=0.5),
        thing(2, name="db", ip="2001:db8::9", labels={"n": 1}, tags=[], owner_id="o0", load=7),
        thing(3, name="a\nweb-1", status="ERROR", ip="2001:db8::10", labels={"n": 1.5}, tags=["x"]),
        thing(4, created_at="2026-02-28T12:00:00.5", labels={}, owner_id="nobody"),
        thing(5, name="web-1", created_at="2026-02-28T21:00:00+09:00", ip="2001:DB8:0::9"),
    ],
    "owner": [{"id": "o0", "name": "ann", "boss_id": "o1"}, {"id": "o1", "name": "bob"}],
    "part": [
        {"id": f"p{n}", "thing_id": f"t{n % 3}", "size": n, "sound": n == 2} for n in range(5)
    ],
    "pool": [{"id": "q0", "name": "east", "weight": 1.5, "members": ["t1", "t2"]}],
    "event": [{"thing_id": "t5", "what": "made"}, {"thing_id": "t5", "what": "moved"}],
}
GONE = [thing(9, status="GONE", created_at="2026-03-01T00:00:00Z")]
ALL = All(())


@pytest.mark.parametrize(
    "question",
    [
        Question([("thing", ALL)], ["id"], sort_by=["ip"]),
        Question([("thing", ALL)], ["id"], sort_by=["-ip"]),
        Question([("thing", ALL)], groups={"ip": ()}, aggregates=[("count", "")]),
        Question([("thing", ALL)], aggregates=[("min", "ip"), ("max", "ip"), ("count", "tags")]),
        Question([("thing", ALL)], ["labels"], distinct=True),
        Question([("thing", test("name", "matches_regex", "-1$"))], ["name"]),
        Question([("thing", test("name", "matches_regex", "^web"))], ["name"]),
        Question([("thing", test("status", "any_in", "error", "odd"))]),
        Question([("thing", test("status", "starts_with", "act"))]),
        Question([("thing", test("created_at", "younger_than", "30d"))], ["id"]),
        Question([("thing", test("created_at", "younger_than", "30d"))], ["id"], limit=2),
        Question([("thing", test("owner.boss.name", "equal_to", "bob"))], ["id"], limit=2),
        Question([("thing", test("pools.weight", "equal_to", "1.5"))], ["id", "pools.members"]),
        Question([("thing", test("parts.sound", "equal_to", "true"))], ["id", "parts.sound"]),
        Question([("event", ALL)], ["what", "thing.name"], limit=2),
        # Some are in no range, and some have nothing that could be.
        Question([("thing", ALL)], ["id"], groups={"load": [("high", 5, None), ("low", None, 0)]}),
        Question(
            [("thing", ALL)], groups={"load": [("high", 5, None)]}, aggregates=[("count", "")]
        ),
        Question([("thing", ALL)], ["id"], groups={"created_at": [("new", None, "12h")]}),
        Question([("owner", ALL), ("things", ALL), ("parts", ALL)], ["id"], sort_by=["-size"]),
    ],
)
def test_by_hand(question: Question) -> None:
    for page in (1, 2, 1000):
        cloud = SyntheticCloud("cloud", WORLD, page=page, again=min(page - 1, 1), gone=GONE)
        agree(question, [cloud], narrow=False)
        agree(settled(question), [cloud], narrow=True)
        if not (question.sort_by or question.groups or question.aggregates):
            agree_but_for_order(question, [cloud])

"""Matchers as text and as data, and what an Alertmanager of whatever age is told and says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.alertmanager import Alertmanager
from accounts.config import load
from alertmanager_api import alerts, silences
from alertmanager_api.matchers import Matcher, match, parse, written
from alertmanager_api.status import may_silence, status
from common.errors import CloudError, NotFound, UserError
from support.fake_alertmanager import FakeAlertmanager
from support.fake_cloud_http import Answer
from support.fake_cloud_runs import tracing_as

TOMORROW = datetime.now(timezone.utc) + timedelta(days=1)
NIL = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def fake() -> Iterator[FakeAlertmanager]:
    with FakeAlertmanager() as fake:
        yield fake


def account(fake: FakeAlertmanager) -> Alertmanager:
    return Alertmanager.from_config(load({"alertmanagers": [fake.entry]}), None)


def made(fake: FakeAlertmanager, *matchers: Matcher, comment: str = "why") -> str:
    now = datetime.now(timezone.utc)
    with tracing_as(changes=True):
        return silences.create(
            account(fake),
            matchers or (Matcher("a", "b"),),
            begins=now,
            ends=now + timedelta(minutes=59),
            creator="openstack_ops",
            comment=comment,
        )


# -- matchers ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "matchers"),
    [
        ('alertname="HostDown"', [Matcher("alertname", "HostDown")]),
        ("alertname=HostDown", [Matcher("alertname", "HostDown")]),
        ('{ a = "b" , c!="d", }', [Matcher("a", "b"), Matcher("c", "d", is_equal=False)]),
        ('a=~"b|c"', [Matcher("a", "b|c", is_regex=True)]),
        ('a="x",b!~"c{2},d"', [Matcher("a", "x"), Matcher("b", "c{2},d", True, False)]),
        ('a=~"web\\.1"', [Matcher("a", "web\\.1", is_regex=True)]),
        (r'a="\"\\\n"', [Matcher("a", '"\\\n')]),
        ('a="b", a="b"', [Matcher("a", "b")]),
        ('"odd name"="é"', [Matcher("odd name", "é")]),
        ("instance=~cmp-1.*", [Matcher("instance", "cmp-1.*", is_regex=True)]),
    ],
)
def test_matchers_are_read(text: str, matchers: list[Matcher]) -> None:
    assert parse(text) == tuple(matchers)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "There are no matchers"),
        ("{}", "There are no matchers"),
        ("a", "'a' is not understood"),
        ("a=", "'a=' is not understood"),
        ("a=b c=d", "'a=b c=d' is not understood"),
        ('a="b" c="d"', "is not understood"),
        ('a="b", "', "'\"' is not understood"),
        ('a=b"c', "is not understood"),
        ("a==b", "is not understood"),
        ('="b"', "is not understood"),
        ('""="b"', "its name is empty"),
        ('a="\ud800"', "broken character"),
        ('a=~"("', "not a regular expression"),
        ('a="b", c=~"("', "not a regular expression"),
        ('a=~"(?=b)"', "not a regular expression"),
        ('a=~".*"', "an alert without labels would pass"),
        ('a!="b", c=""', "an alert without labels would pass"),
        ("a=" + "b" * 10_000, "at most 10000 characters"),
    ],
)
def test_what_are_no_matchers(text: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        parse(text)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@given(st.lists(st.builds(Matcher, TEXT, TEXT, st.just(False), st.booleans()), max_size=4))
def test_whatever_is_written_is_read_as_it_was(others: list[Matcher]) -> None:
    """No value ends its quotes, whatever is in it."""
    matchers = {Matcher("alertname", "x"), *others}
    assert set(parse(written(matchers))) == matchers


@pytest.mark.parametrize(
    ("text", "labels", "passes"),
    [
        ('a="b"', {"a": "b"}, True),
        ('a="b"', {}, False),
        ('a="b", c!="d"', {"a": "b"}, True),
        ('a="b", c!="d"', {"a": "b", "c": "d"}, False),
        ('a=~"b.*"', {"a": "bcd"}, True),
        ('a=~"b"', {"a": "bcd"}, False),
        ('a="x", b!~"c|d"', {"a": "x", "b": "c"}, False),
        ('a="x", b!~"c|d"', {"a": "x", "b": "cd"}, True),
        ('a=~"b|"', {"a": "b"}, None),
    ],
)
def test_which_alerts_pass(text: str, labels: dict[str, str], passes: bool | None) -> None:
    if passes is None:
        with pytest.raises(UserError):
            parse(text)
    else:
        assert match(parse(text), labels) == passes


# -- silences ----------------------------------------------------------------------------------


def test_a_silence_from_its_begin_to_its_end(fake: FakeAlertmanager) -> None:
    matchers = (Matcher("a", "b"), Matcher("c", "d.*", True, False))
    id = made(fake, *matchers)
    (found,) = silences.listed(account(fake))
    assert (found.id, found.state, found.comment) == (id, "active", "why")
    assert silences.same(found.matchers, reversed(matchers))
    assert abs(found.ends_at - found.starts_at - timedelta(minutes=59)) < timedelta(seconds=5)
    with tracing_as(changes=True):
        assert silences.extend(account(fake), id, TOMORROW) == id
        silences.expire(account(fake), id)
    ended = silences.find(account(fake), id)
    assert ended is not None
    assert ended.has_ended
    with tracing_as(changes=True):
        silences.expire(account(fake), id)
        fake.version = "0.21.0"
        with pytest.raises(CloudError, match="already expired"):
            silences.expire(account(fake), id)


@pytest.mark.parametrize("id", [NIL, "", "..", "../silences", "a/b?c#d", "x" * 500])
def test_ids_that_are_none(fake: FakeAlertmanager, id: str) -> None:
    assert silences.find(account(fake), id) is None
    if id != NIL:
        with tracing_as(changes=True):
            for change in (
                lambda: silences.expire(account(fake), id),
                lambda: silences.extend(account(fake), id, TOMORROW),
            ):
                with pytest.raises(NotFound):
                    change()
        assert fake.requests == []


def test_an_old_version_leaves_out_what_it_does_not_know() -> None:
    with FakeAlertmanager("0.21.0") as old:
        made(old, Matcher("a", "b"))
        assert "isEqual" not in old.ask("/api/v2/silences")[0]["matchers"][0]
        (found,) = silences.listed(account(old))
        assert found.matchers == (Matcher("a", "b", False, True),)


def test_what_a_newer_version_knows_is_kept(fake: FakeAlertmanager) -> None:
    known = fake.silence(annotations={"runbook": "x"}, odd=[1])
    with tracing_as(changes=True):
        silences.extend(account(fake), known["id"], TOMORROW)
    (sent,) = fake.changes
    assert sent.body["annotations"] == {"runbook": "x"}
    assert sent.body["odd"] == [1]
    assert not {"status", "updatedAt"} & set(sent.body)
    assert sent.body["startsAt"] == known["startsAt"]


@pytest.mark.parametrize(
    ("version", "knows"),
    [
        ("0.16.2", False),
        ("0.21.0", False),
        ("0.22.0-rc.1", True),
        ("v0.28.1", True),
        ("1.0.0", True),
        ("(devel)", True),
        ("", True),
    ],
)
def test_versions(fake: FakeAlertmanager, version: str, knows: bool) -> None:
    fake.version = version
    assert status(account(fake)).knows_negative_matchers == knows
    assert status(account(fake)).version == version


def test_what_only_looks_like_it(fake: FakeAlertmanager) -> None:
    """As Mimir's: there is no cluster, and no version."""
    fake.route("GET /api/v2/status", lambda request: Answer({"config": {}}), first=True)
    assert status(account(fake)).knows_negative_matchers


def test_one_that_is_too_old(fake: FakeAlertmanager) -> None:
    fake.fail("/api/v2/status", 404)
    with pytest.raises(CloudError, match=r"not at its url\. Alertmanager 0\.16 or newer"):
        status(account(fake))


@pytest.mark.parametrize(("status", "may"), [(None, True), (400, True), (401, False), (403, False)])
def test_whether_we_may(fake: FakeAlertmanager, status: int | None, may: bool) -> None:
    if status:
        fake.fail("POST", status)
    assert may_silence(account(fake)) == may
    assert fake.silences == {}


# -- alerts ------------------------------------------------------------------------------------


def test_which_alerts_fire(fake: FakeAlertmanager) -> None:
    fake.fire(alertname="HostDown", instance="cmp-2")
    fake.fire("silence-1", alertname="HostDown", instance="cmp-1")
    fake.fire(alertname="CephSlow")
    assert [one.name for one in alerts.firing(account(fake))] == [
        "CephSlow",
        "HostDown",
        "HostDown",
    ]

    (silenced,) = alerts.firing(account(fake), parse("alertname=HostDown, instance=cmp-1"))
    assert silenced.is_suppressed
    assert silenced.silenced_by == ("silence-1",)

    (loud,) = alerts.firing(account(fake), parse("alertname=HostDown"), suppressed=False)
    assert loud.labels["instance"] == "cmp-2"
    assert len(fake.requests) == 3


@pytest.mark.parametrize("answer", [{"a": 1}, [{"labels": 5}], [{}], "x", None])
def test_answers_that_are_none(fake: FakeAlertmanager, answer: Any) -> None:
    fake.route("GET /api/v2/alerts", lambda request: Answer(answer), first=True)
    with pytest.raises(CloudError, match="listing the alerts: the answer was not understood"):
        alerts.firing(account(fake))

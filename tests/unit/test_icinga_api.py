"""Icinga's API as we use it: what is asked, what its answers mean, and what may go wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts import repeating
from accounts.config import load
from accounts.icinga import Icinga
from common.errors import CloudError, RunbookError, UserError
from icinga_api import acknowledgements, downtimes, relations, watched
from icinga_api.downtimes import Downtime, NewDowntime
from icinga_api.patterns import matches
from icinga_api.watched import Wanted
from support.fake_cloud_runs import tracing_as
from support.fake_icinga import FakeIcinga, Thing

HOSTILE = ['x" || true || "', "}}; {{ exit() }}", "*", "\\", "' OR 1=1", "a\nb", "ü\u202e", ""]
NOW = 1_800_000_000.0


@pytest.fixture(autouse=True)
def _brief_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeating, "_backoff", lambda state: 0.01)


@pytest.fixture
def fake() -> Iterator[FakeIcinga]:
    things = [
        Thing("cmp-1"),
        Thing("cmp-1", "nova"),
        Thing("cmp-2", state=1),
        Thing("cmp-2", "nova", state=2, acknowledged=True),
        Thing("cmp-2", "disk", state=1),
        Thing("cmp-3", state=1, checked=False),
        Thing("rack"),
    ]
    parents = [("cmp-1", "rack"), ("cmp-2", "rack"), ("cmp-3", "cmp-2"), ("rack", "cmp-3")]
    with FakeIcinga(things, parents) as fake:
        yield fake


@pytest.fixture
def icinga(fake: FakeIcinga) -> Icinga:
    return fake.account()


@pytest.fixture(autouse=True)
def _changing() -> Iterator[None]:
    with tracing_as(changes=True):
        yield


def new(host: str = "cmp-1", **more: Any) -> NewDowntime:
    given = {"start": NOW, "end": NOW + 60, "author": "openstack_ops", "comment": "patching"}
    return NewDowntime(host=host, **{**given, **more})


# -- accounts ----------------------------------------------------------------------------------


def test_an_account_without_credentials_is_refused() -> None:
    config = load({"icingas": [{"name": "main", "url": "https://icinga.example.org:5665"}]})
    with pytest.raises(UserError, match="neither a user and password nor a cert"):
        Icinga.from_config(config, None)


def test_another_authority_is_not_believed(fake: FakeIcinga) -> None:
    other = {**fake.entry(), "cacert": None}
    account = Icinga.from_config(load({"icingas": [other]}), None)
    with pytest.raises(CloudError, match="Icinga main: listing hosts: the certificate could not"):
        watched.hosts(account)


# -- how things are ----------------------------------------------------------------------------


@pytest.mark.parametrize("filters", [True, False])
@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (Wanted(), ["cmp-1", "cmp-2", "cmp-3", "rack"]),
        (Wanted(hosts=("cmp-2", "cmp-9")), ["cmp-2"]),
        (Wanted(hosts=()), []),
        (Wanted(pattern="CMP-*"), ["cmp-1", "cmp-2", "cmp-3"]),
        (Wanted(states=("DOWN",)), ["cmp-2"]),
        (Wanted(states=("UP", "PENDING")), ["cmp-1", "cmp-3", "rack"]),
        (Wanted(noted=True), ["cmp-2"]),
    ],
)
def test_hosts(
    fake: FakeIcinga, icinga: Icinga, wanted: Wanted, names: list[str], filters: bool
) -> None:
    fake.filters = filters
    assert [one.name for one in watched.hosts(icinga, wanted)] == names


def test_services(icinga: Icinga) -> None:
    found = watched.services(icinga, Wanted(noted=True))
    assert [(one.name, one.state, one.acknowledged) for one in found] == [
        ("cmp-2!disk", "WARNING", False),
        ("cmp-2!nova", "CRITICAL", True),
    ]
    assert {one.output for one in found} == {"as it is"}
    assert watched.services(icinga, Wanted(hosts=())) == []


def test_what_is_in_downtime_is_noted(fake: FakeIcinga, icinga: Icinga) -> None:
    downtimes.schedule(icinga, new())
    found = watched.hosts(icinga, Wanted(noted=True))
    assert [(one.name, one.in_downtime, one.is_problem) for one in found] == [
        ("cmp-1", True, False),
        ("cmp-2", False, True),
    ]


def test_without_the_right_to_filters_bulk_is_not_fetched(fake: FakeIcinga, icinga: Icinga) -> None:
    fake.filters = False
    assert watched.hosts(icinga, Wanted(pattern="cmp-2"))[0].output == ""
    assert "last_check_result" not in fake.requests[-1].body["attrs"]


def test_all_of_it_is_asked_without_a_filter(fake: FakeIcinga, icinga: Icinga) -> None:
    watched.hosts(icinga)
    downtimes.downtimes(icinga)
    assert not any("filter" in request.body for request in fake.requests)


def test_children(icinga: Icinga) -> None:
    found = relations.children(icinga, ["cmp-2", "elsewhere"])
    assert found == {"cmp-2": ["cmp-1", "cmp-3", "rack"], "elsewhere": []}, "a circle ends"


@given(st.text("ab*?", max_size=12), st.text("abAB", max_size=8))
def test_patterns_are_those_of_a_shell(pattern: str, text: str) -> None:
    assert matches(pattern, text) == fnmatchcase(text.lower(), pattern)


def test_a_pattern_of_stars_ends_soon() -> None:
    assert not matches("*a" * 2000 + "b", "a" * 4000)


# -- downtimes ---------------------------------------------------------------------------------


RACK = ["cmp-1", "cmp-1!nova", "cmp-2", "cmp-2!disk", "cmp-2!nova", "rack"]


@pytest.mark.parametrize(
    ("asked", "covered"),
    [
        (new(), ["cmp-1", "cmp-1!nova"]),
        (new(services=False), ["cmp-1"]),
        (new(service="nova"), ["cmp-1!nova"]),
        (new("rack", children="all"), RACK),
        (new("rack", children="triggered", services=False), ["cmp-1", "cmp-2", "rack"]),
    ],
)
def test_what_a_downtime_covers(
    fake: FakeIcinga, icinga: Icinga, asked: NewDowntime, covered: list[str]
) -> None:
    fake.parents = [("cmp-1", "rack"), ("cmp-2", "rack")]
    names = downtimes.schedule(icinga, asked)
    assert fake.covered() == covered
    assert sorted(names) == sorted(fake.downtimes)


def test_a_flexible_downtime_lasts_from_its_problem() -> None:
    common: dict[str, Any] = {
        "name": "cmp-1!x",
        "host": "cmp-1",
        "service": None,
        "start": NOW,
        "end": NOW + 3600,
        "duration": 60.0,
        "author": "",
        "comment": "",
        "configured": False,
    }
    waiting = Downtime(**common, fixed=False, triggered=0)
    begun = Downtime(**common, fixed=False, triggered=NOW + 3000)
    fixed = Downtime(**common, fixed=True, triggered=0)
    assert (waiting.until, begun.until, fixed.until) == (NOW + 3600, NOW + 3060, NOW + 3600)
    at = [NOW - 1, NOW, NOW + 3030, NOW + 3060, NOW + 3600]
    assert [waiting.is_in_effect(now) for now in at] == [False] * 5
    assert [begun.is_in_effect(now) for now in at] == [False, False, True, False, False]
    assert [fixed.is_in_effect(now) for now in at] == [False, True, True, True, False]


def test_a_host_that_is_not_there(icinga: Icinga, fake: FakeIcinga) -> None:
    for nobody in ("cmp-9", "", "*"):
        with pytest.raises(CloudError, match="404: No objects found") as refused:
            downtimes.schedule(icinga, new(nobody))
        assert refused.value.status == 404
    assert fake.downtimes == {}


def test_downtimes_are_found_by_host_and_comment(icinga: Icinga) -> None:
    for host in ("cmp-1", "cmp-2"):
        downtimes.schedule(icinga, new(host, comment=f"run 1 for {host}", services=False))
    downtimes.schedule(icinga, new(comment="run 2"))

    def found(*about: Any, **more: Any) -> list[tuple[str, str]]:
        return [(one.host, one.comment) for one in downtimes.downtimes(icinga, *about, **more)]

    assert len(found()) == 4
    assert found(mark="run 1") == [("cmp-1", "run 1 for cmp-1"), ("cmp-2", "run 1 for cmp-2")]
    assert found(["cmp-1"], mark="run 1") == [("cmp-1", "run 1 for cmp-1")]
    assert found([]) == []


def test_removing_what_is_gone_already(fake: FakeIcinga, icinga: Icinga) -> None:
    names = downtimes.schedule(icinga, new())
    kept = downtimes.schedule(icinga, new("cmp-2"))
    downtimes.remove(icinga, ["cmp-1!gone", *names], "openstack_ops")
    assert sorted(fake.downtimes) == sorted(kept)
    downtimes.remove(icinga, names, "openstack_ops")
    downtimes.remove(icinga, [], "openstack_ops")
    assert sorted(fake.downtimes) == sorted(kept)
    assert all(request.body["downtimes"] for request in fake.asked("remove-downtime"))


def test_nothing_is_sent_for_a_whole_type(icinga: Icinga, fake: FakeIcinga) -> None:
    """A type and no name would mean each host that there is."""
    downtimes.schedule(icinga, new())
    downtimes.schedule(icinga, new(service="nova"))
    downtimes.remove(icinga, list(fake.downtimes), "openstack_ops")
    acknowledgements.acknowledge(icinga, "cmp-2", author="a", comment="c")
    acknowledgements.remove_acknowledgement(icinga, "cmp-2", author="a")
    assert not any("type" in request.body for request in fake.changes)


# -- acknowledgements --------------------------------------------------------------------------


def test_acknowledging(fake: FakeIcinga, icinga: Icinga) -> None:
    acknowledgements.acknowledge(icinga, "cmp-2!disk", author="a", comment="c", expires=NOW)
    assert {"service": "cmp-2!disk", "author": "a", "comment": "c"}.items() <= fake.changes[
        -1
    ].body.items()
    assert "sticky" not in fake.changes[-1].body
    with pytest.raises(CloudError, match="409: cmp-2!disk is already acknowledged"):
        acknowledgements.acknowledge(icinga, "cmp-2!disk", author="a", comment="c")
    acknowledgements.remove_acknowledgement(icinga, "cmp-2!disk", author="a")
    with pytest.raises(CloudError, match="409: rack is UP"):
        acknowledgements.acknowledge(icinga, "rack", author="a", comment="c", sticky=True)


# -- what may go wrong -------------------------------------------------------------------------

CALLS: dict[str, Callable[[Icinga], Any]] = {
    "hosts": watched.hosts,
    "services": watched.services,
    "children": lambda icinga: relations.children(icinga, ["cmp-1"]),
    "downtimes": downtimes.downtimes,
    "acknowledgements": acknowledgements.acknowledgements,
    "schedule": lambda icinga: downtimes.schedule(icinga, new()),
    "remove": lambda icinga: downtimes.remove(icinga, ["cmp-1!x"], "a"),
    "acknowledge": lambda icinga: acknowledgements.acknowledge(
        icinga, "cmp-2", author="a", comment="c"
    ),
}
LISTINGS = ("hosts", "services", "children", "downtimes", "acknowledgements")


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({"status": 401, "body": b"<h1>Unauthorized</h1>"}, "401.*credentials are not accepted"),
        (
            {"status": 403, "body": {"error": 403, "status": "Missing permission: objects/query"}},
            "403: Missing permission: objects/query.*no right",
        ),
        ({"status": 500, "body": {"results": []}}, "500"),
        ({"cut": True}, "no connection"),
    ],
)
def test_refusals_and_lost_answers_are_told(
    fake: FakeIcinga,
    icinga: Icinga,
    call: Callable[[Icinga], Any],
    fault: dict[str, Any],
    says: str,
) -> None:
    fake.fail("/v1/", times=99, **fault)
    with pytest.raises(RunbookError, match=f"Icinga main: .*{says}"):
        call(icinga)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Log in</html>",
        b"[]",
        b"null",
        {"results": None},
        {"results": [None]},
        {"results": "all"},
        b"[" * 100_000,
    ],
)
def test_odd_answers_are_told(
    fake: FakeIcinga, icinga: Icinga, call: Callable[[Icinga], Any], body: Any
) -> None:
    fake.fail("/v1/", 200, times=99, body=body or b" ")
    with pytest.raises(CloudError, match="the answer was not understood") as told:
        call(icinga)
    assert told.value.status is None, "what was sent may have been obeyed"


@pytest.mark.parametrize(
    "attrs", [{}, {"state": "UP"}, {"end_time": "soon"}, {"host_name": 7, "name": 7}]
)
@pytest.mark.parametrize("call", [CALLS[name] for name in LISTINGS], ids=LISTINGS)
def test_odd_objects_are_told(
    fake: FakeIcinga, icinga: Icinga, call: Callable[[Icinga], Any], attrs: dict[str, Any]
) -> None:
    fake.fail("/v1/", 200, times=99, body={"results": [{"name": "x", "attrs": attrs}]})
    with pytest.raises(CloudError, match="the answer was not understood"):
        call(icinga)


def test_a_change_is_sent_once_whatever_comes_back(fake: FakeIcinga, icinga: Icinga) -> None:
    for fault in ({"cut": True, "late": True}, {"status": 500}, {"status": 503}):
        before = len(fake.changes)
        fake.fail("schedule-downtime", **fault)
        with pytest.raises(CloudError):
            downtimes.schedule(icinga, new())
        assert len(fake.changes) == before + 1


@pytest.mark.parametrize("value", HOSTILE)
def test_values_go_apart_from_filters(fake: FakeIcinga, icinga: Icinga, value: str) -> None:
    watched.hosts(icinga, Wanted(hosts=(value,)))
    watched.services(icinga, Wanted(pattern=value, noted=True))
    downtimes.downtimes(icinga, [value], mark=value)
    acknowledgements.acknowledgements(icinga, mark=value)
    fake.things.append(Thing(value))
    downtimes.schedule(icinga, new(value, comment=value, author=value))
    assert fake.down(value)["comment"] == value
    texts = {request.body["filter"] for request in fake.requests if "filter" in request.body}
    assert texts <= CONSTANT
    assert {request.line for request in fake.requests} <= {
        *(f"POST /v1/objects/{kind}" for kind in ("hosts", "services", "downtimes", "comments")),
        "POST /v1/actions/schedule-downtime",
    }


CONSTANT = {
    watched._HOSTS,
    watched._SERVICES,
    downtimes._MARKED,
    acknowledgements._MARKED,
}


def test_a_filter_is_asked_for_once_more_without(fake: FakeIcinga, icinga: Icinga) -> None:
    """Also one that this Icinga's version does not understand, which it answers with 404."""
    fake.fail("objects/hosts", 404, body={"error": 404, "status": "No objects found."})
    assert [one.name for one in watched.hosts(icinga, Wanted(noted=True))] == ["cmp-2"]
    assert fake.count() == 2

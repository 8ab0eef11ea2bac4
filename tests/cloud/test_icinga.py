"""Icinga's API as we use it, against a real Icinga: children, hostile texts, certificates."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from accounts.config import load
from accounts.icinga import Icinga
from common.errors import CloudError
from devcloud.icinga import certificates
from devcloud.monitored import RACK, SERVICE, Monitor
from devcloud.settings import existing
from icinga_api import acknowledgements, downtimes, relations, watched
from icinga_api.downtimes import NewDowntime
from icinga_api.watched import Wanted
from support.fake_cloud_runs import tracing_as
from support.monitoring_runs import done

HOSTILE = [
    'x" || true || "',
    "'); exit(); ('",
    "*",
    "cmp-*",
    "{{ host.name }} $host.name$ ${HOME}",
    "back\\slash / %2F ?a=b&c=d #",
    "ünï\u202e\U0001f600",
]


@pytest.fixture(autouse=True)
def _changing() -> Iterator[None]:
    with tracing_as(changes=True):
        yield


@pytest.fixture
def configured(monitor: Monitor) -> dict[str, Any]:
    whole = yaml.safe_load((existing().state / "openstack_ops.yaml").read_text())
    return {"icingas": whole["icingas"]}


@pytest.fixture
def icinga(configured: dict[str, Any]) -> Icinga:
    return Icinga.from_config(load(configured), None)


@pytest.fixture
def host(monitor: Monitor) -> Iterator[Callable[..., str]]:
    """Return what makes a host of a name, or of any, which is gone after the test."""
    made = []

    def make(name: str = "", parent: str | None = None) -> str:
        made.append(name or f"proof-{uuid.uuid4().hex[:8]}")
        assert monitor.have_host(made[-1], parent)
        return made[-1]

    yield make
    for name in made:
        monitor.remove_host(name)


def new(host: str, **more: Any) -> NewDowntime:
    now = time.time()
    given = {"start": now, "end": now + 600, "author": "openstack_ops", "comment": "patching"}
    return NewDowntime(host=host, **{**given, **more})


def covered(icinga: Icinga, *hosts: str) -> set[str]:
    found = downtimes.downtimes(icinga, hosts)
    return {one.host if one.service is None else f"{one.host}!{one.service}" for one in found}


def test_the_hypervisors_are_watched(icinga: Icinga) -> None:
    computes = existing().compute_hosts
    assert {*computes, RACK} <= {one.name for one in watched.hosts(icinga)}
    found = watched.services(icinga, Wanted(hosts=tuple(computes)))
    assert [one.name for one in found] == [f"{host}!{SERVICE}" for host in sorted(computes)]
    assert set(computes) <= set(relations.children(icinga, [RACK])[RACK])


def test_states_and_names(icinga: Icinga, monitor: Monitor, host: Callable[..., str]) -> None:
    well, ill = host(), host()
    monitor.set_state(ill, "DOWN")
    monitor.set_state(f"{ill}!{SERVICE}", "CRITICAL")
    mine = Wanted(hosts=(well, ill, "elsewhere"))
    assert {one.name: one.state for one in watched.hosts(icinga, mine)} == {well: "UP", ill: "DOWN"}
    (down,) = watched.hosts(icinga, Wanted(hosts=(well, ill), states=("DOWN",)))
    assert (down.name, down.hard, down.output) == (ill, True, "DOWN says devcloud")
    assert abs(down.since - time.time()) < 60
    (critical,) = watched.services(icinga, Wanted(pattern=f"{ill[:-1]}?".upper(), noted=True))
    assert (critical.name, critical.state) == (f"{ill}!{SERVICE}", "CRITICAL")


def test_what_was_never_checked(icinga: Icinga, monitor: Monitor, host: Callable[..., str]) -> None:
    known = host()
    path = f"/objects/services/{known}!new"
    monitor.request("PUT", path, {"attrs": {"check_command": "dummy",
                                            "enable_active_checks": False}})  # fmt: skip
    (found,) = watched.services(icinga, Wanted(hosts=(known,), states=("PENDING",)))
    assert (found.service, found.is_problem) == ("new", False)


@pytest.mark.parametrize(
    ("children", "services", "expected"),
    [
        ("none", False, {"parent"}),
        ("none", True, {"parent", f"parent!{SERVICE}"}),
        ("all", False, {"parent", "child", "grandchild"}),
        ("triggered", True, {name + more for name in ("parent", "child", "grandchild")
                             for more in ("", f"!{SERVICE}")}),
    ],
)  # fmt: skip
def test_services_and_children(
    icinga: Icinga,
    host: Callable[..., str],
    children: downtimes.Children,
    services: bool,
    expected: set[str],
) -> None:
    parent = host()
    child = host(parent=parent)
    grandchild = host(parent=child)
    named = {"parent": parent, "child": child, "grandchild": grandchild}
    names = downtimes.schedule(icinga, new(parent, children=children, services=services))
    wanted = {named[one.partition("!")[0]] + "".join(one.partition("!")[1:]) for one in expected}
    assert covered(icinga, *named.values()) == wanted
    assert sorted(names) == sorted(one.name for one in downtimes.downtimes(icinga, named.values()))
    assert relations.children(icinga, [parent]) == {parent: sorted([child, grandchild])}
    assert watched.hosts(icinga, Wanted(hosts=(parent,)))[0].in_downtime
    downtimes.remove(icinga, names, "openstack_ops")
    assert covered(icinga, *named.values()) == set()


def test_a_flexible_downtime_begins_with_its_problem(
    icinga: Icinga, monitor: Monitor, host: Callable[..., str]
) -> None:
    known = host()
    downtimes.schedule(icinga, new(known, flexible=60.0, services=False))
    (waiting,) = downtimes.downtimes(icinga, [known])
    assert (waiting.fixed, waiting.duration, waiting.triggered) == (False, 60, 0)
    assert not waiting.is_in_effect(time.time())
    monitor.set_state(known, "DOWN")
    (begun,) = downtimes.downtimes(icinga, [known])
    assert begun.is_in_effect(time.time())
    assert begun.until == begun.triggered + 60


@pytest.mark.long
def test_a_downtime_that_is_over_is_gone(icinga: Icinga, host: Callable[..., str]) -> None:
    known = host()
    downtimes.schedule(icinga, new(known, end=time.time() + 1))
    assert covered(icinga, known)
    end = time.monotonic() + 90
    while covered(icinga, known):
        assert time.monotonic() < end
        time.sleep(0.5)


def test_nobody_is_named(icinga: Icinga, host: Callable[..., str]) -> None:
    known = host()
    for nobody in ("", "*", "proof-*", f"{known} ", f'{known}" || true || "'):
        with pytest.raises(CloudError, match="404: No objects found"):
            downtimes.schedule(icinga, new(nobody))
    downtimes.remove(icinga, [], "openstack_ops")
    assert covered(icinga, known) == set()


def test_removing_what_is_gone(icinga: Icinga, host: Callable[..., str]) -> None:
    one, other = host(), host()
    names = downtimes.schedule(icinga, new(one))
    kept = downtimes.schedule(icinga, new(other))
    downtimes.remove(icinga, ["nowhere!x", *names], "openstack_ops")
    downtimes.remove(icinga, names, "openstack_ops")
    found = downtimes.downtimes(icinga, [one, other])
    assert sorted(down.name for down in found) == sorted(kept)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_are_data(icinga: Icinga, host: Callable[..., str], text: str) -> None:
    beside, mark = host(), uuid.uuid4().hex
    named = host(f"proof {mark[:6]} {text}".replace("!", ""))
    names = downtimes.schedule(icinga, new(named, author=text, comment=f"{text} {mark}"))
    assert covered(icinga, beside) == set(), "nothing else is covered"
    for found in (downtimes.downtimes(icinga, [named]), downtimes.downtimes(icinga, mark=mark)):
        assert {(one.host, one.author, one.comment) for one in found} == {
            (named, text, f"{text} {mark}")
        }
    assert downtimes.downtimes(icinga, [beside], mark=text) == []
    assert [one.host for one in watched.hosts(icinga, Wanted(hosts=(named,)))] == [named]
    assert watched.services(icinga, Wanted(hosts=(f'{named}" || true || "',))) == []
    downtimes.remove(icinga, names, text)
    assert covered(icinga, named) == set()


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_filters_are_data(
    icinga: Icinga, monitor: Monitor, host: Callable[..., str], text: str
) -> None:
    """A pattern stands for what it matches, and nothing in it is code."""
    mark = uuid.uuid4().hex
    beside, named = host(), host(f"proof {mark[:6]} {text}".replace("!", ""))
    assert [one.host for one in watched.hosts(icinga, Wanted(pattern=f"*{mark[:6]}*"))] == [named]
    found = {one.host for one in watched.hosts(icinga, Wanted(pattern=text))}
    assert (beside in found) == (text == "*")
    for name in (beside, named):
        monitor.set_state(name, "DOWN")
    acknowledgements.acknowledge(icinga, named, author=text, comment=f"{text} {mark}")
    (made,) = acknowledgements.acknowledgements(icinga, mark=mark)
    assert (made.host, made.author, made.comment) == (named, text, f"{text} {mark}")
    assert acknowledgements.acknowledgements(icinga, mark=f'{mark}" || true || "') == []
    quiet = watched.hosts(icinga, Wanted(hosts=(beside, named)))
    assert {one.host: one.acknowledged for one in quiet} == {beside: False, named: True}
    acknowledgements.remove_acknowledgement(icinga, named, author=text)


def test_acknowledging(icinga: Icinga, monitor: Monitor, host: Callable[..., str]) -> None:
    known, mark = host(), uuid.uuid4().hex
    service = f"{known}!{SERVICE}"
    with pytest.raises(CloudError, match="is UP") as refused:
        acknowledgements.acknowledge(icinga, known, author="ann", comment=mark)
    assert refused.value.status == 409
    monitor.set_state(known, "DOWN")
    monitor.set_state(service, "CRITICAL")
    expires = time.time() + 600
    acknowledgements.acknowledge(icinga, known, author="ann", comment=mark, expires=expires)
    acknowledgements.acknowledge(icinga, service, author="ann", comment=mark, sticky=True)
    with pytest.raises(CloudError, match="already acknowledged"):
        acknowledgements.acknowledge(icinga, known, author="ann", comment=mark)
    found = acknowledgements.acknowledgements(icinga, mark=mark)
    assert {(one.host, one.service, one.author) for one in found} == {
        (known, None, "ann"),
        (known, SERVICE, "ann"),
    }
    assert {round(one.expires) for one in found} == {round(expires), 0}
    (down,) = watched.hosts(icinga, Wanted(hosts=(known,)))
    assert down.acknowledged
    for one in (known, service, known):
        acknowledgements.remove_acknowledgement(icinga, one, author="ann")
    assert acknowledgements.acknowledgements(icinga, mark=mark) == []


def test_problems_are_acknowledged_by_runbooks(
    configured: dict[str, Any], monitor: Monitor, host: Callable[..., str], tmp_path: Path
) -> None:
    config = {**configured, "state_url": f"sqlite:///{tmp_path}/state.db"}
    known = host()
    service = f"{known}!{SERVICE}"
    monitor.set_state(known, "DOWN")
    monitor.set_state(service, "CRITICAL")
    icinga, asked = Icinga.from_config(load(configured), None), {"host": known, "reason": "seen"}
    done(config, "monitoring.acknowledge", **asked, until="59m")
    acknowledgements.acknowledge(icinga, service, author="ann", comment="mine")
    (mine,) = (o for o in acknowledgements.acknowledgements(icinga) if o.service is None)
    assert mine.expires == pytest.approx(time.time() + 59 * 60, abs=60)
    assert done(config, "monitoring.acknowledge", **asked)["skipped"]
    ended = done(config, "monitoring.unacknowledge", host=known)
    assert [row["what"] for row in ended["skipped"]] == [service]
    assert [one.author for one in acknowledgements.acknowledgements(icinga)] == ["ann"]
    done(config, "monitoring.unacknowledge", also=[service])
    assert acknowledgements.acknowledgements(icinga) == []


def test_a_client_certificate_is_enough(
    configured: dict[str, Any], monitor: Monitor, host: Callable[..., str]
) -> None:
    (entry,) = configured["icingas"]
    folder = certificates(existing())
    own = {"cert": str(folder / "runner.crt"), "key": str(folder / "runner.key")}
    login = {key: entry[key] for key in ("name", "url", "cacert")} | own
    icinga = Icinga.from_config(load({"icingas": [login]}), None)
    known = host()
    assert downtimes.schedule(icinga, new(known))
    assert covered(icinga, known)


def test_who_is_not_let_in(configured: dict[str, Any], monitor: Monitor, tmp_path: Path) -> None:
    (entry,) = configured["icingas"]
    wrong = {**entry, "password": "wrong and long"}
    with pytest.raises(CloudError, match=r"401.*credentials are not accepted"):
        watched.hosts(Icinga.from_config(load({"icingas": [wrong]}), None))
    by_address = {**entry, "url": entry["url"].replace("localhost", "127.0.0.1")}
    with pytest.raises(CloudError, match="the certificate could not be verified"):
        watched.hosts(Icinga.from_config(load({"icingas": [by_address]}), None))


def test_an_account_without_the_right_to_something_is_told(
    configured: dict[str, Any], monitor: Monitor, host: Callable[..., str]
) -> None:
    (entry,) = configured["icingas"]
    name = f"proof-{uuid.uuid4().hex[:8]}"
    rights = {"permissions": ["objects/query/Host"], "password": "long enough"}
    monitor.request("PUT", f"/objects/apiusers/{name}", {"attrs": rights})
    try:
        login = {**entry, "user": name, "password": "long enough"}
        limited = Icinga.from_config(load({"icingas": [login]}), None)
        assert watched.hosts(limited, Wanted(pattern="*"))
        with pytest.raises(CloudError, match=r"40[34].*objects/query/[Ss]ervice"):
            watched.services(limited)
        with pytest.raises(CloudError, match=r"40[34].*actions/schedule-downtime"):
            downtimes.schedule(limited, new(host()))
    finally:
        monitor.request("DELETE", f"/objects/apiusers/{name}")

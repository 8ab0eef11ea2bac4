"""cloud.check: each row says what the cloud itself answered."""

from __future__ import annotations

import math
import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from keystoneauth1.access import AccessInfoV3

from accounts.cloud import Cloud
from accounts.config import load
from state import place
from support.fake_alertmanager import FakeAlertmanager
from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Hypervisor, Server
from support.fake_cloud_runs import read
from support.fake_icinga import FakeIcinga
from workflow_api import Table
from workflows import cloud as check_of_cloud

RIGHTS = "Give the account a role that the service's policy asks for (admin by default)."
REFUSED = "refused by the cloud's policy (403)"
OPTIONAL = {"network", "block-storage"}


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, no_back_off: None) -> Iterator[FakeCloud]:
    monkeypatch.setattr(place, "look_at", lambda url: [])
    monkeypatch.setattr(check_of_cloud, "compiled_anew", lambda: None)
    with FakeCloud([Hypervisor("cmp-1")], [Server("a")]) as fake:
        yield fake


def check(fake: FakeCloud, cloud: Cloud | None = None) -> tuple[Table, dict[str, dict[str, Any]]]:
    table = read(cloud or fake.account(), "cloud.check")
    return table, {row["check"]: row for row in table.rows}


def test_all_is_well(fake: FakeCloud) -> None:
    fake.services |= {"network": "/network/v2.0", "block-storage": "/volume/v3"}
    table, rows = check(fake)
    said = f"{len(rows)} checks of cloud fake: no problems"
    assert (table.good, table.summary) == (True, said)
    assert {row["result"] for row in rows.values()} == {"ok", "not checkable"}
    open_question = [name for name, row in rows.items() if row["result"] == "not checkable"]
    assert open_question == ["right to migrate servers"]
    assert rows["login"]["detail"] == "admin on project admin, roles admin, member"
    assert rows["service compute"]["detail"].endswith("/compute/v2.1/, microversions to 2.96")


def test_who_logged_in_goes_by_its_id_where_it_has_no_name(
    fake: FakeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AccessInfoV3, "username", None)
    _, rows = check(fake)
    assert re.match(r"user \S+ on project admin, roles admin", rows["login"]["detail"])


def test_nothing_is_changed(fake: FakeCloud) -> None:
    check(fake)
    nobody = "/compute/v2.1/os-services/00000000-0000-0000-0000-000000000000"
    assert [request.path for request in fake.changes] == [nobody]
    assert [host.status for host in fake.hypervisors] == ["enabled"]


class Case(NamedTuple):
    """What is wrong with a cloud, and the row that says so."""

    id: str
    breaks: Callable[[FakeCloud], Any]
    check: str
    result: str
    detail: str
    advice: str = ""
    good: bool = True


def refuses(pattern: str, status: int = 403) -> Callable[[FakeCloud], Any]:
    return lambda fake: fake.fail(pattern, status, times=math.inf)


def nobody_listens() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


CASES = [
    *(
        Case(f"no {right}", refuses(pattern), right, "BAD", REFUSED, RIGHTS, False)
        for right, pattern in {
            "right to list servers of all projects": "GET .*/servers/detail",
            "right to list hypervisors": "GET .*/os-hypervisors/detail",
            "right to list migrations": "GET .*/os-migrations",
            "right to list server groups of all projects": "GET .*/os-server-groups",
            "right to list aggregates": "GET .*/os-aggregates",
            "right to list projects": "GET .*/projects",
            "right to ask placement": "GET .*/allocation_candidates",
            "right to enable and disable compute services": "PUT .*/os-services/",
        }.items()
    ),
    Case("a right that cannot be asked for", refuses("GET .*/os-aggregates", 404),
         "right to list aggregates", "not checkable", "Cloud fake: asking compute"),
    Case("a change that is not understood", refuses("PUT .*/os-services/", 400),
         "right to enable and disable compute services", "not checkable", "Cloud fake: asking"),
    Case("no Nova", lambda fake: fake.services.pop("compute"), "service compute", "BAD",
         "not in the catalogue", "Check region_name", False),
    Case("no Neutron is not missed by anyone yet", lambda fake: None, "service network",
         "not checkable", "not in the catalogue", "Check region_name"),
    Case("no Placement", lambda fake: fake.services.pop("placement"), "service placement", "BAD",
         "not in the catalogue", "Check region_name", False),
    Case("two regions", lambda fake: fake.regions.update(two="/two"), "region", "BAD",
         "Cloud 'fake': its catalogue has several regions (one, two) and region_name names none",
         "Set region_name of this cloud", False),
    Case("its only region", lambda fake: None, "region", "ok", "one"),
    Case("an old Nova", lambda fake: setattr(fake, "compute_version", "2.60"), "service compute",
         "BAD", "http://127.0.0.1:", "2.64 is needed.", False),
    Case("Glance is down", lambda fake: fake.services.update(image=nobody_listens()),
         "service image", "BAD", "Cloud fake: asking image: no connection: http://127.0.0.1:",
         "See whether the address", False),
    Case("Glance fails", refuses("GET /image", 503), "service image", "BAD",
         "Cloud fake: asking image: 503: It hurts.", "The service failed", False),
    Case("Glance tells no versions", refuses("GET /image", 404), "service image", "ok", "http"),
    Case("the clock is ahead", lambda fake: setattr(fake, "issued", lambda: time.time() + 60),
         "clock", "BAD", "the cloud's clock is +", "Let both sides follow the same NTP servers.",
         False),
    Case("the clock is behind", lambda fake: setattr(fake, "issued", lambda: time.time() - 60),
         "clock", "BAD", "the cloud's clock is -", "Let both sides follow the same NTP servers.",
         False),
    Case("the clock is nearly right", lambda fake: setattr(
         fake, "issued", lambda: time.time() + 3), "clock", "ok", "the cloud's clock is +"),
    Case("wrong credentials", refuses("POST .*/auth/tokens", 401), "login", "BAD",
         "Cloud fake: the credentials are not accepted (401).", "They are wrong", False),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_what_each_row_says(case: Case, fake: FakeCloud) -> None:
    case.breaks(fake)
    table, rows = check(fake)
    row = rows[case.check]
    assert row["result"] == case.result
    assert row["detail"].startswith(case.detail)
    assert row["advice"].startswith(case.advice)
    assert table.good == case.good
    bad = [row for row in rows.values() if row["result"] in ("BAD", "WARN")]
    assert len(table.summary.splitlines()) == 1 + len(bad)
    assert ".." not in table.summary


def test_without_a_login_nothing_else_is_asked(fake: FakeCloud) -> None:
    fake.fail("POST .*/auth/tokens", 401)
    _, rows = check(fake)
    assert list(rows) == ["login", "state store", "compiled library"]


def test_the_state_store_is_looked_at(fake: FakeCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    finding = place.Finding("state folder", False, "it is a temporary folder", "Choose another.")
    monkeypatch.setattr(place, "look_at", lambda url: [finding])
    table, rows = check(fake)
    assert (table.good, rows["state folder"]["result"]) == (False, "BAD")
    assert rows["state store"]["result"] == "ok"


def test_a_warning_is_no_failure(fake: FakeCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    finding = place.judge_filesystem("tmpfs", Path("/tmp/state"))
    monkeypatch.setattr(place, "look_at", lambda url: [finding])
    monkeypatch.setattr(check_of_cloud, "compiled_anew", lambda: "it is read-only")
    table, rows = check(fake)
    assert table.good
    assert [rows[name]["result"] for name in ("state filesystem", "compiled library")] == [
        "WARN"
    ] * 2
    first, *warnings = table.summary.splitlines()
    assert first.endswith("no problems, 2 warnings")
    assert "a reboot empties it" in warnings[0]
    assert "-m compileall -q" in warnings[1]


@pytest.mark.parametrize(
    ("version", "fault", "result", "says"),
    [
        ("0.25.0", None, ("ok", "ok"), "version 0.25.0"),
        ("0.21.0", None, ("WARN", "ok"), "version 0.21.0"),
        ("0.25.0", ("POST", 403), ("ok", "BAD"), "it refuses to be sent silences"),
        ("0.25.0", ("POST", 500), ("ok", "not checkable"), "500: It hurts"),
        ("0.25.0", ("status", 401), ("BAD",), "401: It hurts"),
        ("0.25.0", ("status", 404), ("BAD",), "version 2 of Alertmanager's API is not at its url"),
    ],
)
def test_each_alertmanager_answers_and_may_be_used(
    fake: FakeCloud,
    version: str,
    fault: tuple[str, int] | None,
    result: tuple[str, ...],
    says: str,
) -> None:
    with FakeAlertmanager(version) as monitoring:
        if fault:
            monitoring.fail(*fault, times=math.inf)
        config = load(fake.config(alertmanagers=[monitoring.entry]))
        table, rows = check(fake, Cloud.from_config(config, None))
    mine = [row for name, row in rows.items() if "Alertmanager main" in name]
    assert tuple(row["result"] for row in mine) == result
    assert any(says in row["detail"] for row in mine)
    assert table.good == ("BAD" not in result)
    assert monitoring.silences == {}


def test_an_alertmanager_that_is_misconfigured_or_away(fake: FakeCloud) -> None:
    entries = [
        {"name": "odd", "url": "alerts:9093"},
        {"name": "away", "url": "http://127.0.0.1:1"},
    ]
    config = load(fake.config(alertmanagers=entries))
    table, rows = check(fake, Cloud.from_config(config, None))
    assert not table.good
    assert "is no address of a service" in rows["Alertmanager odd"]["detail"]
    assert "connection refused" in rows["Alertmanager away"]["detail"]


@pytest.mark.parametrize(
    ("permissions", "lacking"),
    [
        (["*"], ""),
        (["objects/query/*", {"permission": "actions/*", "filter": "{{ true }}"}], ""),
        (["OBJECTS/query/*", "actions/remove-downtime"], "it lacks actions/schedule-downtime"),
        ([], "it lacks objects/query/Host, objects/query/Service"),
    ],
)
def test_each_icinga_tells_what_its_account_may(
    fake: FakeCloud, permissions: list[Any], lacking: str
) -> None:
    with FakeIcinga([], permissions=permissions) as monitoring:
        config = load(fake.config(icingas=[monitoring.entry()]))
        table, rows = check(fake, Cloud.from_config(config, None))
    assert rows["Icinga main"]["detail"] == "version r2.13.6-1"
    right = rows["right to schedule downtimes in Icinga main"]
    assert right["detail"].startswith(lacking or "its own answer")
    assert table.good == (not lacking)
    assert monitoring.changes == []


def test_an_icinga_that_is_misconfigured_or_away(fake: FakeCloud) -> None:
    login = {"user": "ops", "password": "long enough"}
    entries = [
        {"name": "open", "url": "https://icinga.example.org:5665"},
        {"name": "away", "url": "https://127.0.0.1:1", **login},
    ]
    table, rows = check(fake, Cloud.from_config(load(fake.config(icingas=entries)), None))
    assert not table.good
    assert "neither a user and password nor a cert" in rows["Icinga open"]["detail"]
    assert "connection refused" in rows["Icinga away"]["detail"]

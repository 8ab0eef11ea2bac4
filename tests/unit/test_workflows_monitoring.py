"""monitoring.search: what Icinga knows of hosts, and the servers on them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from accounts import repeating
from accounts.config import load
from common.errors import UserError
from monitoring import names
from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Hypervisor, Server
from support.fake_icinga import FakeIcinga, Thing
from support.monitoring_runs import HOSTILE, Config, done, run
from support.runs import new_state


@pytest.fixture
def icinga() -> Iterator[FakeIcinga]:
    things = [
        Thing("cmp-1", state=1),
        Thing("cmp-1", "nova", state=2, acknowledged=True),
        Thing("cmp-2"),
        Thing("cmp-2", "nova"),
        Thing("cmp-2", "disk", state=1),
        Thing("switch-1", state=1),
        Thing("new", state=1, checked=False),
    ]
    with FakeIcinga(things) as fake:
        fake.put(Thing("cmp-2", "disk"), {"start_time": 0, "end_time": 1})
        fake.put(Thing("cmp-2", "nova"), {"start_time": 0, "end_time": 1})
        yield fake


@pytest.fixture
def cloud() -> Iterator[FakeCloud]:
    hosts = [Hypervisor("cmp-1"), Hypervisor("cmp-2"), Hypervisor("cmp-3.example.org")]
    with FakeCloud(hosts, [Server("web-1"), Server("web-2"), Server("db-1", host="cmp-2")]) as fake:
        yield fake


@pytest.fixture
def config(cloud: FakeCloud, icinga: FakeIcinga, tmp_path: Path) -> Config:
    state = new_state(tmp_path / "state.db")
    return {**cloud.config(), "icingas": [icinga.entry()], "state_url": state}


@pytest.fixture(autouse=True)
def _brief_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeating, "_backoff", lambda state: 0.01)


def found(config: Config, **more: Any) -> list[str]:
    rows = done(config, "monitoring.search", **more)["rows"]
    return [f"{row['host']}!{row['service']}".rstrip("!") for row in rows]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, ["cmp-1", "cmp-1!nova", "cmp-2!disk", "cmp-2!nova", "switch-1"]),
        ({"services": False}, ["cmp-1", "switch-1"]),
        ({"state": "problem"}, ["cmp-1", "cmp-1!nova", "cmp-2!disk", "switch-1"]),
        ({"state": "unhandled"}, ["cmp-1", "switch-1"]),
        ({"state": "downtime"}, ["cmp-2!disk", "cmp-2!nova"]),
        ({"state": "acknowledged"}, ["cmp-1!nova"]),
        ({"state": "any", "services": False}, ["cmp-1", "cmp-2", "new", "switch-1"]),
        ({"host": "CMP-2"}, ["cmp-2!disk", "cmp-2!nova"]),
        ({"host": "*-1", "services": False}, ["cmp-1", "switch-1"]),
        ({"host": "nowhere"}, []),
        ({"limit": 1}, ["cmp-1"]),
    ],
)
def test_what_is_found(config: Config, more: dict[str, Any], expected: list[str]) -> None:
    assert found(config, **more) == expected


def test_each_host_has_its_servers(config: Config, cloud: FakeCloud) -> None:
    rows = done(config, "monitoring.search", state="any", services=False)["rows"]
    theirs = {row["host"]: (row["servers"], row["server_names"]) for row in rows}
    assert theirs == {
        "cmp-1": (2, ["web-1", "web-2"]),
        "cmp-2": (1, ["db-1"]),
        "new": (None, None),
        "switch-1": (None, None),
    }


def test_the_name_in_icinga_is_configured(config: Config, icinga: FakeIcinga) -> None:
    icinga.things.append(Thing("hv_cmp-3", state=1))
    config["monitoring"] = {"icinga_host": "hv_{short}"}
    rows = done(config, "monitoring.search", host="hv_*")["rows"]
    assert [(row["host"], row["servers"]) for row in rows] == [("hv_cmp-3", 0)]


def test_a_cloud_that_does_not_answer_is_told_beside(config: Config, cloud: FakeCloud) -> None:
    cloud.fail("/os-hypervisors", 500, times=99)
    kind, result = run(config, "monitoring.search", services=False)
    assert kind == "done"
    assert [row["host"] for row in result["rows"]] == ["cmp-1", "switch-1"]
    assert {row["servers"] for row in result["rows"]} == {None}
    assert "the servers of cloud fake" in result["text"]


def test_an_icinga_that_does_not_answer_is_a_failure(config: Config, icinga: FakeIcinga) -> None:
    icinga.fail("/v1/", 500, times=99)
    kind, result = run(config, "monitoring.search")
    assert (kind, "Icinga main: listing hosts: 500" in result["summary"]) == ("failed", True)


def test_it_asks_no_more_for_more_hosts(
    config: Config, icinga: FakeIcinga, cloud: FakeCloud
) -> None:
    found(config)
    few = icinga.count(), cloud.count()
    icinga.things += [Thing(f"cmp-{number}", state=1) for number in range(10, 60)]
    icinga.requests.clear()
    cloud.requests.clear()
    assert len(found(config)) == 55
    assert icinga.count() == few[0] == 2
    assert cloud.count() <= few[1]


# -- names -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("matchers", "host", "said"),
    [
        (None, "cmp-1", 'instance=~"cmp\\\\-1(:[0-9]+)?"'),
        (None, "a.b|.*", 'instance=~"a\\\\.b\\\\|\\\\.\\\\*(:[0-9]+)?"'),
        ('host="{short}", env="prod"', "cmp-1.example.org", 'env="prod", host="cmp-1"'),
        ('host=~"{short}|{host}"', "c.d", 'host=~"c|c\\\\.d"'),
        ('host="{host}"', 'x", env="y', 'host="x\\", env=\\"y"'),
    ],
)
def test_what_alerts_are_about_a_hypervisor(matchers: str | None, host: str, said: str) -> None:
    given = {} if matchers is None else {"monitoring": {"alertmanager_matchers": matchers}}
    assert names.in_alertmanager(load(given), host) == said


@pytest.mark.parametrize("host", [*HOSTILE, "{short}", "{host}.{host}", ".*", "a.b.c"])
def test_a_name_stands_for_itself_alone(host: str) -> None:
    from alertmanager_api.matchers import match, parse

    matchers = parse(names.in_alertmanager(load({}), host))
    assert match(matchers, {"instance": host})
    assert match(matchers, {"instance": f"{host}:9100"})
    assert not match(matchers, {"instance": f"{host}0"})
    assert not match(matchers, {"instance": "cmp-2"})
    assert names.in_icinga(load({}), host) == host


@pytest.mark.parametrize("key", ["icinga_host", "alertmanager_matchers"])
def test_a_text_without_the_name_is_refused(key: str) -> None:
    with pytest.raises(UserError, match=key):
        load({"monitoring": {key: 'instance="all"'}})
